"""An alert's life as a state machine, and when somebody is told of it.

open ── acknowledge ──> acknowledged ── resolve ──> resolved
  └──────────────────── resolve ────────────────────^   │
  ^────────────────────── reopen ───────────────────────┘

The state is what people make of an alert. Whether its burst is still on is another matter: `ended_at`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.errors import Conflict, InvalidInput
from app.domain.news import topic_title
from app.domain.spikes import ENTITY


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
    """A burst that was worth telling somebody, and what became of it. It is on a topic or on an entity.

    `negatives` articles, copies included, told `stories` stories within `window_hours`, the time of the whole
    burst so far, where `expected` would be usual; `p_value` is that of its most improbable window. `article_ids`
    are the first articles of the stories; without the `decisive` ones there would be no alert.
    """

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
    entity: str = ""
    stories: int = 0
    decisive: tuple[int, ...] = ()
    opened_at: datetime | None = None  # when it was stored, or last reopened
    grown_at: datetime | None = None  # when articles last joined it
    ended_at: datetime | None = None  # when its window became ordinary again; None while it is on
    notified_at: datetime | None = None  # when messages were last written; None if it was silenced ever since
    escalated_at: datetime | None = None


def series_of(alert: Alert) -> str:
    """The key of the series that the detector watches: a topic, or "entity:" and a name."""
    return f"{ENTITY}{alert.entity}" if alert.entity else alert.topic


def topic_and_entity(series: str) -> tuple[str, str]:
    """What a series is on; one of the two is empty."""
    return ("", series.removeprefix(ENTITY)) if series.startswith(ENTITY) else (series, "")


def subject(alert: Alert, titles: Mapping[str, str]) -> str:
    """What an alert is on, for people: the entity's name or the topic's title."""
    return alert.entity or topic_title(alert.topic, titles)


@dataclass(frozen=True)
class AlertPolicy:
    """When messages about an alert are written (the terms are those of Prometheus Alertmanager).

    The first is held back for `group_wait_minutes`, so that it tells the whole burst. An open alert that has grown
    is told again after `group_interval_minutes`, an acknowledged one after `repeat_interval_hours`; an open one
    whose burst is still on is repeated after the latter even if nothing joined it. An alert that nobody has
    acknowledged for `escalate_after_hours` goes to the second list, once; 0 means never.
    """

    group_wait_minutes: float = 2.0
    group_interval_minutes: float = 30.0
    repeat_interval_hours: float = 24.0
    escalate_after_hours: float = 2.0

    @property
    def wait(self) -> timedelta:
        return timedelta(minutes=self.group_wait_minutes)

    @property
    def interval(self) -> timedelta:
        return timedelta(minutes=self.group_interval_minutes)

    @property
    def repeat(self) -> timedelta:
        return timedelta(hours=self.repeat_interval_hours)

    @property
    def escalation(self) -> timedelta:
        return timedelta(hours=self.escalate_after_hours)


class Kind(StrEnum):
    """Of a message about an alert."""

    ALERT = "alert"
    UPDATE = "update"  # it has grown, or is still on
    ESCALATION = "escalation"


@dataclass(frozen=True)
class Notice:
    """Messages to be written to some recipients, to be sent not before a time. `key` tells occasions apart."""

    kind: str
    recipients: Sequence[str]
    key: str = ""
    not_before: datetime | None = None


def due_notices(alert: Alert, policy: AlertPolicy, now: datetime) -> list[Kind]:
    """The kinds of message that are due about an alert which no silence holds back."""
    if alert.state is AlertState.RESOLVED:
        return []
    is_open, is_on = alert.state is AlertState.OPEN, alert.ended_at is None
    if alert.notified_at is None:
        return [Kind.ALERT] if is_open and is_on else []
    due = []
    if is_open and policy.escalate_after_hours > 0 and not alert.escalated_at:
        opened_at = alert.opened_at or alert.notified_at
        if now - opened_at >= policy.escalation:
            due.append(Kind.ESCALATION)
    told = now - alert.notified_at
    has_grown = alert.grown_at is not None and alert.grown_at > alert.notified_at
    if (has_grown and told >= (policy.interval if is_open else policy.repeat)) or (
        is_open and is_on and told >= policy.repeat
    ):
        due.append(Kind.UPDATE)
    return due


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    REFUSED = "refused"  # given up: the server will not take it


@dataclass(frozen=True)
class Delivery:
    """One mail to one recipient, kept in the outbox until the server has taken it."""

    alert_id: int | None  # None: a digest or a test
    recipient: str
    message_id: str
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_error: str = ""
    sent_at: datetime | None = None
    id: int | None = None
    kind: str = "alert"  # alert, update, escalation, daily, weekly, test
    key: str = ""
    created_at: datetime | None = None


def retry_delay(attempts: int) -> timedelta:
    """Wait before the next try after `attempts` failures: 1, 2, 4 ... minutes, at most an hour."""
    return timedelta(minutes=min(60, 2 ** min(6, max(0, attempts - 1))))
