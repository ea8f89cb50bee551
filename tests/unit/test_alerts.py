"""The life of an alert, what it is on, when messages are due, and the waiting between deliveries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts import (
    Alert,
    AlertPolicy,
    AlertState,
    Kind,
    due_notices,
    next_state,
    retry_delay,
    series_of,
    subject,
    topic_and_entity,
)
from app.domain.errors import Conflict, InvalidInput

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ALERT = Alert("cyber", AT - HOUR, AT, "high", 12, 1.3, 1e-12, 3, opened_at=AT, notified_at=AT)
POLICY = AlertPolicy()


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [
        (AlertState.OPEN, "acknowledge", AlertState.ACKNOWLEDGED),
        (AlertState.OPEN, "resolve", AlertState.RESOLVED),
        (AlertState.ACKNOWLEDGED, "resolve", AlertState.RESOLVED),
        (AlertState.RESOLVED, "reopen", AlertState.OPEN),
    ],
)
def test_next_state_follows_the_diagram(state: AlertState, action: str, expected: AlertState) -> None:
    assert next_state(state, action) is expected


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (AlertState.ACKNOWLEDGED, "acknowledge"),
        (AlertState.RESOLVED, "acknowledge"),
        (AlertState.RESOLVED, "resolve"),
        (AlertState.OPEN, "reopen"),
        (AlertState.ACKNOWLEDGED, "reopen"),
    ],
)
def test_next_state_refuses_what_does_not_fit(state: AlertState, action: str) -> None:
    with pytest.raises(Conflict, match=action):
        next_state(state, action)


def test_next_state_refuses_an_unknown_action() -> None:
    with pytest.raises(InvalidInput, match="acknowledge"):
        next_state(AlertState.OPEN, "explode")


def test_series_and_subject_are_those_of_topic_or_company() -> None:
    of_company = replace(ALERT, topic="", entity="Copperline: Bank")
    assert (series_of(ALERT), series_of(of_company)) == ("cyber", "entity:Copperline: Bank")
    assert topic_and_entity(series_of(ALERT)) == ("cyber", "")
    assert topic_and_entity(series_of(of_company)) == ("", "Copperline: Bank")
    titles = {"cyber": "Cyber and outage"}
    assert (subject(ALERT, titles), subject(of_company, titles)) == ("Cyber and outage", "Copperline: Bank")


def due(after: timedelta, policy: AlertPolicy = POLICY, **changes: object) -> list[Kind]:
    return due_notices(replace(ALERT, **changes), policy, AT + after)  # type: ignore[arg-type]


def test_alert_that_has_grown_is_told_again_after_the_interval() -> None:
    grown = {"grown_at": AT + MINUTE}
    assert due(29 * MINUTE, **grown) == []
    assert due(30 * MINUTE, **grown) == [Kind.UPDATE]
    assert due(30 * MINUTE) == []
    assert due(30 * MINUTE, grown_at=AT) == [], "it was told with what had joined it"
    assert due(30 * MINUTE, **grown, ended_at=AT + 2 * MINUTE) == [Kind.UPDATE]


def test_acknowledged_alert_that_grows_is_told_after_the_repeat_interval() -> None:
    taken = {"state": AlertState.ACKNOWLEDGED, "grown_at": AT + MINUTE}
    assert due(5 * HOUR, **taken) == []
    assert due(24 * HOUR, **taken) == [Kind.UPDATE]
    assert due(24 * HOUR, state=AlertState.ACKNOWLEDGED) == []


def test_open_alert_is_repeated_while_its_burst_is_on() -> None:
    told = {"escalated_at": AT + 2 * HOUR}
    assert due(23 * HOUR, **told) == []
    assert due(24 * HOUR, **told) == [Kind.UPDATE]
    assert due(24 * HOUR, **told, ended_at=AT + HOUR) == []


def test_alert_that_nobody_acknowledges_is_escalated_once() -> None:
    assert due(119 * MINUTE) == []
    assert due(2 * HOUR) == [Kind.ESCALATION]
    assert due(2 * HOUR, ended_at=AT + HOUR) == [Kind.ESCALATION]
    assert due(2 * HOUR, escalated_at=AT + HOUR) == []
    assert due(2 * HOUR, state=AlertState.ACKNOWLEDGED) == []
    assert due(2 * HOUR, policy=AlertPolicy(escalate_after_hours=0)) == []
    assert due(3 * HOUR, opened_at=AT + 2 * HOUR) == [], "reopened, it has its time again"


def test_resolved_alert_is_told_no_more() -> None:
    assert due(90 * HOUR, state=AlertState.RESOLVED, grown_at=AT + HOUR) == []


def test_alert_that_was_silenced_is_told_if_its_burst_is_still_on() -> None:
    assert due(HOUR, notified_at=None) == [Kind.ALERT]
    assert due(HOUR, notified_at=None, ended_at=AT) == []
    assert due(HOUR, notified_at=None, state=AlertState.ACKNOWLEDGED) == []


def test_retry_delay_doubles_up_to_an_hour() -> None:
    minutes = [retry_delay(attempts) / timedelta(minutes=1) for attempts in (1, 2, 3, 6, 7, 8, 100_000)]
    assert minutes == [1, 2, 4, 32, 60, 60, 60]
