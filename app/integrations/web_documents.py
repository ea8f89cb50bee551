"""Web pages as blocks: headings, paragraphs, lists and tables."""

from collections.abc import Container, Iterator
from itertools import takewhile

from lxml import etree
from lxml.html import HtmlElement

from app.integrations.blocks import Block, table_blocks
from app.integrations.extraction import parse_html

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_LISTS = ("ul", "ol")
_BLOCKS = {
    *("address", "article", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt"),
    *("fieldset", "figcaption", "figure", "form", "header", "hr", "html", "li", "main", "p", "pre", "section"),
    *("summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr"),
    *(_HEADINGS + _LISTS),
}
_UNSEEN = (
    *("head", "nav", "footer", "aside", "script", "style", "noscript", "template", "button"),
    *(etree.Comment, etree.ProcessingInstruction),
)
_MOST_PLACES = 100  # that one cell may span


def html_blocks(text: str) -> Iterator[Block]:
    """The blocks of a page or fragment, without what only serves to get about in it."""
    tree = parse_html(text)
    if tree is None:
        return
    for element in list(tree.iter(*_UNSEEN)):
        if element.getparent() is not None:
            element.drop_tree()
    yield from _inside(tree)


def _inside(element: HtmlElement) -> Iterator[Block]:
    """What stands in an element: text between blocks is a paragraph, blocks are themselves."""
    text = element.text or ""
    for child in element:
        if _is_block(child):
            yield from _paragraph(text)
            yield from _block(child)
            text = ""
        else:
            text += " " if child.tag == "br" else _text(child)
        text += child.tail or ""
    yield from _paragraph(text)


def _block(element: HtmlElement) -> Iterator[Block]:
    holds = lambda *tags: next(element.iterdescendants(*tags), None) is not None  # noqa: E731
    if element.tag in _HEADINGS:
        yield from _paragraph(_text(element), int(element.tag[1]))
    elif element.tag == "table" and not holds("table", *_HEADINGS):
        yield from _table(element)
    elif element.tag in _LISTS and not holds("table", *_HEADINGS):
        if lines := list(_items(element)):
            yield Block("\n".join(lines))
    else:
        yield from _inside(element)


def _is_block(element: HtmlElement) -> bool:
    return element.tag in _BLOCKS or next(element.iterdescendants(*_BLOCKS), None) is not None


def _paragraph(text: str, level: int = 0) -> Iterator[Block]:
    if folded := " ".join(text.split()):
        yield Block(folded, level)


def _text(element: HtmlElement, without: Container[str] = ()) -> str:
    """The text of an element as it runs; blocks in it are set apart by a space."""
    text = element.text or ""
    for child in element:
        if child.tag not in without:
            inner = _text(child, without)
            text += f" {inner} " if child.tag in _BLOCKS or child.tag == "br" else inner
        text += child.tail or ""
    return text


def _items(element: HtmlElement, depth: int = 0) -> Iterator[str]:
    """The lines of a list; a list within an item is set in."""
    for child in element:
        if child.tag in _LISTS:
            yield from _items(child, depth + 1)
        elif text := " ".join(_text(child, _LISTS).split()):
            yield f"{'  ' * depth}- {text}"
        if child.tag not in _LISTS:
            for inner in child.iterdescendants(*_LISTS):
                if next(inner.iterancestors(*_LISTS)) is element:
                    yield from _items(inner, depth + 1)


def _table(table: HtmlElement) -> Iterator[Block]:
    """A table of data; one of a single column without a header sets out text, and is that text."""
    for caption in table.iterchildren("caption"):
        yield from _paragraph(_text(caption))
    rows = [row for row in table.iter("tr") if row.find("td") is not None or row.find("th") is not None]
    if not any(len(row.findall("td")) + len(row.findall("th")) > 1 or row.find("th") is not None for row in rows):
        for row in rows:
            yield from _inside(row)
        return
    names = takewhile(lambda row: row.getparent().tag == "thead" or row.find("td") is None, rows)
    head = len(list(names))
    yield from table_blocks(_cells(rows), head if head < len(rows) else 1)


def _cells(rows: list[HtmlElement]) -> list[list[str]]:
    """The texts by row and column; a cell that spans several places stands in each."""
    below: dict[int, tuple[str, int]] = {}  # column: text of a cell from above, and how many rows it still covers
    grid = []
    for row in rows:
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        texts: list[str] = []
        while cells or len(texts) in below:
            if len(texts) in below:
                text, left = below.pop(len(texts))
                if left > 1:
                    below[len(texts)] = text, left - 1
                texts.append(text)
                continue
            cell = cells.pop(0)
            text, down = " ".join(_text(cell).split()), _span(cell, "rowspan")
            for _ in range(_span(cell, "colspan")):
                if down > 1:
                    below[len(texts)] = text, down - 1
                texts.append(text)
        grid.append(texts)
    return grid


def _span(cell: HtmlElement, name: str) -> int:
    value = (cell.get(name) or "").strip()
    return min(max(int(value), 1), _MOST_PLACES) if value.isascii() and value.isdecimal() else 1
