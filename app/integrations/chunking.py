"""Cut prose into chunks at its own borders: headings, paragraphs, sentences, rows of tables.

Whatever a document was written in, its reader turns it into blocks; the cutting knows blocks alone.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from app.integrations.blocks import Block
from app.integrations.extraction import detect_language

CHUNK_CHARS = 900
CHINESE_CHUNK_CHARS = 450

_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_UNDERLINE = re.compile(r"(=+|-+)\s*$")
_FENCE = re.compile(r"\s*(```|~~~)")
_LIST_ITEM = re.compile(r"\s*([-*+•>]|\d{1,3}[.)、]|[（(]\d{1,3}[）)])\s*\S")
_PIPE = re.compile(r"(?<!\\)\|")  # one that was not escaped
_TABLE_RULE = re.compile(r"[\s|:-]*-[\s|:-]*$")
_WIDE_END = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]$")
_BORDERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<=[.!?])\s+|(?<=[。！？])\s*|\n(?=\s*(?:[-*+•>]|\d+[.)、]))",  # sentences and list items
        r"\n|(?<=[,;:])\s+|(?<=[，；：、])",  # clauses
        r"\s+",
    )
)


def markdown_blocks(text: str) -> Iterator[Block]:
    """The blocks of Markdown without its front matter; code fences are prose."""
    lines = text.split("\n")
    paragraph: list[str] = []
    fenced = False
    for at, line in enumerate(lines):
        if _FENCE.match(line):
            fenced = not fenced
            continue
        heading = None if fenced else _HEADING.match(line)
        underlined = not fenced and len(paragraph) == 1 and _UNDERLINE.match(line) and "|" not in paragraph[0]
        if underlined:
            yield Block(paragraph[0].strip(), 1 if line[0] == "=" else 2)
            paragraph = []
        elif heading or (not line.strip() and not fenced):
            yield from _paragraph(paragraph)
            paragraph = []
            if heading:
                yield Block(heading[2], len(heading[1]))
        else:
            if _begins_table(lines, at) and not fenced:
                yield from _paragraph(paragraph)
                paragraph = []
            paragraph.append(line.rstrip())
    yield from _paragraph(paragraph)


def plain_blocks(text: str) -> Iterator[Block]:
    """The paragraphs of plain text, which are set apart by blank lines."""
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.strip():
            yield Block(unwrap(paragraph.strip("\n").split("\n")))


def unwrap(lines: Iterable[str]) -> str:
    """Lines that a margin broke, joined again; list items keep a line of their own."""
    text = ""
    for line in map(str.strip, lines):
        if not text or _LIST_ITEM.match(line):
            text += f"\n{line}" if text else line
        else:
            text += line if _WIDE_END.search(text) else f" {line}"
    return text


def cut(blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """Pairs of heading path ("Fees > Cards") and text of at most CHUNK_CHARS (CHINESE_CHUNK_CHARS) characters."""
    path: list[tuple[int, str]] = []
    section: list[Block] = []
    for block in [*blocks, Block("", 1)]:
        if not block.level:
            section.append(block)
            continue
        title = " > ".join(name for _, name in path)
        yield from ((title, text) for text in _pack(section))
        section = []
        path = [*(above for above in path if above[0] < block.level), (block.level, block.text)]


def _begins_table(lines: Sequence[str], at: int) -> bool:
    return "|" in lines[at] and at + 1 < len(lines) and "|" in lines[at + 1] and _is_rule(lines[at + 1])


def _is_rule(line: str) -> bool:
    return bool(_TABLE_RULE.match(line))


def _paragraph(lines: Sequence[str]) -> Iterator[Block]:
    if not any(line.strip() for line in lines):
        return
    if len(lines) > 1 and "|" in lines[0] and "|" in lines[1] and _is_rule(lines[1]):
        yield Block("\n".join(lines), table=True)
    else:
        yield Block(unwrap(lines))


def _pack(section: Sequence[Block]) -> Iterator[str]:
    """The blocks of one section, as many to a chunk as fit."""
    chinese = detect_language("\n".join(block.text for block in section)) == "zh"
    limit = CHINESE_CHUNK_CHARS if chinese else CHUNK_CHARS
    chunk = ""
    for block in section:
        for piece in _cut_table(block.text, limit) if block.table else cut_text(block.text, limit):
            if chunk and len(chunk) + 2 + len(piece) > limit:
                yield chunk
                chunk = ""
            chunk = f"{chunk}\n\n{piece}" if chunk else piece
    if chunk:
        yield chunk


def cut_text(text: str, limit: int) -> Iterator[str]:
    """Pieces of at most `limit` characters, each ending at the best border there is: sentence, clause, word."""
    text = text.strip()
    while len(text) > limit:
        at = limit
        for border in _BORDERS:
            ends = [match.end() for match in border.finditer(text, limit // 3, limit + 1) if match.end() <= limit]
            if ends:
                at = ends[-1]
                break
        yield text[:at].rstrip()
        text = text[at:].lstrip()
    if text:
        yield text


def _cut_table(text: str, limit: int) -> Iterator[str]:
    """A table that is too long, by rows, each part under the header; a row too long for that goes cell by cell."""
    if len(text) <= limit:
        yield text
        return
    lines = text.split("\n")
    header = "\n".join(lines[:2])
    part = header
    for row in lines[2:]:
        too_long = len(header) + 1 + len(row) > limit
        if part != header and (too_long or len(part) + 1 + len(row) > limit):
            yield part
            part = header
        if too_long:
            yield from _cut_row(_cells(lines[0]), _cells(row), limit)
        else:
            part = f"{part}\n{row}"
    if part != header:
        yield part


def _cut_row(names: Sequence[str], cells: Sequence[str], limit: int) -> Iterator[str]:
    """Every cell with the name of its column, under the row's first one; a long cell as several pieces."""
    labelled = [
        (f"{name}: " if name else "", cell) for name, cell in zip_longest(names, cells, fillvalue="") if cell
    ]
    first = "".join(labelled[0])
    if len(labelled) == 1 or len(first) > limit // 3:
        yield from cut_text(first, limit)
        first = ""
    for name, cell in labelled[1:]:
        label = f"{first}\n{name}" if first else name
        if len(label) > limit // 2:
            yield from cut_text(label + cell, limit)
        else:
            yield from (label + piece for piece in cut_text(cell, limit - len(label)))


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in _PIPE.split(row.strip().removeprefix("|").removesuffix("|"))]
