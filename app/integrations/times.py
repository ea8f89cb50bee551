"""Times as the press writes them, to UTC."""

import re
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from typing import Any

_YEAR_FIRST = re.compile(
    r"\s*(\d{4})[-/年.](\d{1,2})[-/月.](\d{1,2})(?:日|(?!\d))"
    r"(?:[\sT]*(\d{1,2}:\d{2}(?::\d{2})?)(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
)
_ZONE = re.compile(r"(?:\b(?:z|[a-z]{1,4}t|utc)|\dz|[+-]\d{1,2}:?\d{2})\s*(?:\([^)]*\)\s*)?$", re.IGNORECASE)
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)  # what is older was never a page of the web: 1970, year 1 ...
_MILLISECONDS = 100_000_000_000  # a count since 1970 above this is not of seconds


def parse_time(value: str, zone: tzinfo = UTC) -> datetime | None:
    """An ISO 8601 time in UTC (one without an offset is of `zone`); None when it is unusable."""
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_year_first(written: str) -> bool:
    """Whether a time begins with year, month and day in figures, valid or not."""
    return bool(_YEAR_FIRST.match(written))


def year_first(written: str, zone: tzinfo = UTC) -> datetime | None:
    """A time written as 2024/5/1 10:00 or 2024年5月1日, in UTC; of `zone` without an offset; None if unusable."""
    found = _YEAR_FIRST.match(written)
    if found is None:
        return None
    year, month, day, clock, offset = found.groups()
    hours, _, rest = (clock or "00:00").partition(":")
    return parse_time(f"{year}-{int(month):02}-{int(day):02}T{hours:>02}:{rest}{offset or ''}", zone)


def read_time(value: Any, zone: tzinfo = UTC) -> datetime | None:
    """A time in any of the forms that programs write: ISO 8601, e-mail, year first, seconds or milliseconds
    since 1970; in UTC, None when it is unusable. What names no offset is of `zone`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    written = str(value).strip()
    try:
        if re.fullmatch(r"\d{9,13}(?:\.\d+)?", written):
            count = float(written)
            return datetime.fromtimestamp(count / 1000 if count > _MILLISECONDS else count, UTC)
        if moment := parse_time(written, zone) or year_first(written, zone):
            return moment
        moment = parsedate_to_datetime(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def names_zone(written: str) -> bool:
    """Whether a written time ends with an offset or the name of a zone."""
    return bool(_ZONE.search(written))


def plausible(moment: datetime | None) -> datetime | None:
    """The time, unless it lies before there were pages to publish: a date that was never filled in."""
    return moment if moment and moment >= _EARLIEST else None
