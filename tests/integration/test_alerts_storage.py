"""Alerts and the outbox: all or nothing, once, and never forgotten."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from concurrency import in_threads
from sqlalchemy.exc import IntegrityError

from app.domain.alerts import Alert, AlertState, Delivery, DeliveryState
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.storage.alerts import Alerts, Outbox
from app.storage.database import Database

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FINDING = Alert("cyber", NOW - 3 * 60 * MINUTE, NOW, "high", 12, 1.3, 1e-11, 3, article_ids=(4, 8, 15))


@pytest.fixture
def alerts(database: Database) -> Alerts:
    return Alerts(database)


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


def created(alerts: Alerts, finding: Alert = FINDING, *recipients: str) -> int:
    alert = alerts.create(finding, recipients or ("a@example.com",), NOW, "bank.example")
    assert alert is not None
    assert alert.id is not None
    return alert.id


def test_create_stores_the_alert_with_a_delivery_each(alerts: Alerts, outbox: Outbox) -> None:
    alert = alerts.create(FINDING, ["a@example.com", "b@example.com", "a@example.com"], NOW, "bank.example")
    assert alert is not None
    assert alert.id is not None
    assert alert == replace(FINDING, id=alert.id)
    assert alerts.get(alert.id) == alert
    deliveries = outbox.for_alert(alert.id)
    assert [d.recipient for d in deliveries] == ["a@example.com", "b@example.com"]
    assert len({d.message_id for d in deliveries}) == 2
    assert all(d.message_id.startswith("<") and d.message_id.endswith("@bank.example>") for d in deliveries)


def test_create_keeps_a_tiny_probability_exact(alerts: Alerts) -> None:
    assert alerts.get(created(alerts, replace(FINDING, p_value=3.2e-297))).p_value == 3.2e-297


def test_create_the_same_finding_again_gives_nothing(alerts: Alerts, outbox: Outbox) -> None:
    created(alerts)
    assert alerts.create(FINDING, ["b@example.com"], NOW, "bank.example") is None
    assert len(alerts.list()) == 1
    assert outbox.counts() == {"pending": 1, "sent": 0, "refused": 0}


def test_create_by_several_at_once_gives_one_alert(alerts: Alerts, outbox: Outbox) -> None:
    made = in_threads(8, lambda _: alerts.create(FINDING, ["a@example.com"], NOW, "bank.example"))
    assert len([alert for alert in made if alert]) == 1
    assert outbox.counts()["pending"] == 1


def test_create_is_undone_when_a_delivery_cannot_be_stored(alerts: Alerts, outbox: Outbox) -> None:
    with pytest.raises(IntegrityError):
        alerts.create(FINDING, ["a@example.com", None], NOW, "bank.example")  # type: ignore[list-item]
    assert alerts.list() == []
    assert outbox.counts()["pending"] == 0


def test_last_detected_is_the_latest_of_the_topic(alerts: Alerts) -> None:
    assert alerts.last_detected("cyber") is None
    later = NOW + 60 * MINUTE
    created(alerts)
    created(alerts, replace(FINDING, detected_at=later))
    created(alerts, replace(FINDING, topic="deals", detected_at=later + MINUTE))
    alerts.create(replace(FINDING, detected_at=later + 2 * MINUTE), [], NOW, "bank.example", sample=True)
    assert alerts.last_detected("cyber") == later + 2 * MINUTE
    assert alerts.last_detected("cyber", sample=False) == later


def test_list_is_newest_first_and_by_state(alerts: Alerts) -> None:
    first = created(alerts)
    second = created(alerts, replace(FINDING, detected_at=NOW + MINUTE))
    alerts.change(second, "resolve", "mei")
    assert [a.id for a in alerts.list()] == [second, first]
    assert [a.id for a in alerts.list(limit=1)] == [second]
    assert [a.id for a in alerts.list(state="open")] == [first]


def test_change_follows_the_alert_through_its_life(alerts: Alerts) -> None:
    alert_id = created(alerts)
    taken = alerts.change(alert_id, "acknowledge", "mei", "calling IT")
    assert (taken.state, taken.acknowledged_by, taken.comment) == ("acknowledged", "mei", "calling IT")
    done = alerts.change(alert_id, "resolve", "tom")
    assert (done.state, done.acknowledged_by, done.comment) == ("resolved", "mei", "calling IT")
    again = alerts.change(alert_id, "reopen", "tom", "it is back")
    assert (again.state, again.acknowledged_by, again.comment) == (AlertState.OPEN, "", "it is back")
    assert alerts.get(alert_id) == again


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


def test_due_gives_pending_deliveries_whose_time_has_come(alerts: Alerts, outbox: Outbox) -> None:
    alert_id = created(alerts, FINDING, "a@example.com", "b@example.com", "c@example.com")
    assert outbox.due(NOW - MINUTE) == []
    first, second, third = (d.id or 0 for d in outbox.due(NOW))
    outbox.record_sent(first, NOW)
    outbox.record_failure(second, "450 try later", NOW + MINUTE)
    outbox.record_failure(third, "550 no such user", None)
    assert outbox.due(NOW) == []
    assert [d.id for d in outbox.due(NOW + MINUTE)] == [second]
    assert outbox.counts() == {"pending": 1, "sent": 1, "refused": 1}
    sent, deferred, refused = outbox.for_alert(alert_id)
    assert sent == Delivery(
        alert_id, "a@example.com", sent.message_id, DeliveryState.SENT, attempts=1, sent_at=NOW, id=first
    )
    assert (deferred.state, deferred.attempts, deferred.last_error) == ("pending", 1, "450 try later")
    assert (refused.state, refused.last_error, refused.next_attempt_at) == ("refused", "550 no such user", None)


def test_due_takes_the_oldest_first_up_to_the_limit(alerts: Alerts, outbox: Outbox) -> None:
    created(alerts, FINDING, *(f"{n}@example.com" for n in range(5)))
    assert [d.recipient for d in outbox.due(NOW, limit=2)] == ["0@example.com", "1@example.com"]
