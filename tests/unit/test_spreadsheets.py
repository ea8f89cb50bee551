"""Workbooks, made here, read back as passages."""

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from app.domain.conversations import Passage
from app.domain.errors import UnreadableDocument
from app.integrations.chunking import CHUNK_CHARS
from app.integrations.documents import read_document, read_folder

Rows = Sequence[Sequence[Any]]


def write(path: Path, **sheets: Rows) -> openpyxl.Workbook:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return workbook


def read(root: Path, **sheets: Rows) -> list[Passage]:
    write(root / "a.xlsx", **sheets)
    return read_document(root / "a.xlsx", root)


def test_read_sheet_of_questions_one_passage_a_row(tmp_path: Path) -> None:
    head = ["Question", "Answer", "Alternatives", "title", "product", "Valid from", "valid_until", "language"]
    rows = [
        ["Fee?", "£4", "price | cost", "Fees", "Plus", None, date(2025, 3, 31), None],
        [],
        ["多少钱？", "5 英镑", None, None, None, datetime(2025, 4, 1), "2025-12-31", "zh"],  # noqa: DTZ001 - as sheets have it
    ]
    assert read(tmp_path, Sheet=[head, *rows]) == [
        Passage("a.xlsx#0", "£4", "Fees", "Fee?", "en", 0.0, ("price", "cost"), "Plus", valid_until="2025-03-31"),
        Passage("a.xlsx#2", "5 英镑", "", "多少钱？", "zh", valid_from="2025-04-01", valid_until="2025-12-31"),
    ]


def test_read_questions_below_a_title_and_counts_on_through_the_sheets(tmp_path: Path) -> None:
    sheets = {
        "Cards": [["Our cards"], [], ["question", "answer"], ["Q0", "A0"], ["Q1", "A1"]],
        "Loans": [["answer", "question"], ["A2", "Q2"]],
    }
    found = [(p.source, p.question, p.text) for p in read(tmp_path, **sheets)]
    assert found == [("a.xlsx#0", "Q0", "A0"), ("a.xlsx#1", "Q1", "A1"), ("a.xlsx#2", "Q2", "A2")]


def test_read_other_sheet_as_a_table_that_repeats_its_header(tmp_path: Path) -> None:
    rows = [[f"Service number {i} with a long name for a long table", i] for i in range(60)]
    passages = read(tmp_path, Sheet=[["Prices of 2026", None], ["Service", "Fee"], *rows])
    header = "| Service | Fee |\n| --- | --- |\n"
    assert len(passages) > 2
    assert passages[0].text.startswith(f"Prices of 2026\n\n{header}")
    assert all(p.text.startswith(header) for p in passages[1:])
    assert all(len(p.text) <= CHUNK_CHARS and (p.source, p.title) == ("a.xlsx", "a") for p in passages)
    lines = [line for p in passages for line in p.text.split(header)[1].split("\n")]
    assert lines == [f"| {name} | {fee} |" for name, fee in rows]


def test_read_table_rows_of_different_validity_never_share_a_chunk(tmp_path: Path) -> None:
    rows = [
        ["Product", "Fee", "valid_from", "valid_until"],
        ["CHAPS", "£22", None, date(2025, 3, 31)],
        ["CHAPS", "£25", date(2025, 4, 1), None],
        ["SWIFT", "£18", None, "2025-03-31"],
    ]
    head = "| Product | Fee |\n| --- | --- |\n"
    assert [(p.text, p.valid_from, p.valid_until, p.product) for p in read(tmp_path, Sheet=rows)] == [
        (f"{head}| CHAPS | £22 |\n| SWIFT | £18 |", "", "2025-03-31", ""),
        (f"{head}| CHAPS | £25 |", "2025-04-01", "", ""),
    ]


def test_read_names_tables_by_their_sheet_and_passes_over_hidden_and_empty_ones(tmp_path: Path) -> None:
    table = [["Item", "Fee"], ["Card", "£0"]]
    workbook = write(tmp_path / "a.xlsx", Cards=table, Draft=table, Empty=[], Notes=[["Call us."], ["Or write."]])
    workbook["Draft"].sheet_state = "hidden"
    workbook.save(tmp_path / "a.xlsx")
    passages = read_document(tmp_path / "a.xlsx", tmp_path)
    assert [(p.title, p.text.split("\n")[0]) for p in passages] == [
        ("Cards", "| Item | Fee |"),
        ("Notes", "Call us."),
    ]


def test_read_shows_cells_as_the_sheet_does(tmp_path: Path) -> None:
    cells = [
        (22, "General", "22"),
        (0.1 + 0.2, "General", "0.3"),
        (0.0275, "0.00%", "2.75%"),
        (0.5, "0%", "50%"),
        (1234.5, "[$£-809]#,##0.00", "£1,234.50"),
        (-12, '"£"#,##0;[Red]-"£"#,##0', "-£12"),
        (1234.5, '_-* #,##0.00\\ "€"_-', "1,234.50 €"),
        (2.345, "0.00", "2.35"),
        (1.5, "0.##", "1.5"),
        (3, '0 "days"', "3 days"),
        (True, "General", "yes"),
        (date(2025, 3, 1), "dd/mm/yyyy", "2025-03-01"),
        (datetime(2025, 3, 1, 9, 30), "yyyy-mm-dd hh:mm", "2025-03-01 09:30"),  # noqa: DTZ001 - as sheets have it
        (time(16, 30), "hh:mm", "16:30"),
    ]
    workbook = write(tmp_path / "a.xlsx", Sheet=[["name", "value"], *([f"row {i}"] for i in range(len(cells)))])
    for number, (value, style, _) in enumerate(cells, 2):
        cell = workbook["Sheet"].cell(number, 2, value)
        cell.number_format = style
    workbook.save(tmp_path / "a.xlsx")
    (passage,) = read_document(tmp_path / "a.xlsx", tmp_path)
    shown = [line.split(" | ")[1].removesuffix(" |") for line in passage.text.split("\n")[2:]]
    assert shown == [text for _, _, text in cells]


def test_read_puts_a_merged_cell_into_every_place_it_covers(tmp_path: Path) -> None:
    workbook = write(
        tmp_path / "a.xlsx",
        Sheet=[["Fees", None, None], ["Account", "Kind", "Fee"], ["Plus", "card", 1], [None, "cheque", 2]],
    )
    workbook["Sheet"].merge_cells("A1:C1")
    workbook["Sheet"].merge_cells("A3:A4")
    workbook.save(tmp_path / "a.xlsx")
    (passage,) = read_document(tmp_path / "a.xlsx", tmp_path)
    rows = "| Account | Kind | Fee |\n| --- | --- | --- |\n| Plus | card | 1 |\n| Plus | cheque | 2 |"
    assert passage.text == f"Fees\n\n{rows}"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([["question", "answer"], ["Q?", None]], "no answer in row 0 of the sheet Faq"),
        (
            [["question", "answer", "valid_from"], ["Q?", "A", "soon"]],
            "valid_from 'soon' in row 0 of the sheet Faq",
        ),
        (
            [["Item", "Fee", "valid_until"], ["Card", 4, "31/3/25"]],
            "valid_until '31/3/25' in row 0 of the sheet Faq",
        ),
        ([["question", "answer"]], "no questions and no tables"),
        ([], "no questions and no tables"),
    ],
)
def test_read_unusable_sheet_says_why_and_the_rest_goes_on(tmp_path: Path, rows: Rows, reason: str) -> None:
    (tmp_path / "b.md").write_text("# Fees\n\nNone.")
    with pytest.raises(UnreadableDocument, match=f"^a.xlsx .*{reason}"):
        read(tmp_path, Faq=rows)
    passages, errors = read_folder(tmp_path)
    assert [p.source for p in passages] == ["b.md"]
    assert list(errors) == ["a.xlsx"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04 damaged", "not a readable Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "protected by a password or not"),
    ],
)
def test_read_damaged_or_old_workbook_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(UnreadableDocument, match=f"^a.xlsx is .*{reason}"):
        read_document(tmp_path / "a.xlsx", tmp_path)
