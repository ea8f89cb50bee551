"""Links out of a page that lists articles, by a CSS selector."""

from datetime import UTC, tzinfo

import lxml.html
from cssselect import SelectorError

from app.domain.errors import InvalidInput, NotAFeed
from app.domain.news import FeedItem
from app.integrations.charset import decode_text
from app.integrations.extraction import parse_html
from app.integrations.items import web_link
from app.integrations.times import plausible, read_time

_MAX_ITEMS = 200


def read_list(content: bytes, content_type: str, url: str, selector: str, zone: tzinfo = UTC) -> list[FeedItem]:
    """The articles that a page lists, in its order; their texts are on pages of their own.

    `selector` finds links, or elements that each hold one (its first is meant) and perhaps a <time>. Raises
    InvalidInput for a selector that cannot be read, NotAFeed when it finds no link.
    """
    tree = parse_html(decode_text(content, content_type))
    try:
        found = tree.cssselect(selector) if tree is not None else []
    except (SelectorError, ValueError) as error:
        raise InvalidInput(f"{selector!r} is not a CSS selector that can be used: {error}.") from error
    items: dict[str, FeedItem] = {}
    for element in found:
        item = _item(element, url, zone)
        if item is not None and item.url != url:
            items.setdefault(item.url, item)
    if not items:
        raise NotAFeed(
            f"The selector {selector!r} finds no link on {url}. The page may have changed, or need a browser."
        )
    return list(items.values())[:_MAX_ITEMS]


def _item(element: lxml.html.HtmlElement, url: str, zone: tzinfo) -> FeedItem | None:
    link = element if element.tag == "a" else next(element.iter("a"), None)
    address = web_link(url, link.get("href")) if link is not None else None
    if link is None or address is None:
        return None
    title = _words(link) or " ".join((link.get("title") or "").split()) or _words(element)
    times = (read_time(time.get("datetime") or _words(time), zone) for time in element.iter("time"))
    return FeedItem(address, title, "", plausible(next(filter(None, times), None)))


def _words(element: lxml.html.HtmlElement) -> str:
    return " ".join(element.text_content().split())[:300]
