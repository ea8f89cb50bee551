"""PDF documents as blocks: headings by the size and weight of their type, tables by the gaps between columns."""

import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

import pypdf

from app.domain.errors import UnreadableDocument
from app.integrations.blocks import Block, table_blocks
from app.integrations.chunking import unwrap
from app.integrations.pdf_tables import Table, cells_of, tables_in

_LARGER = 1.15  # times the body's size: a heading
_LONGEST_HEADING, _LONGEST_BOLD_HEADING = 120, 80  # characters
_RUNNING_PAGES = 3
_PARAGRAPH_GAP = 1.7  # times the size of the type, from line to line
_BOLD = re.compile(r"bold|black|heavy|semib|demi", re.IGNORECASE)
_BULLET = ("\x7f", "•")  # ISO 32000-1, D.2: codes of WinAnsiEncoding without a character are bullets
_SENTENCE = re.compile(r"[.,;:!。，；：！]$")


@dataclass(frozen=True)
class _Type:
    """How a line is set: size in points, to a half."""

    size: float
    bold: bool


@dataclass(frozen=True)
class _Line:
    """A line of text; `y` is the height of its base line on the page, in points."""

    text: str
    type: _Type
    y: float


@dataclass(frozen=True)
class _Page:
    """A page as its lines in reading order, and drawn with spaces so that columns stand below each other."""

    lines: list[_Line]
    drawn: list[str]


def pdf_blocks(content: bytes) -> list[Block]:
    """The blocks of all pages. Raises UnreadableDocument."""
    try:
        document = pypdf.PdfReader(io.BytesIO(content))
        if document.is_encrypted and not document.decrypt(""):
            raise UnreadableDocument("is protected by a password; save it without one")
        pages = [_read_page(page) for page in document.pages]
    except UnreadableDocument:
        raise
    except pypdf.errors.DependencyError as error:
        raise UnreadableDocument("is encrypted; save it without protection") from error
    # Damaged files make pypdf fail in many ways of its own and of the standard library.
    except Exception as error:
        raise UnreadableDocument(f"is not a readable PDF ({error})") from error
    lines = [line for page in pages for line in page.lines]
    if not lines:
        raise UnreadableDocument("holds pictures but no text; run text recognition (OCR) on it first")
    levels = _heading_levels(lines)
    repeated = _repeated([[line for line in page.lines if _heads(line, levels)] for page in pages])
    blocks: list[Block] = []
    last: Table | None = None
    for page in pages:
        # The header of a table may be bold, too: a heading stands alone on its line.
        alone = {_squeezed(line) for line in page.drawn if len(cells_of(line)) == 1} - repeated
        found = {_squeezed(line.text): levels[line.type] for line in page.lines if _heads(line, levels)}
        headings = {text: level for text, level in found.items() if text in alone}
        tables = tables_in(page.drawn, [_squeezed(line) in headings for line in page.drawn])
        if tables and last and tables[0].begins_at_top:
            tables[0] = tables[0].continued(last)
        last = tables[-1] if tables and tables[-1].ends_at_bottom else None
        blocks += _drawn_blocks(page, headings, tables) if tables else _running_blocks(page, headings)
    return blocks


def _read_page(page: Any) -> _Page:
    pieces: list[tuple[str, _Type, float]] = []

    def keep(text: str, outer: Sequence[float], inner: Sequence[float], font: Any, size: float) -> None:
        scale = hypot(inner[2], inner[3]) * hypot(outer[2], outer[3])
        bold = bool(_BOLD.search(str((font or {}).get("/BaseFont", ""))))
        y = inner[4] * outer[1] + inner[5] * outer[3] + outer[5]
        pieces.append((text.replace(*_BULLET), _Type(round(2 * size * scale) / 2, bold), y))

    page.extract_text(visitor_text=keep)
    try:
        drawn = page.extract_text(extraction_mode="layout").replace(*_BULLET)
    # The drawing only serves to see tables; the text is there without it.
    except Exception:
        drawn = ""
    lines = list(_lines(pieces))
    return _Page(lines, drawn.split("\n") if drawn else [line.text for line in lines])


def _lines(pieces: Iterable[tuple[str, _Type, float]]) -> Iterator[_Line]:
    text, height = "", 0.0
    types: Counter[_Type] = Counter()
    for piece, type_, y in [*pieces, ("\n", _Type(0, False), 0.0)]:
        for number, part in enumerate(piece.split("\n")):
            if number:
                if text.strip():
                    yield _Line(text.strip(), types.most_common(1)[0][0], height)
                text = ""
                types.clear()
            if part.strip():
                height = height if text.strip() else y
                types[type_] += len(part.strip())
            text += part


def _heading_levels(lines: Sequence[_Line]) -> dict[_Type, int]:
    """The kinds of type that set headings, the largest being level 1."""
    used: Counter[_Type] = Counter()
    for line in lines:
        used[line.type] += len(line.text)
    body = used.most_common(1)[0][0]
    larger = [kind for kind in used if kind.size >= _LARGER * body.size]
    bold = [kind for kind in used if kind.bold and not body.bold and 0.95 * body.size <= kind.size]
    ranked = sorted({*larger, *bold}, key=lambda kind: (-kind.size, not kind.bold))
    return {kind: min(level, 6) for level, kind in enumerate(ranked, 1)}


def _repeated(headings: Iterable[Sequence[_Line]]) -> set[str]:
    """Headings that stand on several pages: they name the document, not what follows them."""
    seen = Counter(text for page in headings for text in {_squeezed(line.text) for line in page})
    return {text for text, count in seen.items() if count >= _RUNNING_PAGES}


def _heads(line: _Line, levels: dict[_Type, int]) -> bool:
    """Whether a line is a heading: not every bold or large line is one."""
    if line.type not in levels or not any(map(str.isalpha, line.text)):
        return False
    if not line.type.bold:
        return len(line.text) <= _LONGEST_HEADING
    return len(line.text) <= _LONGEST_BOLD_HEADING and not _SENTENCE.search(line.text)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _running_blocks(page: _Page, headings: dict[str, int]) -> Iterator[Block]:
    """A page without tables; a paragraph ends where the distance between lines is larger."""
    paragraphs: list[list[str]] = []
    above: _Line | None = None
    for line in page.lines:
        gap = above.y - line.y if above else 0.0
        if not above or gap > _PARAGRAPH_GAP * max(line.type.size, above.type.size):
            paragraphs.append([])
        paragraphs[-1].append(line.text)
        above = line
    for paragraph in paragraphs:
        yield from _text_blocks(paragraph, headings)


def _drawn_blocks(page: _Page, headings: dict[str, int], tables: Sequence[Table]) -> Iterator[Block]:
    """A page with tables; a paragraph ends at an empty line."""
    paragraph: list[str] = []
    starts = {table.start: table for table in tables}
    at = 0
    while at < len(page.drawn):
        table = starts.get(at)
        if table or not page.drawn[at].strip():
            yield from _text_blocks(paragraph, headings)
            paragraph = []
        else:
            paragraph.append(" ".join(page.drawn[at].split()))
        if table:
            yield from table_blocks(table.rows)
        at = table.end if table else at + 1
    yield from _text_blocks(paragraph, headings)


def _text_blocks(lines: Sequence[str], headings: dict[str, int]) -> Iterator[Block]:
    """Headings among the lines of a paragraph; one that fills several lines is one heading."""
    level_of: Callable[[str], int] = lambda line: headings.get(_squeezed(line), 0)  # noqa: E731
    at = 0
    while at < len(lines):
        level, end = level_of(lines[at]), at + 1
        while end < len(lines) and level_of(lines[end]) == level:
            end += 1
        yield Block(" ".join(lines[at:end]) if level else unwrap(lines[at:end]), level)
        at = end
