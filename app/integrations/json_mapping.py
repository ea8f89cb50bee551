"""Items out of any JSON, by a mapping of dotted paths."""

import json
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any

from app.domain.errors import InvalidInput, NotAFeed
from app.domain.news import FeedItem
from app.integrations.charset import decode_text
from app.integrations.items import make_item, plain_text
from app.integrations.times import read_time

FIELDS = ("items", "title", "url", "text", "published_at", "outlet")
MAPPINGS: Mapping[str, Mapping[str, str]] = {
    # GDELT DOC 2.0, mode=ArtList&format=json: https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/
    "gdelt": {"items": "articles", "title": "title", "url": "url", "published_at": "seendate", "outlet": "domain"},
    # Our own articles, as the push endpoint takes them and files hold them.
    "articles": {name: name for name in FIELDS if name != "items"},
}
_MAX_ITEMS = 1000
_SHOWN = 200  # characters of an answer that was no JSON


def mapping_of(option: Any) -> Mapping[str, str]:
    """The mapping that a source's option names or spells out. Raises InvalidInput."""
    if isinstance(option, str):
        if option not in MAPPINGS:
            raise InvalidInput(f"There is no mapping {option!r}; ready ones are {', '.join(MAPPINGS)}.")
        return MAPPINGS[option]
    if not isinstance(option, Mapping) or not all(isinstance(path, str) for path in option.values()):
        raise InvalidInput("A mapping names the dotted path of each field, e.g. {'items': 'data.list', ...}.")
    if unknown := set(option) - set(FIELDS):
        raise InvalidInput(f"A mapping has the fields {', '.join(FIELDS)}, not {', '.join(sorted(unknown))}.")
    if not option.get("title") and not option.get("text"):
        raise InvalidInput("A mapping needs at least the path of title or text.")
    return option


def read_json(
    content: bytes, content_type: str, url: str, mapping: Mapping[str, str], zone: tzinfo = UTC
) -> list[FeedItem]:
    """The items of a JSON document, in its order. Raises NotAFeed when it is no JSON or lacks the list."""
    text = decode_text(content, content_type)
    try:
        document = json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        said = " ".join(text[:_SHOWN].split())
        raise NotAFeed(f"{url} answered no JSON ({error}), but: {said!r}.") from error
    path = mapping.get("items", "")
    items = pick(document, path)
    if items is None and document == {}:
        return []  # how GDELT says that nothing was found
    if not isinstance(items, list):
        fields = ", ".join(map(str, document))[:_SHOWN] if isinstance(document, dict) else type(document).__name__
        raise NotAFeed(f"{url} has no list at {path or 'its root'!r}; what it has: {fields}.")
    return [item for entry in items[:_MAX_ITEMS] if (item := read_object(entry, url, mapping, zone))]


def read_object(entry: Any, url: str, mapping: Mapping[str, str], zone: tzinfo = UTC) -> FeedItem | None:
    """One item; None when there is nothing in it to read."""
    values = {name: pick(entry, path) for name, path in mapping.items() if name != "items" and path}
    link, title, text = values.get("url"), _text(values.get("title")), _text(values.get("text"))
    key = link or f"{title}\n{text}"
    outlet, moment = _text(values.get("outlet")), read_time(values.get("published_at"), zone)
    return make_item(url, key, link, title, text, moment, outlet)


def pick(document: Any, path: str) -> Any:
    """What lies at a dotted path ("data.items.0.title"; "" is the document itself); None where nothing does."""
    for step in path.split(".") if path else ():
        if isinstance(document, Mapping):
            document = document.get(step)
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document


def _text(value: Any) -> str:
    return plain_text(str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value)
