"""Four weeks of invented news, so that a fresh installation has something to show."""

import mimetypes
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from app.domain.errors import InvalidInput
from app.domain.news import FeedItem, IngestReport, Source
from app.services.alerting import Alerting
from app.services.ingestion import BATCH, Ingestion
from app.storage.articles import Articles
from app.storage.jobs import JobRuns
from app.storage.sources import Sources
from app.storage.watchlist import Watchlist, read_watchlist

JOB = "sample"
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_STALE = timedelta(days=3)


class SampleNews:
    """The feeds in `folder`, one a source. They take the same way in as any news; their alerts are not mailed."""

    def __init__(
        self,
        folder: Path,
        sources: Sources,
        articles: Articles,
        ingestion: Ingestion,
        alerting: Alerting,
        job_runs: JobRuns,
        clock: Callable[[], datetime],
        watchlist: Watchlist,
    ) -> None:
        self._folder, self._sources, self._articles, self._job_runs = folder, sources, articles, job_runs
        self._ingestion, self._alerting, self._clock = ingestion, alerting, clock
        self._watchlist = watchlist

    def loaded(self) -> bool:
        """Whether the sample is there in full; a load that was interrupted does not count."""
        sample = self._sample_sources()
        return len(sample) == len(self._files()) > 0 and all(source.last_fetched_at for source in sample)

    def load_once(self, progress: Callable[[str], None] = lambda message: None) -> IngestReport | None:
        """Bring the sample into a fresh installation, or again where it was interrupted; None if there is no need.

        It never comes back once it was loaded, even if it was removed since. Raises InvalidInput as `load` does.
        """
        if self._job_runs.ended(JOB) or self.loaded():
            return None
        fresh = not self._sources.list() and not self._articles.count()
        if not fresh and not self._sample_sources():
            return None
        run_id = self._job_runs.begin(JOB, self._clock())
        report = self.load(progress)
        self._job_runs.finish(run_id, self._clock(), {"new": report.new, "alerts": report.alerts})
        return report

    def load(self, progress: Callable[[str], None] = lambda message: None) -> IngestReport:
        """Bring the sample in, dated as if it had just happened; what an interrupted load left is replaced.

        `progress` receives a line now and then. Raises InvalidInput when the folder holds no feed.
        """
        feeds = {path: self._read(path) for path in self._files()}
        dates = [item.published_at for items in feeds.values() for item in items if item.published_at]
        if not dates:
            raise InvalidInput(f"{self._folder} holds no sample news (*.xml, *.json).")
        self.remove()
        self._add_companies()
        shift = shift_to_present(max(dates), self._clock())
        sources = {path: self._add_source(path, items) for path, items in feeds.items()}
        total, report = sum(map(len, feeds.values())), IngestReport(sources=len(feeds))
        for path, items in feeds.items():
            for begin in range(0, len(items), BATCH):
                batch = [_shifted(item, shift) for item in items[begin : begin + BATCH]]
                new, duplicates = self._ingestion.store(batch, sources[path], sample=True)
                report = replace(
                    report,
                    fetched=report.fetched + len(batch),
                    new=report.new + new,
                    duplicates=report.duplicates + duplicates,
                )
                progress(f"Sample news: {report.fetched} of {total} articles")
        alerts = self._alerting.detect(since=min(dates) + shift, sample=True)
        for path, source in sources.items():  # last: only now is the sample complete
            self._sources.record_success(source.id, self._clock(), len(feeds[path]))
        return replace(report, alerts=len(alerts))

    def remove(self) -> int:
        """Remove the sample's articles, sources, alerts and companies; return how many articles went."""
        self._watchlist.remove_sample()
        return self._articles.remove_sample()

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*") if path.suffix in (".xml", ".json"))

    def _read(self, path: Path) -> list[FeedItem]:
        content_type = mimetypes.guess_type(path.name)[0] or ""
        return self._ingestion.parse_feed(path.read_bytes(), content_type, path.resolve().as_uri())

    def _add_source(self, path: Path, items: list[FeedItem]) -> Source:
        name = next((item.outlet for item in items if item.outlet), path.stem)
        source = self._sources.add(name, path.resolve().as_uri(), kind="feed", sample=True)
        self._sources.set_enabled(source.id, False)  # nothing new will ever be in it
        return source

    def _add_companies(self) -> None:
        path = self._folder / "watchlist.csv"
        if path.is_file():
            companies = read_watchlist(path.read_bytes(), str(path))
            self._watchlist.import_companies(companies, self._clock(), sample=True)

    def _sample_sources(self) -> list[Source]:
        return [source for source in self._sources.list() if source.sample]


def shift_to_present(newest: datetime, now: datetime) -> timedelta:
    """How far to move the sample: by whole weeks, which keeps weekdays and hours true to the calm rhythm of
    news, or by whole days where that would leave the newest article more than three days old."""
    age = now - newest
    weeks = age // _WEEK * _WEEK
    return weeks if age - weeks <= _STALE else age // _DAY * _DAY


def _shifted(item: FeedItem, shift: timedelta) -> FeedItem:
    return replace(item, published_at=item.published_at + shift) if item.published_at else item
