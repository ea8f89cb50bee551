"""From stored articles to alerts and mails, with a clock that is moved by hand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.alerts import Delivery
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.news import FeedItem
from app.domain.spikes import SpikeRule
from app.services.sample_news import SampleNews, shift_to_present
from app.storage.database import Database
from app.storage.jobs import Leases
from tests.fakes import ManualClock
from tests.monitoring import RECIPIENTS, Inbox, Monitoring, burst_items, calm_items, rss, smtp_server

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def port(inbox: Inbox) -> Iterator[int]:
    with smtp_server(inbox) as port:
        yield port


def with_burst(database: Database, clock: ManualClock, **options: object) -> Monitoring:
    parts = Monitoring(database, clock, **options)  # type: ignore[arg-type]
    parts.ingestion.store(calm_items(clock.now) + burst_items(clock.now), None)
    return parts


def deliveries(parts: Monitoring) -> list[Delivery]:
    return [d for alert in parts.alerts.list() for d in parts.outbox.for_alert(alert.id)]  # type: ignore[arg-type]


def test_calm_news_raises_no_alert(database: Database, clock: ManualClock) -> None:
    parts = Monitoring(database, clock)
    parts.ingestion.store(calm_items(NOW), None)
    assert parts.alerting.detect() == []


def test_burst_becomes_one_alert_with_all_its_articles(database: Database, clock: ManualClock) -> None:
    parts = with_burst(database, clock)
    (alert,) = parts.alerting.detect()
    assert alert.topic == "cyber"
    assert {a.url for a in parts.articles.by_ids(alert.article_ids)} >= {i.url for i in burst_items(NOW)}
    assert alert.negatives == len(alert.article_ids)
    assert NOW - timedelta(hours=2) < alert.detected_at <= NOW
    assert [d.recipient for d in deliveries(parts)] == list(RECIPIENTS)
    assert parts.alerting.detect() == []


def reading_as(parts: Monitoring, **changes: object) -> None:
    """Have what is stored from now on read like that."""
    classify = parts.ingestion._classify
    parts.ingestion._classify = lambda articles: [replace(r, **changes) for r in classify(articles)]  # type: ignore[arg-type]


def test_burst_of_unsure_articles_weighs_less(database: Database, clock: ManualClock) -> None:
    doubtful = {"negative": 0.4, "neutral": 0.35, "positive": 0.25}
    parts = Monitoring(database, clock)
    parts.ingestion.store(calm_items(NOW), None)
    reading_as(parts, scores=doubtful)
    parts.ingestion.store(burst_items(NOW), None)
    assert parts.alerting.detect() == []
    trusting = Monitoring(database, clock, rule=SpikeRule(unsure_below=0.0))
    assert len(trusting.alerting.detect()) == 1


def test_burst_on_a_topic_that_holds_beside_the_first_is_an_alert_of_its_own(
    database: Database, clock: ManualClock, inbox: Inbox, port: int
) -> None:
    parts = Monitoring(database, clock, smtp_port=port)
    parts.ingestion.store(calm_items(NOW), None)
    reading_as(parts, topic_scores={"cyber": 0.5, "misconduct": 0.45, "other": 0.05})
    parts.ingestion.store(burst_items(NOW), None)
    alerts = {alert.topic: alert for alert in parts.alerting.detect()}
    assert set(alerts) == {"cyber", "misconduct"}
    urls = {a.url for a in parts.articles.by_ids(alerts["misconduct"].article_ids)}
    assert urls == {item.url for item in burst_items(NOW)}
    parts.delivering.deliver()
    text = inbox.mails[0][1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert all(f"  > {item.text}" in text for item in burst_items(NOW)), "what decided, under each article"
    assert "negative, 90 %" in text


def test_more_of_the_same_story_within_the_cooldown_is_no_new_alert(database: Database, clock: ManualClock) -> None:
    parts = with_burst(database, clock)
    assert len(parts.alerting.detect()) == 1
    clock.advance(hours=10)
    parts.ingestion.store(burst_items(clock.now, name="Second"), None)
    assert parts.alerting.detect() == []
    clock.advance(days=4)
    parts.ingestion.store([i for i in calm_items(clock.now, 3) if i.published_at > NOW], None)  # type: ignore[operator]
    parts.ingestion.store(burst_items(clock.now, 30, name="Third"), None)
    assert len(parts.alerting.detect()) == 1


def test_cooldown_of_zero_still_means_one_alert_a_burst(database: Database, clock: ManualClock) -> None:
    parts = with_burst(database, clock, rule=SpikeRule(cooldown_hours=0))
    assert len(parts.alerting.detect()) == 1
    clock.advance(minutes=10)
    parts.ingestion.store(burst_items(clock.now, 2, name="Late"), None)
    assert parts.alerting.detect() == []


def test_burst_of_the_day_before_yesterday_alarms_nobody(database: Database, clock: ManualClock) -> None:
    parts = with_burst(database, clock)
    clock.advance(hours=30)
    assert parts.alerting.detect() == []


def test_jobs_run_only_for_the_holder_of_the_lease(database: Database, clock: ManualClock) -> None:
    parts = with_burst(database, clock)
    Leases(database).acquire("scheduler", "another process", NOW, 60)
    with pytest.raises(Conflict, match="Another"):
        parts.scheduler.run_now("detect")
    assert parts.job_runs.recent() == []
    clock.advance(seconds=61)
    assert parts.scheduler.run_now("detect") == {"alerts": 1}
    assert parts.scheduler.run_now("deliver")["waiting"] == 2
    assert [(run.job, run.error) for run in parts.job_runs.recent()] == [("deliver", ""), ("detect", "")]
    with pytest.raises(NotFound, match="fetch"):
        parts.scheduler.run_now("dance")


def test_job_that_fails_is_recorded(database: Database, clock: ManualClock) -> None:
    parts = Monitoring(database, clock)

    def fail() -> None:
        raise RuntimeError("no space left")

    parts.alerting.detect = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(RuntimeError):
        parts.scheduler.run_now("detect")
    (run,) = parts.job_runs.recent()
    assert run.error == "Unexpected RuntimeError: no space left"
    assert run.ended_at == NOW


def sample_folder(folder: Path, items: list[FeedItem]) -> Path:
    half = len(items) // 2
    (folder / "one.xml").write_bytes(rss(items[:half], "Sample One"))
    (folder / "two.xml").write_bytes(rss(items[half:], "Sample Two"))
    (folder / "README.md").write_text("not a feed")
    return folder


def sample_of(parts: Monitoring, clock: ManualClock, folder: Path) -> SampleNews:
    return SampleNews(
        folder,
        parts.sources,
        parts.articles,
        parts.ingestion,
        parts.alerting,
        parts.job_runs,
        clock,
        parts.watchlist,
    )


def test_sample_is_loaded_as_if_it_were_recent(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    written = NOW - timedelta(days=7 * 11 + 1)
    items = calm_items(written) + burst_items(written - timedelta(hours=26))
    parts = Monitoring(database, clock)
    lines: list[str] = []
    sample = sample_of(parts, clock, sample_folder(tmp_path, items))
    assert not sample.loaded()
    report = sample.load(lines.append)
    assert sample.loaded()
    assert (report.sources, report.fetched, report.new, report.alerts) == (2, len(items), len(items), 1)
    assert lines[-1] == f"Sample news: {len(items)} of {len(items)} articles"
    assert parts.articles.recent(1)[0].published_at == NOW - timedelta(days=1, hours=2)
    (alert,) = parts.alerts.list()
    assert len(alert.article_ids) >= 9
    assert deliveries(parts) == []
    assert [(s.name, s.enabled, s.sample, s.url[:8]) for s in parts.sources.list()] == [
        ("Sample One", False, True, "file:///"),
        ("Sample Two", False, True, "file:///"),
    ]
    assert parts.alerting.detect() == [], "what is invented raises no alarm"
    assert sample.remove() == len(items)
    assert not sample.loaded()
    assert (parts.alerts.list(), parts.sources.list(), parts.articles.count()) == ([], [], 0)


def test_interrupted_load_of_the_sample_is_begun_again(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    items = calm_items(NOW, 3)
    parts = Monitoring(database, clock)
    sample = sample_of(parts, clock, sample_folder(tmp_path, items))

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample.load_once(interrupt)
    assert parts.articles.count() > 0
    assert not sample.loaded()
    assert sample.load_once()
    assert sample.loaded()
    assert sample.load_once() is None
    assert parts.articles.count() == len(items)
    sample.remove()
    assert sample.load_once() is None  # what was removed stays away
    assert parts.articles.count() == 0


def test_real_burst_is_judged_against_the_sample_but_told_without_it(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    parts = Monitoring(database, clock)
    invented = calm_items(NOW) + burst_items(NOW - timedelta(hours=3), 6, "Invented")
    sample_of(parts, clock, sample_folder(tmp_path, invented)).load()
    parts.ingestion.store(burst_items(NOW, 12, "Real"), None)
    (alert,) = parts.alerting.detect()
    titles = [a.title for a in parts.articles.by_ids(alert.article_ids)]
    assert len(titles) == alert.negatives == 12
    assert all(title.startswith("Real") for title in titles)


def test_load_of_an_empty_folder_says_so(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no sample news"):
        sample_of(Monitoring(database, clock), clock, tmp_path).load()


@pytest.mark.parametrize("hours", [0, 5, 71, 73, 100, 167, 168 * 8 + 30, 168 * 8 + 90, -30, -100])
def test_shift_keeps_the_hour_and_the_newest_in_the_recent_past(hours: float) -> None:
    shift = shift_to_present(NOW, NOW + timedelta(hours=hours))
    age = timedelta(hours=hours) - shift
    assert timedelta(0) <= age <= timedelta(days=3)
    assert shift % timedelta(days=1) == timedelta(0)
    assert shift % timedelta(days=7) == timedelta(0) or age < timedelta(days=1)
    assert replace(FeedItem("", "", "", NOW), published_at=NOW + shift).published_at <= NOW + timedelta(hours=hours)  # type: ignore[operator]
