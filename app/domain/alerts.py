"""An alert's life as a state machine, and the rule that lets a spike become one.

open ── acknowledge ──> acknowledged ── resolve ──> resolved
  └──────────────────── resolve ────────────────────^   │
  ^────────────────────── reopen ───────────────────────┘
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.errors import Conflict, InvalidInput
from app.domain.spikes import HOUR, Spike


class AlertState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


_TRANSITIONS = {
    "acknowledge": ({AlertState.OPEN}, AlertState.ACKNOWLEDGED),
    "resolve": ({AlertState.OPEN, AlertState.ACKNOWLEDGED}, AlertState.RESOLVED),
    "reopen": ({AlertState.RESOLVED}, AlertState.OPEN),
}


def next_state(state: AlertState, action: str) -> AlertState:
    """The state after `action`. Raises InvalidInput for an unknown action, Conflict for one that does not fit."""
    if action not in _TRANSITIONS:
        raise InvalidInput(f"There is no action {action!r}; use one of {', '.join(_TRANSITIONS)}.")
    allowed, target = _TRANSITIONS[action]
    if state not in allowed:
        raise Conflict(f"An alert that is {state} cannot be changed by '{action}'.")
    return target


@dataclass(frozen=True)
class Alert:
    """A spike that was worth telling somebody, and what became of it."""

    topic: str
    started_at: datetime
    detected_at: datetime
    severity: str
    negatives: int
    expected: float
    p_value: float
    window_hours: int
    article_ids: tuple[int, ...] = ()
    state: AlertState = AlertState.OPEN
    acknowledged_by: str = ""
    comment: str = ""
    id: int | None = None


def in_cooldown(spike: Spike, previous: datetime | None, cooldown: timedelta) -> bool:
    """Whether a spike belongs to the alert detected at `previous` on the same topic, or to its cooldown.

    However short the cooldown, articles that are still in the spike's window have had their alert.
    """
    return previous is not None and spike.detected_at - previous < max(cooldown, spike.window_hours * HOUR)


def group_spikes(
    spikes: Iterable[Spike], previous: Mapping[str, datetime | None], cooldown: timedelta
) -> list[Alert]:
    """One alert for each burst among `spikes`, which come in the order of detection.

    An alert bears the time of its first spike and the measure of its strongest, since a burst is often known
    at greater length than what first gave it away. `previous` maps topics to their last alert's detection.
    """
    alerts: dict[str, list[Alert]] = {}
    for spike in spikes:
        found = alerts.setdefault(spike.topic, [])
        if found and in_cooldown(spike, found[-1].detected_at, cooldown):
            if spike.p_value < found[-1].p_value:
                found[-1] = _alert(spike, found[-1].started_at, found[-1].detected_at)
        elif not in_cooldown(spike, previous.get(spike.topic), cooldown):
            found.append(_alert(spike, spike.started_at, spike.detected_at))
    return sorted((a for found in alerts.values() for a in found), key=lambda a: (a.detected_at, a.topic))


def _alert(spike: Spike, started_at: datetime, detected_at: datetime) -> Alert:
    return Alert(
        topic=spike.topic,
        started_at=started_at,
        detected_at=detected_at,
        severity=spike.severity,
        negatives=spike.negatives,
        expected=spike.expected,
        p_value=spike.p_value,
        window_hours=spike.window_hours,
        article_ids=spike.article_ids,
    )


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    REFUSED = "refused"  # given up: the server will not take it


@dataclass(frozen=True)
class Delivery:
    """One mail to one recipient, kept in the outbox until the server has taken it."""

    alert_id: int
    recipient: str
    message_id: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_error: str = ""
    sent_at: datetime | None = None
    id: int | None = None


def retry_delay(attempts: int) -> timedelta:
    """Wait before the next try after `attempts` failures: 1, 2, 4 ... minutes, at most an hour."""
    return timedelta(minutes=min(60, 2 ** min(6, max(0, attempts - 1))))
