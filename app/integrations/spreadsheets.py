"""Sheets of a workbook (xlsx): tables of questions one passage a row, other tables in chunks under their header."""

import io
import re
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import openpyxl

from app.domain.conversations import Passage
from app.domain.errors import UnreadableDocument
from app.integrations.blocks import Block, table_blocks
from app.integrations.metadata import Metadata, field_name, metadata_of
from app.integrations.passages import answer_passages, prose_passages

_OLD_OR_ENCRYPTED = b"\xd0\xcf\x11\xe0"  # an OLE file
_HEADER_WITHIN = 10  # rows: titles and notes may stand over a table of questions
# In a table that is not of questions, a column "product" is what the table is about, and stays.
_METADATA_COLUMNS = ("language", "valid_from", "valid_until")
_NOT_SHOWN = re.compile(r'\[(?!\$)[^\]]*\]|[_*].|-[0-9A-F]+(?=\])|[\\"]')
_PLACES = re.compile(r"[#0?][#0?,]*(?:\.([#0?]*))?")

Rows = list[list[str]]


def read_workbook(content: bytes, source: str) -> list[Passage]:
    """The passages of all sheets that are not hidden.

    Rows of questions are counted through all sheets, from 0. Formulas count by the value saved with them. Raises
    UnreadableDocument.
    """
    if content.startswith(_OLD_OR_ENCRYPTED):
        raise UnreadableDocument("is protected by a password or not xlsx; save it as xlsx without protection")
    try:
        workbook = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
        sheets = {s.title: _rows(s) for s in workbook.worksheets if s.sheet_state == "visible"}
    # A damaged archive fails in zipfile, in the XML parser or in openpyxl.
    except Exception as error:
        raise UnreadableDocument(f"is not a readable Excel workbook ({error})") from error
    sheets = {title: rows for title, rows in sheets.items() if any(map(any, rows))}
    passages: list[Passage] = []
    count = 0
    for title, rows in sheets.items():
        header = _question_header(rows)
        if header is None:
            passages += _table_passages(rows, source, title, len(sheets) > 1)
            continue
        names, body = [field_name(cell) for cell in rows[header]], rows[header + 1 :]
        found = answer_passages((dict(zip(names, row, strict=True)) for row in body), source, count, title)
        passages += found
        count += len(body)
    if not passages:
        raise UnreadableDocument("holds no questions and no tables")
    return passages


def _question_header(rows: Rows) -> int | None:
    for number, row in enumerate(rows[:_HEADER_WITHIN]):
        if {"question", "answer"} <= set(map(field_name, row)):
            return number
    return None


def _table_passages(rows: Rows, source: str, sheet: str, several: bool) -> list[Passage]:
    """A sheet as a table, or as one table for each language and time of validity, if it has such columns."""
    used = [at for at in range(len(rows[0])) if any(row[at] for row in rows)]
    captions, rows = _split_captions([[row[at] for at in used] for row in rows if any(row)])
    names = [field_name(cell) for cell in rows[0]] if rows else []
    keep = [at for at, name in enumerate(names) if name not in _METADATA_COLUMNS]
    groups: dict[Metadata, Rows] = {}
    for number, row in enumerate(rows[1:]):
        known = {name: cell for name, cell in zip(names, row, strict=True) if name in _METADATA_COLUMNS}
        where = f"row {number} of the sheet {sheet}"
        groups.setdefault(metadata_of(known, where), []).append([row[at] for at in keep])
    header = [rows[0][at] for at in keep] if rows else []
    title = sheet if several else ""
    passages: list[Passage] = []
    for metadata, body in (groups or {Metadata(): []}).items():
        blocks = [*captions, *table_blocks([header, *body])]
        passages += prose_passages(blocks, source, metadata, title)
    return passages


def _split_captions(rows: Rows) -> tuple[list[Block], Rows]:
    """Rows on top with a first cell alone, which are titles and notes, and the rows behind them."""
    for number, row in enumerate(rows):
        others = set(row[1:]) - {""}
        if not row[0] or others - {row[0]}:
            return [Block(caption[0]) for caption in rows[:number]], rows[number:]
    return [Block(row[0]) for row in rows], []


def _rows(sheet: Any) -> Rows:
    """The cells as they are shown; one that spans several places stands in each."""
    grid = [[_shown(cell) for cell in row] for row in sheet.iter_rows()]
    for area in sheet.merged_cells.ranges:
        text = grid[area.min_row - 1][area.min_col - 1]
        for row in grid[area.min_row - 1 : area.max_row]:
            for at in range(area.min_col - 1, min(area.max_col, len(row))):
                row[at] = text
    return grid


def _shown(cell: Any) -> str:
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
        case time():
            return value.isoformat("minutes")
        case date():
            return value.isoformat()
        case int() | float():
            return _number(value, str(cell.number_format))
    return "" if cell.data_type == "e" else str(value).strip()


def _number(value: float, style: str) -> str:
    """A number in its cell's format: 0.0275 under 0.00% is 2.75%, 22 under "£"#,##0.00 is £22.00."""
    style = _NOT_SHOWN.sub("", style.split(";")[0]).replace("[$", "").replace("]", "").strip()
    places = _PLACES.search(style)
    if not places or "E+" in style or "/" in style:
        return f"{value:.15g}" if isinstance(value, float) else str(value)
    exact = abs(Decimal(str(value))) * (100 if "%" in style else 1)
    decimals = places[1] or ""
    text = f"{exact.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP):{',' if ',' in places[0] else ''}f}"
    optional = len(decimals) - len(decimals.rstrip("#?"))
    while optional and text[-1] == "0":
        text, optional = text[:-1], optional - 1
    sign = "-" if value < 0 else ""
    return sign + style[: places.start()] + text.removesuffix(".") + style[places.end() :]
