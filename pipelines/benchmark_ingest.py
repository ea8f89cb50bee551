"""Bring a large number of invented articles in from local files, and time the pages' queries on the result.

    python -m pipelines.benchmark_ingest --articles 100000 --no-model

The articles take the real way: a folder of feeds that fills day by day, language, near-duplicates and stories by
words, companies of a watchlist, database. What reads them is said in the output: keywords, since the real
classifier takes hours for so many. Without --no-model it reads the first of them, and its own rate is given.
With --keep the files stay, and the queries are timed again without a new import if all articles are there.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from xml.sax.saxutils import escape

from app.bootstrap import build_classifier, load_backbone
from app.config import Settings
from app.domain.alerts import Alert, Kind, Notice
from app.domain.errors import InvalidInput
from app.domain.news import Article, Classification, FeedItem, Source
from app.domain.watchlist import WatchedName
from app.integrations.extraction import detect_language, extract_page
from app.integrations.feeds import parse_feed
from app.integrations.fetcher import Fetcher
from app.integrations.folder import LocalFiles
from app.integrations.reading import read_answer_of
from app.ml.article_classifier import ArticleClassifier, Towards
from app.services.article_texts import ArticleTexts
from app.services.entities import Entities
from app.services.gathering import Gathering
from app.services.ingestion import Ingestion, canonical_url
from app.services.stories import Stories
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.database import Database, open_database
from app.storage.retention import OldRows
from app.storage.sources import Sources
from app.storage.stories import Sketches
from app.storage.watchlist import Watchlist
from pipelines import command_line
from pipelines.query_times import DAY, Query, Times, measured, page_queries
from pipelines.synthetic_news import Company, by_keyword, companies, days

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
COMPANIES = 200
WATCHED = 50  # of them
ALERTS = 500
GOAL_MS = 200.0
Classify = Callable[[Sequence[Article]], list[Classification]]


@dataclass
class Reading:
    """Reads the first articles with the model, if there is one, and all others by keywords."""

    model: Classify | None = None
    sample: int = 0
    read: int = 0
    seconds: float = 0.0

    def __call__(self, articles: Sequence[Article]) -> list[Classification]:
        if self.model is not None and self.read < self.sample:
            begun = time.perf_counter()
            found = self.model(articles)
            self.seconds += time.perf_counter() - begun
            self.read += len(articles)
            return found
        return [by_keyword(article.title, article.text) for article in articles]

    def told(self) -> dict[str, object]:
        """What read the articles, for the output."""
        if not self.read:
            return {"classifier": "keywords (--no-model)"}
        rate = round(self.read / self.seconds, 2)
        return {"classifier": f"the model for {self.read}, keywords for the others", "model_articles_s": rate}


@dataclass(frozen=True)
class Import:
    """The parts that the articles go through, and the folder in which they arrive."""

    sources: Sources
    gathering: Gathering
    clock: "Clock"
    folder: Path
    source: Source


class Clock:
    """Stands where the news is."""

    def __init__(self) -> None:
        self.now = UNTIL

    def __call__(self) -> datetime:
        return self.now


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=90, help="over which they are spread (default 90)")
    parser.add_argument("--no-model", action="store_true", help="let keywords read every article")
    parser.add_argument("--model-sample", type=int, default=200, metavar="N", help="articles that the model reads")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where files and database stay")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        database = open_database(f"sqlite:///{folder / 'bellwether.db'}")
        try:
            held = Articles(database).count()
            if 0 < held < arguments.articles:
                raise InvalidInput(f"{folder} holds an import of {held} articles. Choose an empty folder.")
            if not held:
                reading = Reading() if arguments.no_model else read_by_model(arguments)
                command_line.print_json(fill(database, folder, arguments, reading))
            print_times(database)
        finally:
            database.close()


def read_by_model(arguments: argparse.Namespace) -> Reading:
    """The classifier of the settings for the sample."""
    settings: Settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    classifier = build_classifier(settings, backbone, settings.sentiment_adapter)
    return Reading(ArticleClassifier(classifier).classify_articles, arguments.model_sample)


def fill(database: Database, folder: Path, arguments: argparse.Namespace, reading: Reading) -> dict[str, object]:
    """Import everything; return counts, rates and sizes."""
    listed = companies(COMPANIES, arguments.seed)
    parts = build(database, folder / "arriving", listed, reading)
    done = new = 0
    seconds = processor = 0.0
    for number, items in enumerate(days(arguments.articles, UNTIL, arguments.days, listed, arguments.seed)):
        (parts.folder / f"day-{number:04}.xml").write_bytes(rss(items))
        parts.clock.now = UNTIL - DAY * (arguments.days - number - 1)
        begun, used = time.perf_counter(), time.process_time()
        report = parts.gathering.run([parts.sources.get(parts.source.id)])
        seconds += time.perf_counter() - begun
        processor += time.process_time() - used
        if report.errors:
            raise RuntimeError(str(report.errors))
        done, new = done + len(items), new + report.new
        command_line.show_progress("Import", done / arguments.articles)
    add_alerts(database, parts.clock)
    list(OldRows(database).compact())  # as the nightly job does
    stories = sum(sum(row.values()) for row in Articles(database).topic_counts(UNTIL - 9999 * DAY, UNTIL).values())
    return {
        "articles": Articles(database).count(),
        "repeated": done - new,
        "stories": stories,
        **reading.told(),
        "articles_s": round(done / seconds, 1),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(processor, 1),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "files_mb": _megabytes(parts.folder.glob("*.xml")),
        "database_mb": _megabytes(folder.glob("bellwether.db*")),
    }


def build(database: Database, folder: Path, listed: Sequence[Company], reading: Reading) -> Import:
    """The importing half of the application, as bootstrap composes it, without an embedder."""
    folder.mkdir(parents=True, exist_ok=True)
    clock, files = Clock(), LocalFiles(everywhere=True)
    sources, articles, watchlist = Sources(database, clock), Articles(database), Watchlist(database)
    for company in listed[:WATCHED]:
        watchlist.add(company.name, UNTIL, [WatchedName(company.chinese, "chinese")])

    def towards(asked: Sequence[Towards]) -> list[Classification]:
        return [by_keyword(one.article.title, one.article.text) for one in asked]

    ingestion = Ingestion(
        articles, parse_feed, detect_language, reading, Stories(Sketches(database), articles),
        Entities(watchlist, articles, towards), clock,
    )  # fmt: skip
    fetcher = Fetcher(20.0, 100_000_000, allow_private_addresses=False, files=files)
    texts = ArticleTexts(fetcher, extract_page, articles.known_urls, canonical_url)
    gathering = Gathering(sources, ingestion, fetcher, read_answer_of, texts, clock, files)
    source = sources.add("Files", folder.resolve().as_uri(), "folder")
    return Import(sources, gathering, clock, folder, source)


def add_alerts(database: Database, clock: Clock) -> None:
    """Alerts of earlier days with their deliveries, so that the lists of them have something to list."""
    alerts, newest = Alerts(database, clock), [a.id for a in Articles(database).recent(40) if a.id is not None]
    for number in range(ALERTS):
        at = UNTIL - timedelta(hours=3 * number)
        alert = Alert(
            "cyber", at - timedelta(hours=3), at, "high", 12, 2.0, 1e-6, 3, tuple(newest), stories=12,
            decisive=tuple(newest[:3]), ended_at=at,
        )  # fmt: skip
        alerts.create(alert, [Notice(Kind.ALERT, ("a@b.example", "c@d.example"), "")], at, "bellwether.invalid")


def print_times(database: Database) -> None:
    """One JSON line for each query, and one for all that miss the goal."""
    articles, now = Articles(database), UNTIL
    topic = min(articles.topic_counts(now - 9999 * DAY, now))
    company = Watchlist(database).list()[0].name
    queries: dict[str, Query] = page_queries(database, now, topic, company)
    found: dict[str, Times] = measured(queries)
    for name, times in found.items():
        command_line.print_json({"query": name, **{k: round(v, 1) for k, v in asdict(times).items()}})
    slow = [name for name, times in found.items() if times.p95 >= GOAL_MS]
    command_line.print_json({"goal_ms": GOAL_MS, "slower_at_p95": slow})


def rss(items: Sequence[FeedItem]) -> bytes:
    """A feed with these items."""
    entries = "".join(
        f"<item><title>{escape(item.title)}</title><link>{escape(item.url)}</link>"
        f"<description>{escape(item.text)}</description><author>{escape(item.outlet)}</author>"
        + (f"<pubDate>{format_datetime(item.published_at)}</pubDate>" if item.published_at else "")
        + "</item>"
        for item in items
    )
    return f'<rss version="2.0"><channel><title>Files</title>{entries}</channel></rss>'.encode()


def _megabytes(paths: Iterable[Path]) -> float:
    return round(sum(path.stat().st_size for path in paths) / 2**20, 1)


if __name__ == "__main__":
    command_line.run(main)
