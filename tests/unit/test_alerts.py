"""The life of an alert, the grouping of spikes into alerts, and the waiting between deliveries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.alerts import AlertState, group_spikes, in_cooldown, next_state, retry_delay
from app.domain.errors import Conflict, InvalidInput
from app.domain.spikes import Spike

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SPIKE = Spike("cyber", AT - timedelta(hours=1), AT, 3, 5, 0.4, 1e-6, (1, 2, 3, 4, 5))


def later(hours: float, **changes: Any) -> Spike:
    return replace(SPIKE, detected_at=AT + timedelta(hours=hours), **changes)


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


def test_cooldown_ends_after_its_time() -> None:
    assert not in_cooldown(SPIKE, None, DAY)
    assert in_cooldown(later(23.9), AT, DAY)
    assert not in_cooldown(later(24), AT, DAY)
    assert in_cooldown(later(-2), AT, DAY)


def test_cooldown_of_zero_still_spares_articles_that_had_their_alert() -> None:
    assert in_cooldown(later(2.9), AT, timedelta(0))
    assert not in_cooldown(later(3), AT, timedelta(0))


def test_one_burst_becomes_one_alert_with_the_measure_of_its_peak() -> None:
    peak = later(2, negatives=12, expected=1.3, p_value=1e-12, window_hours=12, article_ids=tuple(range(12)))
    (alert,) = group_spikes([SPIKE, later(1), peak, later(3)], {}, DAY)
    assert (alert.started_at, alert.detected_at) == (SPIKE.started_at, AT)
    assert (alert.negatives, alert.expected, alert.window_hours) == (12, 1.3, 12)
    assert alert.article_ids == peak.article_ids
    assert alert.severity == "high"
    assert alert.state is AlertState.OPEN


def test_spikes_within_the_cooldown_of_an_earlier_alert_become_none() -> None:
    spikes = [SPIKE, later(1), later(25)]
    assert group_spikes(spikes, {"cyber": AT - timedelta(hours=1)}, DAY) != []
    assert group_spikes(spikes[:2], {"cyber": AT - timedelta(hours=1)}, DAY) == []
    assert group_spikes(spikes[:2], {"cyber": AT}, DAY) == []
    assert len(group_spikes(spikes[:2], {"credit": AT, "cyber": None}, DAY)) == 1


def test_bursts_apart_or_on_different_topics_become_alerts_of_their_own() -> None:
    credit = later(1, topic="credit")
    alerts = group_spikes([SPIKE, credit, later(2), later(30)], {}, DAY)
    assert [(a.topic, a.detected_at) for a in alerts] == [
        ("cyber", AT),
        ("credit", credit.detected_at),
        ("cyber", AT + timedelta(hours=30)),
    ]


def test_retry_delay_doubles_up_to_an_hour() -> None:
    minutes = [retry_delay(attempts) / timedelta(minutes=1) for attempts in (1, 2, 3, 6, 7, 8, 100_000)]
    assert minutes == [1, 2, 4, 32, 60, 60, 60]
