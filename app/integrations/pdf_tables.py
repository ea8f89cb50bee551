"""Tables on a page that is drawn with characters: lines whose cells stand below each other, with gaps between."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

_CELL = re.compile(r"\S+(?: {1,2}\S+)*")  # three spaces are a gap between columns
_MARK = re.compile(r"[-*+–—]|[(（]?[0-9a-zA-Z]{1,3}[.)）、]")
_BULLET = re.compile(r"[•·▪◦●○‣]")
_LEADER = re.compile(r"(?:\. ?){4}|…{2}")
_PROSE_CHARS = 35  # two columns with more in a cell, on average, are columns of running text
_WRAPPED_LINES = 3  # in a row, of one cell


class _Cell(NamedTuple):
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells that fill the lines from `start` up to but not including `end`."""

    start: int
    end: int
    rows: list[list[str]]
    begins_at_top: bool
    ends_at_bottom: bool

    def continued(self, above: "Table") -> "Table":
        """This table with the header of the one that it goes on from, if it has the same columns."""
        header = above.rows[0]
        if len(header) != len(self.rows[0]) or header == self.rows[0]:
            return self
        return replace(self, rows=[header, *self.rows])


def cells_of(line: str) -> list[_Cell]:
    """What stands on a line with gaps between."""
    return [_Cell(*match.span(), match.group()) for match in _CELL.finditer(line)]


def tables_in(lines: Sequence[str], closed: Sequence[bool]) -> list[Table]:
    """The tables of a page, from its top; none goes over a line that is `closed`, a heading."""
    tables: list[Table] = []
    cells = [[] if shut else cells_of(line) for line, shut in zip(lines, closed, strict=True)]
    at = 0
    while at < len(lines):
        found = _table_from(cells, closed, at) if len(cells[at]) > 1 else None
        if found:
            tables.append(found)
        at = found.end if found else at + 1
    return tables


def _table_from(cells: Sequence[list[_Cell]], closed: Sequence[bool], start: int) -> Table | None:
    end = _end_of_rows(cells, closed, start)
    rows = [row for row in cells[start:end] if len(row) > 1]
    columns = _columns(rows)
    if len(rows) < 2 or len(columns) < 2 or _is_text(rows, columns):
        return None
    while end < len(cells) and len(cells[end]) == 1 and _wraps(cells[end][0], cells[end - 1], columns):
        end += 1
    grid: list[list[str]] = []
    for row in cells[start:end]:
        if len(row) > 1:
            grid.append([""] * len(columns))
        for cell in row:
            at = _column(cell, columns)
            grid[-1][at] = f"{grid[-1][at]} {cell.text}".strip()
    top = not any(cells[:start]) and not any(closed[:start])
    return Table(start, end, grid, top, not any(cells[end:]) and not any(closed[end:]))


def _end_of_rows(cells: Sequence[list[_Cell]], closed: Sequence[bool], start: int) -> int:
    """Behind the last line of several cells; lines of one cell are wrapped text of the row above."""
    end, single, empty = start + 1, 0, 0
    for at in range(start + 1, len(cells)):
        if closed[at] or empty > 1 or single > _WRAPPED_LINES or (single and empty):
            break
        if len(cells[at]) > 1:
            end, single, empty = at + 1, 0, 0
        elif cells[at]:
            if empty:
                break
            single += 1
        else:
            empty += 1
    return end


def _columns(rows: Sequence[list[_Cell]]) -> list[tuple[int, int]]:
    """The places of the columns: cells that overlap are of one."""
    columns: list[tuple[int, int]] = []
    for start, end, _ in sorted(cell for row in rows for cell in row):
        if columns and start < columns[-1][1]:
            columns[-1] = (columns[-1][0], max(end, columns[-1][1]))
        else:
            columns.append((start, end))
    return columns


def _column(cell: _Cell, columns: Sequence[tuple[int, int]]) -> int:
    overlaps = [min(cell.end, end) - max(cell.start, start) for start, end in columns]
    return overlaps.index(max(overlaps))


def _wraps(cell: _Cell, above: Sequence[_Cell], columns: Sequence[tuple[int, int]]) -> bool:
    """Whether a line goes on below a cell of the line above, within its column."""
    start, end = columns[_column(cell, columns)]
    return start <= cell.start and cell.end <= end + 2 and any(abs(cell.start - c.start) <= 2 for c in above)


def _is_text(rows: Sequence[list[_Cell]], columns: Sequence[tuple[int, int]]) -> bool:
    """Whether the lines are a list with its marks, contents, text in two columns, or text with wide gaps."""
    marked = sum(bool(_MARK.fullmatch(row[0].text) or _BULLET.match(row[0].text)) for row in rows)
    dotted = sum(bool(_LEADER.search(cell.text)) for row in rows for cell in row)
    if 2 * max(marked, dotted) >= len(rows):
        return True
    by_column: list[list[_Cell]] = [[] for _ in columns]
    for row in rows:
        for cell in row:
            by_column[_column(cell, columns)].append(cell)
    wide = sum(sum(len(cell.text) for cell in cells) > _PROSE_CHARS * len(cells) for cells in by_column)
    sparse = sum(map(len, rows)) < 0.5 * len(rows) * len(columns)
    return wide > 1 or sparse or not all(map(_line_up, by_column))


def _line_up(cells: Sequence[_Cell]) -> bool:
    """Whether at least half of the cells, and two, share their left or right edge or their middle."""
    if len(cells) < 2:
        return True
    edges = [[2 * cell.start for cell in cells], [2 * cell.end for cell in cells], [c.start + c.end for c in cells]]
    shared = max(sum(abs(other - edge) <= 2 for other in kind) for kind in edges for edge in kind)
    return shared >= max(2, len(cells) / 2)
