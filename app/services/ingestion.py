"""Keep what is new: deduplicate, classify, store."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from app.domain.addresses import canonical_url, storable
from app.domain.news import Article, Classification, FeedItem, Source
from app.ml.near_duplicates import normalise
from app.services.entities import Entities
from app.services.stories import Read, Stories
from app.storage.article_rows import NewSketch
from app.storage.articles import Articles

BATCH = 16  # articles classified and stored together: what a crash can cost
_MAX_OUTLET = 200


class Ingestion:
    """Brings articles in. Safe to call from several threads: one visit is stored after the other.

    `storing` is held while the items of one visit are stored; who takes it sees whole visits only.
    """

    def __init__(
        self,
        articles: Articles,
        parse_feed: Callable[[bytes, str, str], list[FeedItem]],
        detect_language: Callable[[str], str],
        classify: Callable[[Sequence[Article]], list[Classification]],
        stories: Stories,
        entities: Entities,
        clock: Callable[[], datetime],
    ) -> None:
        self.parse_feed = parse_feed
        self._articles, self._detect_language, self._classify = articles, detect_language, classify
        self._stories, self._entities, self._clock = stories, entities, clock
        self.storing = threading.Lock()

    def store(self, items: Sequence[FeedItem], source: Source | None, sample: bool = False) -> tuple[int, int]:
        """Store the items that are not there yet; return how many are new and how many known or repeated.

        An article is stored together with its classification, so that an interruption leaves nothing half
        done: what is missing comes in with the next visit. The oldest come first, so that a story begins with
        the one who told it first.
        """
        new, now = 0, self._clock()
        ordered = sorted(items, key=lambda item: _published(item, now))
        with self.storing:
            for batch in _batches(ordered):
                new += sum(article.duplicate_of is None for article in self._store_batch(batch, source, sample))
        return new, len(items) - new

    def _store_batch(self, items: Sequence[FeedItem], source: Source | None, sample: bool) -> Iterator[Article]:
        """Read and store what is new of a batch; yield each article that was stored."""
        now = self._clock()
        articles = {a.url: a for a in (self._article(item, source, now) for item in items)}
        known = self._articles.known_urls(articles)
        fresh = [article for url, article in articles.items() if url not in known]
        if not fresh:
            return
        self._stories.refresh(now)
        readings = self._classify(fresh)
        fresh = self._entities.tag(fresh)
        for article, reading, read in zip(fresh, readings, self._stories.read(fresh), strict=True):
            placed = self._stories.place(replace(article, classification=reading), read, sample)
            stored = self._articles.add(placed, now, sample, self._sketch(read))
            if stored is not None:
                self._stories.remember(stored, read, now, sample)
                yield stored

    def _sketch(self, read: Read) -> NewSketch:
        return NewSketch(read.minhash, read.vector_bytes, self._stories.embedder)

    def _article(self, item: FeedItem, source: Source | None, now: datetime) -> Article:
        title, text = storable(item.title), storable(item.text)
        return Article(
            url=canonical_url(item.url),
            title=title,
            text=text,
            published_at=_published(item, now),
            language=self._detect_language(f"{title}\n{text}"),
            content_hash=content_hash(title, text),
            outlet=storable(item.outlet or (source.name if source else ""))[:_MAX_OUTLET],
            source_id=source.id if source else None,
        )


def content_hash(title: str, text: str) -> str:
    """SHA-256 of title and text without case, punctuation and spacing."""
    return hashlib.sha256(f"{normalise(title)}\n{normalise(text)}".encode()).hexdigest()


def _published(item: FeedItem, now: datetime) -> datetime:
    """When an item was published; without a date, or with one ahead of us, now."""
    return now if item.published_at is None else min(item.published_at, now)


def _batches(items: Sequence[FeedItem]) -> Iterator[Sequence[FeedItem]]:
    return (items[i : i + BATCH] for i in range(0, len(items), BATCH))
