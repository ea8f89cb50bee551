"""What every document becomes before it is cut: headings, paragraphs, lists and tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest


@dataclass(frozen=True)
class Block:
    """A heading (`level` 1 to 6), a paragraph or list (`level` 0), or a table of `|` rows with its rule."""

    text: str
    level: int = 0
    table: bool = False


def table_blocks(rows: Sequence[Sequence[str]], head: int = 1) -> Iterator[Block]:
    """A table from its cells; a first row that says one thing across all columns is a caption over it.

    The first `head` rows are the header; several are joined column by column. Cells that span columns or rows are
    expected in each place that they cover.
    """
    filled = [[" ".join(cell.split()) for cell in row] for row in rows]
    filled = [row for row in filled if any(row)]
    while len(filled) > 1 and len(filled[0]) > 1 and len(set(filled[0])) == 1:
        yield Block(filled.pop(0)[0])
        head -= 1
    if not filled:
        return
    head = max(1, min(head, len(filled)))
    columns = zip_longest(*filled[:head], fillvalue="")
    names = [" ".join(dict.fromkeys(filter(None, column))) for column in columns]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [names, *filled[head:]]]
    yield Block("\n".join([lines[0], "|" + " --- |" * len(names), *lines[1:]]), table=True)
