"""Word documents as blocks: headings by their style or outline level, paragraphs, lists and tables."""

import io
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import docx
from docx.oxml.ns import qn
from docx.table import Table
from docx.text.paragraph import Paragraph

from app.domain.errors import UnreadableDocument
from app.integrations.blocks import Block, table_blocks

_CONTENTS = ("TOC", "toc ", "table of figures")  # styles of lists that only repeat the headings


def word_blocks(content: bytes) -> list[Block]:
    """The blocks of a docx file. Raises UnreadableDocument."""
    try:
        document = docx.Document(io.BytesIO(content))
        return [block for part in _parts(document, document.element.body) for block in _blocks(part)]
    # A damaged archive fails in zipfile, in lxml or in python-docx.
    except Exception as error:
        raise UnreadableDocument(f"is not a readable Word document ({error})") from error


def _parts(owner: Any, element: Any) -> Iterator[Paragraph | Table]:
    """The paragraphs and tables of a body or a cell, those within content controls too."""
    for child in element.iterchildren(qn("w:p"), qn("w:tbl"), qn("w:sdt")):
        if child.tag == qn("w:p"):
            yield Paragraph(child, owner)
        elif child.tag == qn("w:tbl"):
            yield Table(child, owner)
        else:
            for inner in child.iterchildren(qn("w:sdtContent")):
                yield from _parts(owner, inner)


def _blocks(part: Paragraph | Table) -> Iterator[Block]:
    if isinstance(part, Table):
        names = takewhile(lambda row: row._tr.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None, part.rows)
        head = len(list(names))
        yield from table_blocks([[_cell_text(cell) for cell in row.cells] for row in part.rows], head)
        return
    text, styles = part.text.strip(), _styles(part)
    if not text or any(name.startswith(_CONTENTS) for name in styles):
        return
    level = _level(part, styles)
    listed = any(name.startswith("List") for name in styles)
    yield Block(text if level or not listed else f"- {text}", level)


def _cell_text(cell: Any) -> str:
    """The text of a cell; a table within it goes row by row."""
    texts = []
    for part in _parts(cell, cell._tc):
        if isinstance(part, Table):
            texts += [", ".join(filter(None, map(_cell_text, row.cells))) for row in part.rows]
        else:
            texts.append(part.text)
    return "\n".join(texts)


def _styles(paragraph: Paragraph) -> list[str]:
    """The names of the paragraph's style and of those that it is based on."""
    names: list[str] = []
    style: Any = paragraph.style
    while style is not None and len(names) < 20:  # a damaged file may go round in circles
        names.append(style.name or "")
        style = style.base_style
    return names


def _level(paragraph: Paragraph, styles: list[str]) -> int:
    """1 to 6 for a heading, 0 for other paragraphs."""
    for name in styles:
        if name == "Title":
            return 1
        if name.startswith("Heading ") and name[8:].isdecimal():
            return min(int(name[8:]), 6)
    outline = paragraph._p.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    value = outline.get(qn("w:val"), "") if outline is not None else ""
    return min(int(value) + 1, 6) if value.isdecimal() and int(value) < 9 else 0
