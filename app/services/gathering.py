"""Visit the sources that are due, and hand what they give to the storing half (ingestion)."""

import contextvars
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.errors import AppError, FetchFailed, LeaseLost, SourceBusy, SourceError
from app.domain.news import FeedItem, IngestReport, Source
from app.integrations.fetcher import Fetched, Fetcher
from app.integrations.folder import LocalFiles
from app.integrations.reading import FILES, Reading, read_file, zone_of
from app.services.article_texts import ArticleTexts
from app.services.ingestion import Ingestion
from app.storage.sources import Sources

log = logging.getLogger(__name__)

FAILURES_BORNE = 3  # in a row, before the visits are spaced
LONGEST_PAUSE = timedelta(hours=24)
LONGEST_FRESHNESS = timedelta(hours=6)  # a feed that promises more is asked all the same


@dataclass(frozen=True)
class _Outcome:
    """How one visit ended; `error` is empty when it went well."""

    source: Source
    fetched: int = 0
    new: int = 0
    duplicates: int = 0
    error: str = ""


class Gathering:
    """Brings articles in from the sources, several at a time. Safe to call from several threads.

    What a visit gives is stored as a whole before that of another. A source whose visit takes longer than
    `patience_seconds` does not hold up the others: its visit goes on, and counts in a later report.
    """

    def __init__(
        self,
        sources: Sources,
        ingestion: Ingestion,
        fetcher: Fetcher,
        read: Callable[[Source, Fetched, datetime, int], Reading],
        texts: ArticleTexts,
        clock: Callable[[], datetime],
        files: LocalFiles = LocalFiles(),  # noqa: B008 - frozen
        at_once: int = 8,
        patience_seconds: float = 45.0,
    ) -> None:
        self._sources, self._ingestion, self._fetcher = sources, ingestion, fetcher
        self._read, self._texts, self._files, self._clock = read, texts, files, clock
        self._at_once, self._patience = at_once, patience_seconds
        self._under_way: dict[int, Future[_Outcome]] = {}  # visits of earlier runs, by source
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    @property
    def storing(self) -> threading.Lock:
        """Held while the items of one visit are stored; who takes it sees whole visits only."""
        return self._ingestion.storing

    def run_due(self) -> IngestReport:
        """Visit the enabled sources whose time has come, those that worked last time first."""
        due = self._sources.due(self._clock())
        with self._lock:
            ended = {key: visit for key, visit in self._under_way.items() if visit.done()}
            self._under_way = {key: visit for key, visit in self._under_way.items() if key not in ended}
            begun = self._begin([source for source in due if source.id not in self._under_way])
            self._under_way.update(begun)
        wait(begun.values(), timeout=self._patience)
        with self._lock:
            now_ended = {key: visit for key, visit in begun.items() if visit.done()}
            self._under_way = {key: visit for key, visit in self._under_way.items() if key not in now_ended}
        earlier = [visit for visit in ended.values() if visit.exception() is None]  # else its lease was lost
        return _report(visit.result() for visit in [*earlier, *now_ended.values()])

    def run(self, sources: Sequence[Source]) -> IngestReport:
        """Visit these sources now, and wait. One that fails is recorded as failing and never stops the others."""
        return _report(visit.result() for visit in self._begin(sources).values())

    def preview(self, source: Source) -> list[FeedItem]:
        """What a visit to an address would give now; nothing is stored, nor recorded. Raises AppError."""
        return self._items(source, self._fetch(source, source.url))

    def close(self) -> None:
        """Begin no more visits, and wait for those under way."""
        self._stopped.set()
        with self._lock:
            visits = list(self._under_way.values())
        wait(visits)

    def _begin(self, sources: Sequence[Source]) -> dict[int, Future[_Outcome]]:
        """Visits by source, in threads that keep the caller's context: a lease that it holds is theirs, too."""
        if not sources:
            return {}
        pool = ThreadPoolExecutor(min(self._at_once, len(sources)), "gather")
        try:
            order = sorted(sources, key=lambda source: source.failures)
            return {s.id: pool.submit(contextvars.copy_context().run, self._visit, s) for s in order}
        finally:
            pool.shutdown(wait=False)

    def _visit(self, source: Source) -> _Outcome:
        """One visit with its record. Raises LeaseLost, when nothing may be written any more."""
        try:
            if self._stopped.is_set():
                return _Outcome(source)
            return self._visit_folder(source) if source.kind == "folder" else self._visit_site(source)
        except LeaseLost:
            raise
        except AppError as error:
            return self._failed(source, str(error), error.seconds if isinstance(error, SourceBusy) else None)
        except Exception as error:
            log.exception("Source %s failed", source.name)
            message = f"Unexpected {type(error).__name__} while reading this source; the log has the details."
            return self._failed(source, message)

    def _visit_site(self, source: Source) -> _Outcome:
        """A visit to an address. Its success is recorded only after the storing."""
        answer = self._fetch(source, source.url, source.etag, source.last_modified)
        pause = self._clock() + min(timedelta(seconds=answer.fresh_seconds), LONGEST_FRESHNESS)
        if answer.not_modified:
            self._sources.record_success(
                source.id, self._clock(), source.last_count, source.etag, source.last_modified, pause
            )
            return _Outcome(source)
        items = self._items(source, answer)
        completed = self._texts.complete(source, items, self._stopped.is_set)
        new, duplicates = self._ingestion.store(completed.items, source, source.sample)
        if completed.left:  # the same answer must come again for them, and soon
            self._sources.record_success(source.id, self._clock(), len(items))
        else:
            marks = (answer.etag[:500], answer.last_modified[:100])
            self._sources.record_success(source.id, self._clock(), len(items), *marks, pause)
        return _Outcome(source, len(completed.items), new, duplicates)

    def _items(self, source: Source, answer: Fetched) -> list[FeedItem]:
        """The items of an answer, and of what it refers to (the sitemaps of an index); one of these may fail."""
        reading = self._read(source, answer, self._clock(), self._fetcher.max_bytes)
        items, failure = list(reading.items), None
        for address in reading.further:
            try:
                items += self._read(
                    source, self._fetch(source, address), self._clock(), self._fetcher.max_bytes
                ).items
            except SourceError as error:
                log.info("Source %s: %s", source.name, error)
                failure = error
        if failure is not None and not items:
            raise failure
        return items

    def _fetch(self, source: Source, url: str, etag: str = "", last_modified: str = "") -> Fetched:
        return self._fetcher.fetch(url, etag, last_modified, bool(source.options.get("ignore_robots")))

    def _visit_folder(self, source: Source) -> _Outcome:
        """Read the files that came since the last visit. Raises FetchFailed after the others, if one was bad."""
        pattern = str(source.options.get("glob", "**/*"))
        paths, mark = self._files.changed(source.url, pattern, source.etag)
        outcome, bad = _Outcome(source), []
        for path in paths:
            if path.suffix.lower() not in FILES:
                continue
            try:
                items = read_file(path, self._files.read(path, self._fetcher.max_bytes), zone_of(source))
            except AppError as error:
                bad.append(str(error))
                continue
            new, duplicates = self._ingestion.store(items, source, source.sample)
            counts = (outcome.fetched + len(items), outcome.new + new, outcome.duplicates + duplicates)
            outcome = _Outcome(source, *counts)
        if bad:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            raise FetchFailed(f"{bad[0]}{more} Mend or remove the file; the others were read.")
        self._sources.record_success(source.id, self._clock(), outcome.fetched, mark)
        return outcome

    def _failed(self, source: Source, message: str, asked_seconds: float | None = None) -> _Outcome:
        log.warning("Source %s: %s", source.name, message)
        now = self._clock()
        try:
            self._sources.record_failure(source.id, now, message, now + pause_after(source, asked_seconds))
        except LeaseLost:
            raise
        except AppError as error:  # the database may be what failed in the first place
            log.error("The failure of %s was not recorded: %s", source.name, error)
        return _Outcome(source, error=message)


def pause_after(source: Source, asked_seconds: float | None = None) -> timedelta:
    """How long to leave a source alone after one more failure: its interval, doubled with every failure beyond
    FAILURES_BORNE in a row, at least what the server asked for; never longer than LONGEST_PAUSE."""
    interval = timedelta(minutes=source.interval_minutes)
    doubled = min(max(0, source.failures + 1 - FAILURES_BORNE), 20)
    asked = timedelta(seconds=min(asked_seconds or 0.0, LONGEST_PAUSE.total_seconds()))
    return min(max(interval * 2**doubled, asked), max(LONGEST_PAUSE, interval))


def _report(outcomes: Iterable[_Outcome]) -> IngestReport:
    report = IngestReport()
    for outcome in outcomes:
        errors = {outcome.source.name: outcome.error} if outcome.error else {}
        report = replace(
            report,
            sources=report.sources + 1,
            fetched=report.fetched + outcome.fetched,
            new=report.new + outcome.new,
            duplicates=report.duplicates + outcome.duplicates,
            errors={**report.errors, **errors},
        )
    return report
