"""Who hears of what, when, in which language: subscriptions, quiet hours and the times of digests."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.errors import InvalidInput
from app.domain.spikes import SEVERITIES

LANGUAGES = {"en": "English", "zh": "中文"}
DIGESTS = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
DIGEST_TIME = time(7)  # in the recipient's time zone; the weekly one on Mondays
NOTHING = "-"  # in a list of topics or entities: none of them
ESCALATION = "escalation"  # the kind of message that the second list gets

MAX_RECIPIENT = 1000
_ADDRESS = re.compile(r"[^\s<>@,]+@[^\s<>@,]+")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_OWN_SERVER = ("mailto", "mailtos")  # mail goes out through the one server of the settings


@dataclass(frozen=True)
class Subscription:
    """What one recipient wants to hear of, and how.

    Empty `topics` mean all topics and empty `entities` all companies; NOTHING in one means none of them.
    `quiet_from` and `quiet_until` are HH:MM in `time_zone`; only what is severe is sent between them. With
    `escalation` the recipient is on the second list: told of alerts that nobody acknowledged, not of new ones.
    """

    recipient: str
    topics: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    min_severity: str = ""
    quiet_from: str = ""
    quiet_until: str = ""
    time_zone: str = "UTC"
    language: str = "en"
    digest: str = ""
    escalation: bool = False
    enabled: bool = True
    last_digest_at: datetime | None = None
    id: int | None = None

    def covers(self, topic: str, entity: str = "") -> bool:
        """Whether alerts on this topic, or on this company, are meant for the recipient."""
        return _listed(entity, self.entities) if entity else _listed(topic, self.topics)

    def wants(self, topic: str, entity: str, severity: str, kind: str) -> bool:
        """Whether a message of this kind about such an alert is meant for the recipient."""
        if not self.enabled or self.escalation != (kind == ESCALATION):
            return False
        return self.covers(topic, entity) and _rank(severity) >= _rank(self.min_severity)

    def quiet_end(self, severity: str, now: datetime) -> datetime | None:
        """When the quiet hours are over that keep a message back now, in UTC; None when nothing does.

        Highest severity is never kept back. Quiet hours may span midnight.
        """
        if severity == SEVERITIES[-1] or not self.quiet_from or self.quiet_from == self.quiet_until:
            return None
        zone = ZoneInfo(self.time_zone)
        local = now.astimezone(zone)
        begin, end = time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_until)
        present = local.time()
        quiet = begin <= present < end if begin < end else present >= begin or present < end
        if not quiet:
            return None
        day = local.date() + timedelta(days=present >= end)
        # In the hour that clocks skip or repeat, a wall time may lie before the present.
        return max(datetime.combine(day, end, zone).astimezone(UTC), now + timedelta(minutes=1))

    def digest_period(self, now: datetime) -> tuple[datetime, datetime] | None:
        """Begin and end, in UTC, of the last period that a digest tells of; None without digests."""
        if self.digest not in DIGESTS:
            return None
        zone = ZoneInfo(self.time_zone)
        local = now.astimezone(zone)
        day = local.date() - timedelta(days=local.time() < DIGEST_TIME)
        if self.digest == "weekly":
            day -= timedelta(days=day.weekday())
        begin = day - DIGESTS[self.digest]
        return tuple(datetime.combine(d, DIGEST_TIME, zone).astimezone(UTC) for d in (begin, day))  # type: ignore[return-value]


def checked(subscription: Subscription) -> Subscription:
    """The subscription, if all of it makes sense. Raises InvalidInput that names what does not."""
    check_recipient(subscription.recipient)
    if subscription.min_severity not in ("", *SEVERITIES):
        raise InvalidInput(f"A severity is one of {', '.join(SEVERITIES)}, not {subscription.min_severity!r}.")
    quiet = (subscription.quiet_from, subscription.quiet_until)
    if any(quiet) and not all(_CLOCK.fullmatch(part) for part in quiet):
        raise InvalidInput("Quiet hours have a begin and an end as HH:MM, such as 22:00 and 07:00.")
    if subscription.time_zone not in ("", "UTC") and not _known_zone(subscription.time_zone):
        raise InvalidInput(f"Unknown time zone {subscription.time_zone!r}; use a name such as Asia/Shanghai.")
    if subscription.language not in LANGUAGES:
        raise InvalidInput(f"Messages are written in {' or '.join(LANGUAGES)}, not in {subscription.language!r}.")
    if subscription.digest not in ("", *DIGESTS):
        raise InvalidInput(f"A digest is {' or '.join(DIGESTS)}, or none; not {subscription.digest!r}.")
    return subscription


def check_recipient(recipient: str) -> None:
    """Raises InvalidInput for what is neither an e-mail address nor the address of a channel."""
    if len(recipient) > MAX_RECIPIENT or not recipient.isprintable():
        raise InvalidInput(f"A recipient has at most {MAX_RECIPIENT} printable characters.")
    if is_channel(recipient):
        if recipient.split("://")[0].lower() in _OWN_SERVER:
            raise InvalidInput("For mail give the address alone, such as desk@bank.example.")
    elif not _ADDRESS.fullmatch(recipient):
        raise InvalidInput(
            f"{recipient!r} is neither an e-mail address nor the address of a channel such as slack://... or json://..."
        )


def is_channel(recipient: str) -> bool:
    """Whether a recipient is a chat channel or a webhook, which has the form of an address with a scheme."""
    return "://" in recipient


def shown(recipient: str) -> str:
    """A recipient as people may see it: the address of a channel often is a secret, so little of it is shown."""
    if not is_channel(recipient):
        return recipient
    scheme, _, rest = recipient.partition("://")
    host = rest.partition("?")[0].split("/")[0].rpartition("@")[2]
    return f"{scheme}://{host if '.' in host or host.startswith('localhost') else host[:3]}…"


def _listed(name: str, names: tuple[str, ...]) -> bool:
    return not names or (name in names and name != NOTHING)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


@lru_cache(maxsize=100)
def _known_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
