"""Alerts and the outbox: all or nothing, once, never forgotten, and every change on record."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from concurrency import in_threads
from sqlalchemy.exc import IntegrityError

from app.domain.alerts import Alert, AlertState, Notice
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.storage.alerts import Alerts
from app.storage.audit import Audit
from app.storage.database import Database
from app.storage.outbox import Outbox
from tests.fakes import ManualClock

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE
FINDING = Alert(
    "cyber", NOW - 3 * HOUR, NOW, "medium", 12, 1.3, 1e-11, 3, article_ids=(4, 8, 15), stories=3, decisive=(8,)
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def alerts(database: Database, clock: ManualClock) -> Alerts:
    return Alerts(database, clock)


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database)


def first(*recipients: str, wait: timedelta = timedelta(0)) -> list[Notice]:
    return [Notice("alert", recipients, not_before=NOW + wait)]


def told(audit: Audit, alert_id: int) -> list[tuple[str, str, str]]:
    """What is on record about an alert, oldest first."""
    return [(e.actor, e.action, e.comment) for e in reversed(audit.entries("alert", alert_id))]


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


def created(alerts: Alerts, finding: Alert = FINDING, *recipients: str) -> int:
    alert = alerts.create(finding, first(*(recipients or ("a@example.com",))), NOW, "bank.example")
    assert alert is not None
    assert alert.id is not None
    return alert.id


def test_create_stores_the_alert_with_a_delivery_each(alerts: Alerts, outbox: Outbox) -> None:
    notices = first("a@example.com", "b@example.com", "a@example.com")
    alert = alerts.create(FINDING, notices, NOW, "bank.example")
    assert alert is not None
    assert alert.id is not None
    assert alert == replace(FINDING, id=alert.id, opened_at=NOW, notified_at=NOW)
    assert alerts.get(alert.id) == alert
    deliveries = outbox.for_alert(alert.id)
    assert [d.recipient for d in deliveries] == ["a@example.com", "b@example.com"]
    assert len({d.message_id for d in deliveries}) == 2
    assert all(d.message_id.startswith("<") and d.message_id.endswith("@bank.example>") for d in deliveries)


def test_create_keeps_a_tiny_probability_exact(alerts: Alerts) -> None:
    assert alerts.get(created(alerts, replace(FINDING, p_value=3.2e-297))).p_value == 3.2e-297


def test_create_the_same_finding_again_gives_nothing(alerts: Alerts, outbox: Outbox) -> None:
    created(alerts)
    assert alerts.create(FINDING, first("b@example.com"), NOW, "bank.example") is None
    assert len(alerts.list()) == 1
    assert outbox.counts() == {"pending": 1, "sent": 0, "refused": 0}


def test_create_by_several_at_once_gives_one_alert(alerts: Alerts, outbox: Outbox) -> None:
    made = in_threads(8, lambda _: alerts.create(FINDING, first("a@example.com"), NOW, "bank.example"))
    assert len([alert for alert in made if alert]) == 1
    assert outbox.counts()["pending"] == 1


def test_create_is_undone_when_a_delivery_cannot_be_stored(alerts: Alerts, outbox: Outbox, audit: Audit) -> None:
    with pytest.raises(IntegrityError):
        alerts.create(FINDING, first("a@example.com", None), NOW, "bank.example")  # type: ignore[arg-type]
    assert alerts.list() == []
    assert outbox.counts()["pending"] == 0
    assert audit.entries() == []


def test_create_holds_the_first_message_back_for_the_wait(alerts: Alerts, outbox: Outbox) -> None:
    alerts.create(FINDING, first("a@example.com", wait=2 * MINUTE), NOW, "bank.example")
    assert outbox.due(NOW + MINUTE) == []
    assert len(outbox.due(NOW + 2 * MINUTE)) == 1


def test_create_under_a_silence_tells_nobody_and_says_so(alerts: Alerts, outbox: Outbox, audit: Audit) -> None:
    alert = alerts.create(FINDING, [], NOW, "bank.example", silence_id=5)
    assert alert is not None
    assert (alert.notified_at, outbox.counts()["pending"]) == (None, 0)
    assert told(audit, alert.id or 0) == [("system", "create", ""), ("system", "silence", "")]
    assert audit.entries("alert", alert.id)[0].details == {"silence": 5}


def test_alerts_on_a_topic_and_on_a_company_are_apart(alerts: Alerts) -> None:
    created(alerts)
    of_company = alerts.get(created(alerts, replace(FINDING, topic="", entity="Copperline")))
    assert (of_company.topic, of_company.entity) == ("", "Copperline")
    created(alerts, replace(FINDING, topic="", entity="Tin & Sons"))
    assert len(alerts.list()) == 3
    assert [a.entity for a in alerts.list(entity="Copperline")] == ["Copperline"]
    assert [a.topic for a in alerts.list(topic="cyber")] == ["cyber"]
    assert set(alerts.latest(NOW)) == {"cyber", "entity:Copperline", "entity:Tin & Sons"}


def test_latest_is_the_last_of_each_series_and_what_is_still_on(alerts: Alerts) -> None:
    assert alerts.latest(NOW) == {}
    later = replace(FINDING, detected_at=NOW + HOUR)
    created(alerts)
    newest = created(alerts, later)
    old_on = created(alerts, replace(FINDING, topic="deals", detected_at=NOW - 99 * HOUR))
    created(alerts, replace(FINDING, topic="labour", detected_at=NOW - 99 * HOUR, ended_at=NOW - 90 * HOUR))
    sample = alerts.create(replace(later, topic="credit"), [], NOW, "bank.example", sample=True)
    assert {series: a.id for series, a in alerts.latest(NOW).items()} == {"cyber": newest, "deals": old_on}
    assert alerts.latest(NOW, sample=True) == {"credit": sample}


def test_grow_adds_what_joined_and_leaves_a_record(alerts: Alerts, audit: Audit) -> None:
    alert = alerts.get(created(alerts))
    more = replace(alert, article_ids=(8, 15, 16, 23), negatives=20, stories=4, severity="high", decisive=(8, 16))
    grown = alerts.grow(more, NOW + HOUR)
    assert (grown.article_ids, grown.stories, grown.negatives) == ((4, 8, 15, 16, 23), 5, 20)
    assert (grown.severity, grown.decisive, grown.grown_at) == ("high", (8, 16), NOW + HOUR)
    less = alerts.grow(replace(alert, article_ids=(4,), negatives=1, severity="low"), NOW + 2 * HOUR)
    assert (less.article_ids, less.negatives, less.severity) == ((4, 8, 15, 16, 23), 20, "high")
    assert less.grown_at == NOW + HOUR
    assert [action for _, action, _ in told(audit, alert.id or 0)] == ["create", "notify", "grow", "raise"]
    with pytest.raises(NotFound):
        alerts.grow(replace(alert, id=999), NOW)


def test_grow_records_the_end_and_that_it_goes_on(alerts: Alerts, audit: Audit) -> None:
    alert = alerts.get(created(alerts))
    ended = alerts.grow(replace(alert, ended_at=NOW + HOUR), NOW + 2 * HOUR)
    assert (ended.ended_at, ended.grown_at) == (NOW + HOUR, None)
    assert alerts.grow(replace(alert, ended_at=None), NOW + 3 * HOUR).ended_at is None
    assert [action for _, action, _ in told(audit, alert.id or 0)][2:] == ["end", "go on"]


def test_resolved_alert_that_becomes_severer_is_open_again(alerts: Alerts, audit: Audit) -> None:
    alert_id = created(alerts)
    alerts.change(alert_id, "resolve", "mei")
    same = alerts.grow(replace(alerts.get(alert_id), article_ids=(4, 8, 15, 99)), NOW + HOUR)
    assert same.state is AlertState.RESOLVED
    worse = alerts.grow(replace(same, severity="high"), NOW + 2 * HOUR)
    assert (worse.state, worse.acknowledged_by, worse.opened_at) == (AlertState.OPEN, "", NOW + 2 * HOUR)
    assert worse.notified_at is None, "so that it is told anew"
    assert told(audit, alert_id)[-1] == ("system", "reopen", "")


def test_notify_writes_once_for_an_alert_as_it_was_read(alerts: Alerts, outbox: Outbox, audit: Audit) -> None:
    alert = alerts.get(created(alerts))
    update = Notice("update", ("a@example.com", "b@example.com"), key="1")
    assert alerts.notify(alert, update, NOW + HOUR, "bank.example")
    assert not alerts.notify(alert, update, NOW + HOUR, "bank.example"), "somebody else was faster"
    updated = alerts.get(alert.id or 0)
    assert (updated.notified_at, updated.escalated_at) == (NOW + HOUR, None)
    assert alerts.notify(updated, Notice("escalation", ("c@example.com",)), NOW + 2 * HOUR, "bank.example")
    escalated = alerts.get(alert.id or 0)
    assert (escalated.notified_at, escalated.escalated_at) == (NOW + HOUR, NOW + 2 * HOUR)
    kinds = [(d.kind, d.recipient) for d in outbox.for_alert(alert.id or 0)]
    assert kinds[1:] == [("update", "a@example.com"), ("update", "b@example.com"), ("escalation", "c@example.com")]
    assert audit.entries("alert", alert.id)[0].details == {"kind": "escalation", "to": 1}
    alerts.change(alert.id or 0, "acknowledge", "mei")
    assert not alerts.notify(escalated, update, NOW + 3 * HOUR, "bank.example"), "it was taken on meanwhile"


def test_notify_by_several_at_once_writes_once(alerts: Alerts, outbox: Outbox) -> None:
    alert = alerts.get(created(alerts))
    update = Notice("update", ("a@example.com",), key="1")
    wrote = in_threads(6, lambda _: alerts.notify(alert, update, NOW + HOUR, "bank.example"))
    assert sum(wrote) == 1
    assert len(outbox.for_alert(alert.id or 0)) == 2


def test_unsettled_are_those_that_are_not_resolved_nor_of_the_sample(alerts: Alerts) -> None:
    first_id = created(alerts)
    second = created(alerts, replace(FINDING, detected_at=NOW + MINUTE))
    third = created(alerts, replace(FINDING, detected_at=NOW + 2 * MINUTE))
    alerts.create(replace(FINDING, topic="deals"), [], NOW, "bank.example", sample=True)
    alerts.change(second, "acknowledge", "mei")
    alerts.change(third, "resolve", "mei")
    assert [a.id for a in alerts.unsettled()] == [first_id, second]


def test_list_is_newest_first_and_by_state(alerts: Alerts) -> None:
    oldest = created(alerts)
    second = created(alerts, replace(FINDING, detected_at=NOW + MINUTE))
    alerts.change(second, "resolve", "mei")
    assert [a.id for a in alerts.list()] == [second, oldest]
    assert [a.id for a in alerts.list(limit=1)] == [second]
    assert [a.id for a in alerts.list(state="open")] == [oldest]
    assert alerts.counts(NOW) == {"open": 1, "acknowledged": 0, "resolved": 1}


def test_change_follows_the_alert_through_its_life(alerts: Alerts, audit: Audit, clock: ManualClock) -> None:
    alert_id = created(alerts)
    clock.advance(hours=1)
    taken = alerts.change(alert_id, "acknowledge", "mei", "calling IT")
    assert (taken.state, taken.acknowledged_by, taken.comment) == ("acknowledged", "mei", "calling IT")
    done = alerts.change(alert_id, "resolve", "tom")
    assert (done.state, done.acknowledged_by, done.comment) == ("resolved", "mei", "calling IT")
    again = alerts.change(alert_id, "reopen", "tom", "it is back")
    assert (again.state, again.acknowledged_by, again.comment) == (AlertState.OPEN, "", "it is back")
    assert (again.opened_at, again.escalated_at) == (NOW + HOUR, None)
    assert alerts.get(alert_id) == again
    assert told(audit, alert_id)[2:] == [
        ("mei", "acknowledge", "calling IT"),
        ("tom", "resolve", ""),
        ("tom", "reopen", "it is back"),
    ]
    assert audit.entries("alert", alert_id)[0].at == NOW + HOUR


def test_comments_are_all_kept(alerts: Alerts, audit: Audit) -> None:
    alert_id = created(alerts)
    alerts.comment(alert_id, "mei", " calling IT ")
    assert alerts.comment(alert_id, "tom", "they know").comment == "they know"
    assert told(audit, alert_id)[2:] == [("mei", "comment", "calling IT"), ("tom", "comment", "they know")]
    with pytest.raises(InvalidInput, match="empty"):
        alerts.comment(alert_id, "mei", "  ")
    with pytest.raises(NotFound):
        alerts.comment(999, "mei", "hello")


def test_change_refuses_what_does_not_fit(alerts: Alerts) -> None:
    alert_id = created(alerts)
    with pytest.raises(Conflict, match="open cannot be changed by 'reopen'"):
        alerts.change(alert_id, "reopen", "mei")
    with pytest.raises(InvalidInput, match="'explode'"):
        alerts.change(alert_id, "explode", "mei")
    with pytest.raises(NotFound):
        alerts.change(999, "acknowledge", "mei")
    with pytest.raises(NotFound):
        alerts.get(999)


def test_change_by_several_at_once_lets_one_acknowledge(alerts: Alerts) -> None:
    alert_id = created(alerts)

    def acknowledge(number: int) -> str:
        try:
            return alerts.change(alert_id, "acknowledge", f"person {number}").acknowledged_by
        except Conflict:
            return ""

    winners = [name for name in in_threads(6, acknowledge) if name]
    assert winners == [alerts.get(alert_id).acknowledged_by]
