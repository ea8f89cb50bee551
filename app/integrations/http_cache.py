"""How long an answer stays fresh, by its own headers (RFC 9111, a private cache)."""

import re
from email.utils import parsedate_to_datetime

import httpx

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_UNUSABLE = re.compile(r"(?:^|[\s,])(?:no-cache|no-store)(?:$|[\s,=;])", re.IGNORECASE)


def fresh_seconds(headers: httpx.Headers) -> float:
    """Seconds for which an answer need not be asked for again; 0 where its headers promise nothing.

    Section 4.2.1: max-age before Expires, less the time it already lay in a cache (Age).
    """
    control = headers.get("cache-control", "")
    if _UNUSABLE.search(control):
        return 0.0
    if found := _MAX_AGE.search(control):
        return max(0.0, float(found[1]) - _age(headers))
    try:
        lifetime = parsedate_to_datetime(headers["expires"]) - parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError):
        return 0.0
    return max(0.0, lifetime.total_seconds())


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait by the Retry-After header, a date being read against the server's own clock."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value[:9])
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())


def _age(headers: httpx.Headers) -> float:
    value = headers.get("age", "").strip()
    return float(value[:9]) if value.isdecimal() else 0.0
