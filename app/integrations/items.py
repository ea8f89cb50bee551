"""Fields as published to items that can be stored."""

import hashlib
import re
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from app.domain.news import FeedItem
from app.integrations.extraction import visible_text
from app.integrations.times import plausible

_MAX_URL = 2000
_MARKUP = re.compile(r"<[a-zA-Z/]|<!--|&#?\w+;")


def make_item(
    feed_url: str, key: Any, link: Any, title: str, text: str, published_at: datetime | None, outlet: str
) -> FeedItem | None:
    """An item with an address of its own, or None when there is nothing in it to read."""
    if not title and not text:
        return None
    title = " ".join(title.split())
    digest = hashlib.sha256(str(key or title or text).encode("utf-8", "ignore")).hexdigest()[:16]
    address = web_link(feed_url, link) or f"{feed_url}#{digest}"
    return FeedItem(address, title or text.splitlines()[0][:120], text, plausible(published_at), outlet)


def web_link(base: str, link: Any) -> str | None:
    """An absolute http(s) address, or None: other schemes could run code in the reader's browser."""
    if not isinstance(link, str) or not link.strip():
        return None
    try:
        address = urljoin(base, link.strip())
        parts = urlsplit(address)
    except ValueError:
        return None
    usable = parts.scheme in ("http", "https") and parts.netloc and len(address) <= _MAX_URL
    return storable(address) if usable else None


def plain_text(value: Any) -> str:
    """A field as plain text: tags and entities resolved, white space folded; "" for anything but a string."""
    if not isinstance(value, str):
        return ""
    if _MARKUP.search(value):
        return visible_text(value)
    lines = (" ".join(line.split()) for line in storable(value).splitlines())
    return "\n".join(line for line in lines if line)


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which no database takes."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")
