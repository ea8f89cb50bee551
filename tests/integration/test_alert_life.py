"""An alert from its first article to its end: growth, messages, silences, companies, late news."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts import Alert, AlertPolicy, AlertState, Delivery
from app.domain.news import Article, Classification, FeedItem, Sentiment
from app.domain.silences import Silence
from app.domain.spikes import ENTITY, SpikeRule
from app.domain.subscriptions import Subscription
from app.storage.audit import Audit
from app.storage.database import Database
from tests.fakes import ManualClock
from tests.monitoring import RECIPIENTS, Monitoring, burst_items, calm_items

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def with_past(database: Database, clock: ManualClock, **options: object) -> Monitoring:
    """A week of calm, all of which the first visit found."""
    parts = Monitoring(database, clock, **options)  # type: ignore[arg-type]
    parts.ingestion.store(calm_items(clock.now), None)
    return parts


def add_burst(parts: Monitoring, clock: ManualClock, count: int = 9, name: str = "Copperline") -> list[FeedItem]:
    items = burst_items(clock.now, count, name)
    parts.ingestion.store(items, None)
    return items


def only(parts: Monitoring) -> Alert:
    (alert,) = parts.alerts.list()
    return alert


def told(parts: Monitoring, kind: str | None = None) -> list[Delivery]:
    found = [d for alert in parts.alerts.list() for d in parts.outbox.for_alert(alert.id or 0)]
    return [d for d in found if kind in (None, d.kind)]


def actions(database: Database, alert: Alert) -> list[str]:
    return [entry.action for entry in reversed(Audit(database).entries("alert", alert.id))]


def test_alert_grows_while_its_burst_lasts_and_ends_with_it(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    first = add_burst(parts, clock)
    (alert,) = parts.alerting.detect()
    clock.advance(hours=2)
    more = add_burst(parts, clock, 12, "Second")
    assert parts.alerting.detect() == []
    grown = only(parts)
    titles = {a.title for a in parts.articles.by_ids(grown.article_ids)}
    assert titles >= {item.title for item in first + more}
    assert grown.stories == grown.negatives == len(grown.article_ids) > alert.stories
    assert (grown.grown_at, grown.ended_at) == (clock.now, None)
    assert (grown.id, grown.detected_at) == (alert.id, alert.detected_at)
    assert ["low", "medium", "high"].index(grown.severity) >= ["low", "medium", "high"].index(alert.severity)
    clock.advance(days=4)
    parts.ingestion.store([i for i in calm_items(clock.now, 4) if i.published_at and i.published_at > NOW], None)
    assert parts.alerting.detect() == []
    ended = only(parts)
    assert ended.ended_at is not None
    assert NOW < ended.ended_at < clock.now
    assert ended.article_ids == grown.article_ids
    assert actions(database, ended) == ["create", "notify", "grow", "end"] or "raise" in actions(database, ended)
    parts.alerting.detect()
    assert only(parts) == ended, "and nothing more happens to it"


def test_without_its_decisive_stories_there_is_no_alert(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    add_burst(parts, clock)
    (alert,) = parts.alerting.detect()
    assert 0 < len(alert.decisive) < len(alert.article_ids)
    assert set(alert.decisive) <= set(alert.article_ids)
    kept = [i for i in alert.article_ids if i not in alert.decisive]
    spared = {a.url for a in parts.articles.by_ids(kept)}
    with database.engine.begin() as connection:
        marks = ", ".join(str(i) for i in alert.decisive)
        for table in ("article_topics", "sketches"):
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE article_id IN ({marks})")
        connection.exec_driver_sql(f"DELETE FROM articles WHERE id IN ({marks})")
        connection.exec_driver_sql("DELETE FROM deliveries")
        connection.exec_driver_sql("DELETE FROM alerts")
    assert spared
    assert parts.alerting.detect() == []


def test_alert_whose_articles_were_removed_has_ended(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    add_burst(parts, clock)
    (alert,) = parts.alerting.detect()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE articles SET topic = '' WHERE topic = 'cyber'")
    parts.alerting.detect()
    assert only(parts) == replace(alert, ended_at=NOW)


def test_late_news_raises_no_alert_and_joins_none(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    add_burst(parts, clock)
    (alert,) = parts.alerting.detect()
    old = [replace(i, published_at=NOW - 2 * HOUR) for i in burst_items(NOW, 20, "Archive")]
    clock.advance(hours=8)
    parts.ingestion.store(old, None)
    assert parts.alerting.detect() == []
    assert only(parts).article_ids == alert.article_ids


def test_what_the_first_visit_finds_is_past_but_for_its_last_hours(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    parts.ingestion.store(burst_items(clock.now - 10 * HOUR, 20, "Yesterday"), None)
    assert parts.alerting.detect() == []


def test_burst_on_a_company_is_an_alert_on_it(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    parts.watchlist.add("Copperline", NOW)
    add_burst(parts, clock)
    alerts = {alert.topic or ENTITY + alert.entity: alert for alert in parts.alerting.detect()}
    assert set(alerts) == {"cyber", "entity:Copperline"}
    of_company = alerts["entity:Copperline"]
    assert len(of_company.article_ids) == 9
    assert len(told(parts, "alert")) == 2 * len(RECIPIENTS)
    assert parts.alerting.detect() == []


def test_first_message_waits_for_the_rest_of_the_burst(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock, alert_policy=AlertPolicy(group_wait_minutes=2))
    add_burst(parts, clock)
    parts.alerting.detect()
    assert {d.next_attempt_at for d in told(parts)} == {NOW + 2 * MINUTE}
    assert parts.outbox.due(NOW + MINUTE) == []
    assert len(parts.outbox.due(NOW + 2 * MINUTE)) == len(RECIPIENTS)


def test_follow_up_tells_of_growth_after_the_interval_and_once(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    add_burst(parts, clock)
    parts.alerting.detect()
    nothing = {"alerts": 0, "updates": 0, "escalations": 0}
    clock.advance(minutes=10)
    add_burst(parts, clock, 4, "Second")
    parts.alerting.detect()
    assert parts.alerting.follow_up() == nothing
    clock.advance(minutes=20)
    assert parts.alerting.follow_up() == {**nothing, "updates": 1}
    assert parts.alerting.follow_up() == nothing
    assert len(told(parts, "update")) == len(RECIPIENTS)
    clock.advance(minutes=30)
    assert parts.alerting.follow_up() == nothing


def test_follow_up_escalates_to_the_second_list_when_nobody_acknowledges(
    database: Database, clock: ManualClock
) -> None:
    parts = with_past(database, clock)
    parts.subscriptions.save(Subscription("desk@larkmoor.example"))
    parts.subscriptions.save(Subscription("chief@larkmoor.example", escalation=True))
    add_burst(parts, clock)
    (alert,) = parts.alerting.detect()
    assert [d.recipient for d in told(parts)] == ["desk@larkmoor.example"]
    clock.advance(hours=2)
    assert parts.alerting.follow_up()["escalations"] == 1
    assert parts.alerting.follow_up()["escalations"] == 0
    assert [d.recipient for d in told(parts, "escalation")] == ["chief@larkmoor.example"]
    parts.alerts.change(alert.id or 0, "resolve", "mei")
    parts.alerts.change(alert.id or 0, "reopen", "mei")
    clock.advance(hours=1)
    assert parts.alerting.follow_up()["escalations"] == 0
    clock.advance(hours=1)
    assert parts.alerting.follow_up()["escalations"] == 1
    assert len(told(parts, "escalation")) == 2


def test_acknowledged_alert_is_not_escalated(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    add_burst(parts, clock)
    (alert,) = parts.alerting.detect()
    parts.alerts.change(alert.id or 0, "acknowledge", "mei", "calling IT")
    clock.advance(hours=3)
    assert sum(parts.alerting.follow_up().values()) == 0


def test_silenced_alert_is_stored_and_told_when_the_silence_ends(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    silence = parts.silences.create(Silence(NOW, NOW + HOUR, "mei", topic="cyber"), NOW)
    add_burst(parts, clock)
    (alert,) = parts.alerting.detect()
    assert (alert.state, alert.notified_at, told(parts)) == (AlertState.OPEN, None, [])
    assert actions(database, alert) == ["create", "silence"]
    assert Audit(database).entries("alert", alert.id)[0].details == {"silence": silence.id}
    clock.advance(minutes=30)
    assert sum(parts.alerting.follow_up().values()) == 0
    parts.silences.expire(silence.id or 0, "mei", clock.now)
    assert parts.alerting.follow_up()["alerts"] == 1
    assert parts.alerting.follow_up()["alerts"] == 0
    assert len(told(parts, "alert")) == len(RECIPIENTS)


def test_silence_up_to_a_severity_lets_severer_alerts_through(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    parts.silences.create(Silence(NOW, NOW + HOUR, "mei", max_severity="low"), NOW)
    add_burst(parts, clock, 25)
    (alert,) = parts.alerting.detect()
    assert alert.severity == "high"
    assert len(told(parts)) == len(RECIPIENTS)


def test_silence_begun_later_holds_back_updates(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock)
    add_burst(parts, clock)
    parts.alerting.detect()
    parts.silences.create(Silence(NOW, NOW + 4 * HOUR, "mei", topic="cyber"), NOW)
    clock.advance(hours=1)
    add_burst(parts, clock, 4, "Second")
    parts.alerting.detect()
    clock.advance(hours=2)
    assert sum(parts.alerting.follow_up().values()) == 0
    clock.advance(hours=1)
    assert parts.alerting.follow_up() == {"alerts": 0, "updates": 1, "escalations": 1}


def test_second_burst_within_the_cooldown_joins_and_after_it_is_new(database: Database, clock: ManualClock) -> None:
    parts = with_past(database, clock, rule=SpikeRule(cooldown_hours=24))
    add_burst(parts, clock)
    (alert,) = parts.alerting.detect()
    clock.advance(hours=20)
    add_burst(parts, clock, 9, "Second")
    assert parts.alerting.detect() == []
    assert len(only(parts).article_ids) >= len(alert.article_ids) + 9


def test_unsure_reading_is_not_decisive_alone(database: Database, clock: ManualClock) -> None:
    """An article of half a weight is named after those of a whole one."""
    parts = with_past(database, clock)
    add_burst(parts, clock, 8)
    doubtful = Classification(
        Sentiment.NEGATIVE, {"negative": 0.4, "neutral": 0.3, "positive": 0.3}, "cyber", {"cyber": 1.0}
    )
    at = NOW - HOUR
    unsure = parts.articles.add(
        Article("https://x.example/unsure", "Unsure", "t", at, "en", "0", classification=doubtful), NOW
    )
    assert unsure is not None
    (alert,) = parts.alerting.detect()
    assert unsure.id in alert.article_ids
    assert unsure.id not in alert.decisive
