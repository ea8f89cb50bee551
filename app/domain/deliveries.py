"""When a message that could not be delivered is tried again, and when it is given up."""

from datetime import datetime, timedelta

from app.domain.alerts import retry_delay

GIVE_UP_AFTER = timedelta(hours=24)
_JITTER = 0.25  # share of a wait by which it varies, so that many messages do not come back at one moment


def next_attempt(failures: int, now: datetime, chance: float) -> datetime | None:
    """When to try again after so many failures; None once the waits add up to a day.

    The sum counts, not the clock: a message that waited while the program was down keeps all its attempts.
    `chance` is uniform in [0, 1).
    """
    if sum((retry_delay(n) for n in range(1, failures + 1)), timedelta()) >= GIVE_UP_AFTER:
        return None
    return now + retry_delay(failures) * (1 + _JITTER * (2 * chance - 1))
