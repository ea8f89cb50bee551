"""Text out of web pages, and the language of a text."""

import logging
import re
from functools import cache
from typing import TYPE_CHECKING

import lxml.html
from lxml import etree
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from app.domain.errors import NotAFeed
from app.domain.news import FeedItem
from app.integrations.charset import decode_text
from app.integrations.times import parse_time, plausible

if TYPE_CHECKING:
    from trafilatura.settings import Document

log = logging.getLogger(__name__)

_UNSEEN = ("script", "style", "noscript", "template", "head")
_BLOCKS = (
    *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "footer"),
    *("form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre"),
    *("section", "table", "td", "th", "tr", "ul"),
)
_BREAK = "\u2029"  # paragraph separator: marks the end of a block while the text is put together
_TAG = re.compile(r"<\s*[a-zA-Z!]")
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_EXACT_TIME = (
    '//meta[@property="article:published_time"]/@content',
    '//meta[@itemprop="datePublished"]/@content',
    "//article//time/@datetime",
    '//time[@itemprop="datePublished"]/@datetime',
)

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")
_WORD = re.compile(r"[^\W\d_]+")
_LANGUAGES = (
    *("ar", "cs", "da", "de", "el", "en", "es", "fi", "fr", "he", "hi", "hu", "id", "it", "nl", "pl"),
    *("pt", "ro", "ru", "sv", "th", "tr", "uk", "vi"),
)
_MIN_LETTERS = 24
_MIN_CONFIDENCE = 0.8


def parse_html(html: bytes | str) -> lxml.html.HtmlElement | None:
    """The tree of a page or fragment, however broken; None when there is nothing in it."""
    encoding = None
    if isinstance(html, str):
        html, encoding = html.replace("\0", "").encode("utf-8", "ignore"), "utf-8"
    try:
        return lxml.html.document_fromstring(html, parser=lxml.html.HTMLParser(encoding=encoding))
    except (etree.LxmlError, ValueError):
        return None


def visible_text(html: bytes | str | lxml.html.HtmlElement) -> str:
    """What a reader sees of some HTML: one line a block, white space folded, scripts and styles left out."""
    tree = parse_html(html) if isinstance(html, bytes | str) else html
    if tree is None:
        return ""
    for element in list(tree.iter(*_UNSEEN, etree.Comment, etree.ProcessingInstruction)):
        if element is not tree and element.getparent() is not None:
            element.drop_tree()
    for element in tree.iter(*_BLOCKS):
        element.text = _BREAK + (element.text or "")
        element.tail = _BREAK + (element.tail or "")
    lines = (" ".join(line.split()) for line in tree.text_content().split(_BREAK))
    return "\n".join(line for line in lines if line)


def extract_page(content: bytes, url: str, content_type: str = "") -> FeedItem:
    """The article of a web page: title, text and date. Raises NotAFeed when the page holds no text."""
    html = _XML_DECLARATION.sub("", decode_text(content, content_type))
    tree = parse_html(html) if _TAG.search(html[:65_536]) else None
    if tree is None:
        raise NotAFeed(f"{url} is neither a feed nor a web page. Check the address of the source.")
    times = [time for path in _EXACT_TIME for time in tree.xpath(path)]
    title = " ".join((tree.findtext(".//title") or "").split())
    outlet, text, published_at = "", "", next(filter(None, map(parse_time, times)), None)
    found = _extracted(html, url)
    if found is not None:
        title, text, outlet = found.title or title, found.text or "", found.sitename or ""
        published_at = published_at or parse_time(found.date or "")
    text = text.strip() or visible_text(tree)
    if not text:
        raise NotAFeed(f"{url} is a web page without readable text; it may need a browser to show any.")
    return FeedItem(url, title or text.splitlines()[0][:120], text, plausible(published_at), outlet)


def _extracted(html: str, url: str) -> "Document | None":
    """What trafilatura finds; None where it finds nothing, or fails at a page that browsers would show."""
    import trafilatura  # it takes long to load, and only the pages of news need it
    from trafilatura.settings import Document

    try:
        found = trafilatura.bare_extraction(html, url=url, with_metadata=True, include_comments=False)
    # Its many parts fail on hostile pages each in its own way; the visible text still stands.
    except Exception:
        log.info("No article was found in %s", url, exc_info=True)
        return None
    return found if isinstance(found, Document) else None


def detect_language(text: str) -> str:
    """The ISO 639-1 code of a text's language; "en" where the text is too short or unclear to tell.

    Chinese, Japanese and Korean are told by their scripts, so that a name or two in Latin letters does not
    count: a Chinese word has about 1.6 characters.
    """
    han, kana, hangul = (len(script.findall(text)) for script in (_HAN, _KANA, _HANGUL))
    words = [word for word in _WORD.findall(text) if not _HAN.search(word) and not _KANA.search(word)]
    if han + kana + hangul > 1.6 * len(words) and not hangul > han + kana:
        return "ja" if kana * 10 > han else "zh"
    if hangul * 2 > sum(map(len, words)):
        return "ko"
    letters = "".join(words)
    if len(letters) < _MIN_LETTERS and letters.isascii():
        return "en"
    language, confidence = _identifier().classify(" ".join(words))
    return language if confidence >= _MIN_CONFIDENCE else "en"


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES)
    return identifier
