"""What the form of a source says besides its address: the kind, and what this kind needs."""

import json
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.errors import InvalidInput

KINDS = [
    *(("Find out by itself", "auto"), ("Feed (RSS, Atom, JSON)", "feed"), ("Web page", "page")),
    *(("Sitemap", "sitemap"), ("Page that lists articles", "list"), ("Other JSON (GDELT, an API)", "json")),
]


def options_of(
    kind: str, detail: str, full_text: bool = False, time_zone: str = "", days: float | None = None
) -> dict[str, Any]:
    """The options of a source as the database has them.

    Raises InvalidInput for a mapping that is neither a ready one's name nor JSON, and for an unknown time zone.
    """
    options = _reading(kind, detail.strip())
    if full_text:
        options["full_text"] = True
    if zone := time_zone.strip():
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, KeyError) as error:
            raise InvalidInput(f"The time zone {zone!r:.64} is unknown; use one such as Asia/Shanghai.") from error
        options["time_zone"] = zone
    if days and kind == "sitemap":
        options["days"] = days
    return options


def _reading(kind: str, detail: str) -> dict[str, Any]:
    if kind == "list":
        return {"selector": detail}
    if kind != "json" or not detail.startswith("{"):
        return {"mapping": detail} if kind == "json" else {}
    try:
        return {"mapping": json.loads(detail)}
    except ValueError as error:
        raise InvalidInput(f"The mapping is not valid JSON: {error}.") from error
