"""Pages out of a sitemap (sitemaps.org, and the news extension of search engines)."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import urlsplit

from lxml import etree

from app.domain.errors import NotAFeed
from app.domain.news import FeedItem
from app.integrations.feeds import root_element
from app.integrations.items import plain_text, web_link
from app.integrations.times import plausible, read_time

DAYS = 7.0  # how old a page may be, where the source says nothing else
_MAX_ITEMS = 1000
_MAX_CHILDREN = 3  # of an index: the ones that changed last
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


def is_sitemap(content: bytes) -> bool:
    """Whether content looks like a sitemap or an index of sitemaps."""
    try:
        return root_element(content, "").rpartition(b":")[2] in (b"urlset", b"sitemapindex")
    except NotAFeed:
        return False


def read_sitemap(
    content: bytes, url: str, now: datetime, days: float = DAYS, zone: tzinfo = UTC
) -> tuple[list[FeedItem], tuple[str, ...]]:
    """The pages of the last `days`, newest first, and the sitemaps to read besides where it is an index.

    A page has a title only where the sitemap bears one (news); its text is never in there. Raises NotAFeed.
    """
    root_element(content, url)  # refuses entities
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.LxmlError, ValueError) as error:
        raise NotAFeed(f"{url} cannot be read as a sitemap: {error}.") from error
    kind = _name(root) if root is not None else ""
    if kind == "sitemapindex":
        return [], _children(root, url, zone)
    if kind != "urlset":
        raise NotAFeed(f"{url} is not a sitemap: its root is <{kind}>.")
    items = [item for entry in root if _name(entry) == "url" and (item := _page(entry, url, zone))]
    recent = [item for item in items if item.published_at is None or item.published_at >= now - timedelta(days)]
    recent.sort(key=lambda item: item.published_at or _NEVER, reverse=True)
    return recent[:_MAX_ITEMS], ()


def _page(entry: etree._Element, url: str, zone: tzinfo) -> FeedItem | None:
    fields = _fields(entry)
    address = web_link(url, fields.get("loc"))
    if address is None:
        return None
    moment = read_time(fields.get("publication_date"), zone) or read_time(fields.get("lastmod"), zone)
    title = " ".join(plain_text(fields.get("title")).split())
    return FeedItem(address, title, "", plausible(moment), plain_text(fields.get("name")))


def _children(root: etree._Element, url: str, zone: tzinfo) -> tuple[str, ...]:
    """The sitemaps of an index: those of news first, then those that changed last."""
    children = []
    for entry in root:
        fields = _fields(entry)
        if address := web_link(url, fields.get("loc")):
            changed = read_time(fields.get("lastmod"), zone) or _NEVER
            children.append(("news" in urlsplit(address).path.lower(), changed, address))
    children.sort(key=lambda child: child[:2], reverse=True)
    return tuple(address for _, _, address in children[:_MAX_CHILDREN])


def _fields(entry: etree._Element) -> dict[str, str]:
    """The first text of each element below an entry, by its local name; images and videos have titles, too."""
    fields: dict[str, str] = {}
    for element in _without_media(entry):
        if element.text and element.text.strip():
            fields.setdefault(_name(element), element.text.strip())
    return fields


def _without_media(entry: etree._Element) -> Iterable[etree._Element]:
    for child in entry:
        if _name(child) not in ("image", "video"):
            yield child
            yield from _without_media(child)


def _name(element: etree._Element) -> str:
    """The local name in lower case; "" for comments and instructions."""
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""
