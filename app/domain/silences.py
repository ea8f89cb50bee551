"""Silences: alerts that match write no messages for a time. They are stored and shown all the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.alerts import Alert
from app.domain.errors import InvalidInput
from app.domain.spikes import SEVERITIES

LONGEST = timedelta(days=366)  # a silence that nobody remembers is a hole in the watch


@dataclass(frozen=True)
class Silence:
    """Holds back messages about alerts on a topic or an entity, up to a severity, from one moment to another.

    An empty matcher matches everything; severer alerts than `max_severity` get through.
    """

    starts_at: datetime
    ends_at: datetime
    created_by: str
    topic: str = ""
    entity: str = ""
    max_severity: str = ""
    comment: str = ""
    id: int | None = None

    def is_active(self, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at

    def matches(self, alert: Alert) -> bool:
        """Whether it is about this alert, whenever it is in force."""
        if (self.topic and self.topic != alert.topic) or (self.entity and self.entity != alert.entity):
            return False
        return not self.max_severity or SEVERITIES.index(alert.severity) <= SEVERITIES.index(self.max_severity)


def silencing(silences: Iterable[Silence], alert: Alert, now: datetime) -> Silence | None:
    """The silence in force that holds an alert back, or None."""
    return next((s for s in silences if s.is_active(now) and s.matches(alert)), None)


def checked(silence: Silence) -> Silence:
    """The silence, if it makes sense. Raises InvalidInput that names what does not."""
    if silence.max_severity not in ("", *SEVERITIES):
        raise InvalidInput(f"A severity is one of {', '.join(SEVERITIES)}, not {silence.max_severity!r}.")
    if silence.topic and silence.entity:
        raise InvalidInput("An alert is on a topic or on a company; make a silence for each of them.")
    if silence.ends_at <= silence.starts_at:
        raise InvalidInput("A silence ends after it begins; choose a later end.")
    if silence.ends_at - silence.starts_at > LONGEST:
        raise InvalidInput(f"A silence lasts for {LONGEST.days} days at most; choose an earlier end.")
    return silence
