"""The texts of items that came without one: fetched from their pages, politely, a few a visit."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from app.domain.errors import AddressRefused, FetchFailed, NotAFeed, SourceBusy, SourceError
from app.domain.news import FeedItem, Source
from app.integrations.fetcher import Fetcher

log = logging.getLogger(__name__)

_ALWAYS = ("sitemap", "list", "json")  # kinds of source that announce pages
_SHORT = 200  # characters: where a source wants full texts, less than this is a teaser
_TRIES = 3  # visits in which a page that is away is asked for
_IN_A_ROW = 3  # failures after which a site is left alone for this visit
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Completed:
    """Items that can be stored now, and how many wait for a later visit."""

    items: list[FeedItem]
    left: int = 0


class ArticleTexts:
    """Completes items from their pages. Safe to share between threads."""

    def __init__(
        self,
        fetcher: Fetcher,
        extract_page: Callable[[bytes, str, str], FeedItem],
        known_urls: Callable[[Sequence[str]], set[str]],
        canonical_url: Callable[[str], str],
        pages_per_visit: int = 20,
    ) -> None:
        self._fetcher, self._extract_page, self._known_urls = fetcher, extract_page, known_urls
        self._canonical_url, self._pages = canonical_url, pages_per_visit
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()

    def complete(
        self, source: Source, items: Sequence[FeedItem], stopped: Callable[[], bool] = lambda: False
    ) -> Completed:
        """The items with their texts. A page that may not be read leaves its item with the title alone; one
        that is away, or comes after the limit of this visit, leaves it for another visit.
        """
        if source.kind not in _ALWAYS and not source.options.get("full_text"):
            return Completed(list(items))
        enough = _SHORT if source.options.get("full_text") else 1
        known = self._known_urls([self._canonical_url(item.url) for item in items])
        ready: list[FeedItem] = []
        left = fetched = 0
        troubles: Counter[str] = Counter()
        for item in items:
            if len(item.text) >= enough or self._canonical_url(item.url) in known or not _on_the_web(item):
                ready.append(item)
                continue
            host = urlsplit(item.url).netloc
            if fetched >= self._pages or troubles[host] >= _IN_A_ROW or stopped():
                left += 1
                continue
            fetched += 1
            completed, away = self._from_page(item, bool(source.options.get("ignore_robots")))
            troubles[host] = troubles[host] + 1 if away else 0
            if completed is None:
                left += 1
            else:
                ready.append(completed)
        return Completed([item for item in ready if item.title or item.text], left)

    def _from_page(self, item: FeedItem, ignore_robots: bool) -> tuple[FeedItem | None, bool]:
        """The item as far as it can be completed, or None while its page is away; and whether it is away."""
        try:
            answer = self._fetcher.fetch(item.url, ignore_robots=ignore_robots)
            page = self._extract_page(answer.content, answer.url, answer.content_type)
        except SourceBusy as error:
            log.info("The page %s is away: %s", item.url, error)
            return (item if self._given_up(item.url) else None), True
        except (FetchFailed, NotAFeed, AddressRefused, SourceError) as error:
            log.info("The page %s gives no text: %s", item.url, error)
            return item, False
        text = max(page.text, item.text, key=len)
        moment = item.published_at or page.published_at
        return replace(
            item, title=item.title or page.title, text=text, published_at=moment, outlet=item.outlet or page.outlet
        ), False

    def _given_up(self, url: str) -> bool:
        with self._lock:
            if len(self._tries) >= _REMEMBERED:
                self._tries.clear()
            self._tries[url] += 1
            return self._tries[url] >= _TRIES


def _on_the_web(item: FeedItem) -> bool:
    return item.url.startswith(("http://", "https://"))
