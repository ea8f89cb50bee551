"""Fetch what is due, keep what is new: deduplicate, classify, store."""

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

from app.domain.errors import AppError, NotAFeed
from app.domain.news import Article, Classification, FeedItem, IngestReport, Source
from app.integrations.fetcher import Fetched, Fetcher
from app.ml.near_duplicates import NearDuplicates, Sketch, normalise, sketch
from app.storage.articles import Articles
from app.storage.sources import Sources

log = logging.getLogger(__name__)

COMPARED = timedelta(days=7)  # how far back near-duplicates are searched
BATCH = 16  # articles classified and stored together: what a crash can cost
_MAX_URL = 2000
_MAX_OUTLET = 200
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|msclkid")
_MEANINGFUL_FRAGMENT = re.compile(r"[/!].*|[0-9a-f]{16,}")  # a route of a web application, or an entry without link
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL and UTF-8 have no place for them


class Ingestion:
    """Brings articles in. Safe to call from several threads: one visit is stored after the other.

    `storing` is held while the items of one visit are stored; who takes it sees whole visits only.
    """

    def __init__(
        self,
        sources: Sources,
        articles: Articles,
        fetcher: Fetcher,
        parse_feed: Callable[[bytes, str, str], list[FeedItem]],
        extract_page: Callable[[bytes, str], FeedItem],
        detect_language: Callable[[str], str],
        classify: Callable[[Sequence[Article]], list[Classification]],
        clock: Callable[[], datetime],
    ) -> None:
        self.parse_feed = parse_feed
        self._sources, self._articles, self._fetcher = sources, articles, fetcher
        self._extract_page, self._detect_language, self._classify = extract_page, detect_language, classify
        self._clock = clock
        self._known_texts = NearDuplicates()
        self.storing = threading.Lock()

    def run_due(self) -> IngestReport:
        """Visit the enabled sources whose interval has passed."""
        return self.run(self._sources.due(self._clock()))

    def run(self, sources: Sequence[Source]) -> IngestReport:
        """Visit these sources. One that fails is recorded as failing and never stops the others."""
        report = IngestReport(sources=len(sources))
        for source in sources:
            try:
                fetched, new, duplicates = self._visit(source)
                report = replace(
                    report,
                    fetched=report.fetched + fetched,
                    new=report.new + new,
                    duplicates=report.duplicates + duplicates,
                )
            except AppError as error:
                report = self._note_failure(report, source, str(error))
            except Exception as error:
                log.exception("Source %s failed", source.name)
                message = f"Unexpected {type(error).__name__} while reading this source; the log has the details."
                report = self._note_failure(report, source, message)
        return report

    def store(self, items: Sequence[FeedItem], source: Source | None, sample: bool = False) -> tuple[int, int]:
        """Store the items that are not there yet; return how many are new and how many known or repeated.

        An article is stored together with its classification, so that an interruption leaves nothing half
        done: what is missing comes in with the next visit.
        """
        new = 0
        with self.storing:
            for batch in _batches(items):
                new += sum(article.duplicate_of is None for article in self._store_batch(batch, source, sample))
        return new, len(items) - new

    def _visit(self, source: Source) -> tuple[int, int, int]:
        """Counts of one visit: items seen, new, duplicates. Its success is recorded only after the storing."""
        answer = self._fetcher.fetch(source.url, source.etag, source.last_modified)
        if answer.not_modified:
            self._sources.record_success(
                source.id, self._clock(), source.last_count, source.etag, source.last_modified
            )
            return 0, 0, 0
        items = self._read(source, answer)
        new, duplicates = self.store(items, source, source.sample)
        self._sources.record_success(
            source.id, self._clock(), len(items), answer.etag[:500], answer.last_modified[:100]
        )
        return len(items), new, duplicates

    def _read(self, source: Source, answer: Fetched) -> list[FeedItem]:
        if source.kind == "page":
            return [self._extract_page(answer.content, answer.url)]
        try:
            return self.parse_feed(answer.content, answer.content_type, answer.url)
        except NotAFeed:
            if source.kind == "auto" and _looks_like_html(answer):
                return [self._extract_page(answer.content, answer.url)]
            raise

    def _store_batch(self, items: Sequence[FeedItem], source: Source | None, sample: bool) -> Iterator[Article]:
        """Classify and store what is new of a batch; yield each article that was stored."""
        now = self._clock()
        articles = {a.url: a for a in (self._article(item, source, now) for item in items)}
        known = self._articles.known_urls(articles)
        fresh = [article for url, article in articles.items() if url not in known]
        if not fresh:
            return
        self._refresh_known_texts(now)
        readings = self._classify(fresh)
        for article, reading in zip(fresh, readings, strict=True):
            text = sketch(f"{article.title} {article.text}")
            original = self._articles.find_hash(article.content_hash) or self._known_texts.find(text)
            stored = self._articles.add(
                replace(article, classification=reading, duplicate_of=original), now, sample
            )
            if stored is not None:
                self._remember(stored, text)
                yield stored

    def _article(self, item: FeedItem, source: Source | None, now: datetime) -> Article:
        title, text = _storable(item.title), _storable(item.text)
        published = item.published_at
        return Article(
            url=canonical_url(item.url),
            title=title,
            text=text,
            published_at=now if published is None or published > now else published,
            language=self._detect_language(f"{title}\n{text}"),
            content_hash=content_hash(title, text),
            outlet=_storable(item.outlet or (source.name if source else ""))[:_MAX_OUTLET],
            source_id=source.id if source else None,
        )

    def _refresh_known_texts(self, now: datetime) -> None:
        """Make the index hold the originals of the last days, whoever stored them; sketches are made once."""
        recent = self._articles.recent_texts(now - COMPARED)
        self._known_texts.keep([article_id for article_id, _, _ in recent])
        for article_id, title, text in recent:
            if article_id not in self._known_texts:
                self._known_texts.add(article_id, sketch(f"{title} {text}"))

    def _remember(self, article: Article, text: Sketch) -> None:
        if article.duplicate_of is None and article.id is not None:
            self._known_texts.add(article.id, text)

    def _note_failure(self, report: IngestReport, source: Source, message: str) -> IngestReport:
        log.warning("Source %s: %s", source.name, message)
        self._sources.record_failure(source.id, self._clock(), message)
        return replace(report, errors={**report.errors, source.name: message})


def canonical_url(url: str) -> str:
    """The address under which an article is known: lower-case host, no anchor, no tracking parameters."""
    parts = urlsplit(_storable(url.strip()))
    query = "&".join(p for p in parts.query.split("&") if not _TRACKING.fullmatch(p.partition("=")[0].lower()))
    fragment = parts.fragment if _MEANINGFUL_FRAGMENT.fullmatch(parts.fragment) else ""
    address = urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path, query, fragment))
    if len(address) <= _MAX_URL:
        return address
    digest = hashlib.sha256(address.encode()).hexdigest()[:32]
    return f"{address[: _MAX_URL - len(digest) - 1]}#{digest}"


def content_hash(title: str, text: str) -> str:
    """SHA-256 of title and text without case, punctuation and spacing."""
    return hashlib.sha256(f"{normalise(title)}\n{normalise(text)}".encode()).hexdigest()


def _looks_like_html(answer: Fetched) -> bool:
    start = answer.content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "html" in answer.content_type.lower() or start.startswith((b"<!doctype html", b"<html"))


def _storable(text: str) -> str:
    return _UNSTORABLE.sub("", text)


def _batches(items: Sequence[FeedItem]) -> Iterator[Sequence[FeedItem]]:
    return (items[i : i + BATCH] for i in range(0, len(items), BATCH))
