"""Blocks cut into chunks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.integrations.blocks import Block, table_blocks
from app.integrations.chunking import CHUNK_CHARS, cut, markdown_blocks

SENTENCE = "A replacement card costs nothing in the country and fifteen pounds by courier abroad. "


def chunks(markdown: str) -> list[str]:
    return [text for _, text in cut(markdown_blocks(markdown))]


def test_cut_names_row_and_column_in_every_piece_of_a_row_that_is_too_long() -> None:
    long, row = (SENTENCE * 25).strip(), "| Courier | £15 |  |"
    found = chunks(f"| Item | Fee | Notes |\n|---|---|---|\n{row}\n| Card | £0 | {long} |\n{row}")
    head = "| Item | Fee | Notes |\n|---|---|---|"
    assert found[0] == f"{head}\n{row}\n\nItem: Card\nFee: £0"
    assert len(found) > 3
    assert all(text.startswith("Item: Card\nNotes: A replacement") for text in found[1:])
    assert all(len(text) <= CHUNK_CHARS for text in found)
    assert found[-1].endswith(f"\n\n{head}\n{row}")
    assert " ".join(text.split("Notes: ")[1].split("\n\n")[0] for text in found[1:]) == long


def test_cut_table_whose_header_is_too_long_loses_nothing() -> None:
    head = [f"a column with the number {i}" for i in range(40)]
    (block,) = table_blocks([head, [str(i) for i in range(40)]])
    text = "\n".join(text for _, text in cut([block]))
    assert all(f"{name}: {i}\n" in f"{text}\n" for i, name in enumerate(head))


def test_markdown_headings_may_be_indented_and_end_a_table() -> None:
    found = list(markdown_blocks("| a | b |\n| - | - |\n| 1 | 2 |\n  ## Cards ##\nFree."))
    assert found == [Block("| a | b |\n| - | - |\n| 1 | 2 |", table=True), Block("Cards", 2), Block("Free.")]


def test_table_without_text_is_none_and_an_only_row_is_its_header() -> None:
    assert list(table_blocks([["", " "], []])) == []
    assert list(table_blocks([["same", "same"]])) == [Block("| same | same |\n| --- | --- |", table=True)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.text(alphabet="ab |\\.。中", max_size=400), min_size=2, max_size=3), min_size=2, max_size=6
    )
)
def test_cut_table_keeps_every_letter_of_its_body(rows: list[list[str]]) -> None:
    body = [[cell.replace("\\", "") for cell in row] for row in rows]
    blocks = list(table_blocks([["x", "y", "z"], *body]))
    text = "".join(text for _, text in cut(blocks))
    for letter in "ab中":
        assert text.count(letter) >= sum(cell.count(letter) for row in body for cell in row)
