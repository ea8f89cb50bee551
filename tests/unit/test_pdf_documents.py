"""PDF documents, made here, as blocks: what is set larger heads what follows, what is set in columns is a table."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table

from app.integrations.blocks import Block
from app.integrations.chunking import CHUNK_CHARS, cut
from app.integrations.pdf_documents import pdf_blocks

TITLE = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=18, leading=22, spaceAfter=10)
HEADING = ParagraphStyle("heading", fontName="Helvetica", fontSize=14, leading=17, spaceAfter=6)
MINOR = ParagraphStyle("minor", fontName="Helvetica-Bold", fontSize=10, leading=12)
TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=10, leading=12, spaceAfter=12)
LONG = "A replacement card costs nothing in the country and fifteen pounds by courier abroad. " * 3


def pdf(*parts: Any) -> list[Block]:
    stream = io.BytesIO()
    SimpleDocTemplate(stream).build(list(parts))
    return pdf_blocks(stream.getvalue())


def fees(rows: int, *head: str) -> list[list[str]]:
    return [*([list(head)] if head else []), *([f"Service number {i}", f"£{i}", f"{i} days"] for i in range(rows))]


def lines(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *rest])


def test_pdf_headings_are_what_is_larger_or_bold() -> None:
    found = pdf(
        Paragraph("Larkmoor tariff", TITLE),
        Paragraph(LONG, TEXT),
        Paragraph("Cards", HEADING),
        Paragraph("Lost cards", MINOR),
        Paragraph(LONG, TEXT),
        Paragraph("<b>Note: this is bold, but it is a sentence.</b>", TEXT),
        Paragraph("Second paragraph.", TEXT),
    )
    assert found == [
        Block("Larkmoor tariff", 1),
        Block(LONG.strip()),
        Block("Cards", 2),
        Block("Lost cards", 3),
        Block(LONG.strip()),
        Block("Note: this is bold, but it is a sentence."),
        Block("Second paragraph."),
    ]


def test_pdf_heading_of_several_lines_is_one_and_one_on_every_page_is_none() -> None:
    long = "A heading that is so long that it does not fit on one line of the page at all"
    pages = [part for i in range(3) for part in (
        Paragraph("Larkmoor Bank", HEADING), Paragraph(long if i == 1 else f"Part {i}", TITLE),
        Paragraph(LONG, TEXT), PageBreak(),
    )]  # fmt: skip
    assert [block.text for block in pdf(*pages) if block.level] == ["Part 0", long, "Part 2"]


def test_pdf_table_is_told_from_text_around_it() -> None:
    rows = [
        ["Item", "Everyday", "Plus"],
        ["Replacement card", "£0", "£0"],
        ["Receipt", "", "£1"],
        ["Cheque", "£4", "£4"],
    ]
    found = pdf(Paragraph("Cards", HEADING), Paragraph(LONG, TEXT), Table(rows), Paragraph(LONG, TEXT))
    assert found == [Block("Cards", 1), Block(LONG.strip()), Block(lines(rows), table=True), Block(LONG.strip())]


def test_pdf_cell_of_several_lines_is_one() -> None:
    narrow = ParagraphStyle("narrow", parent=TEXT, spaceAfter=0)
    wrapped = Paragraph("Replacement card by courier to an address abroad", narrow)
    rows = [["Item", "Fee"], [wrapped, "£15"], ["Receipt", "£0"], ["Cheque", "£4"]]
    (found,) = pdf(Table(rows, colWidths=[4 * cm, 3 * cm], style=[("VALIGN", (0, 0), (-1, -1), "TOP")]))
    expected = [["Item", "Fee"], [wrapped.text, "£15"], *rows[2:]]
    assert found == Block(lines(expected), table=True)


def test_pdf_table_over_pages_keeps_its_header_in_every_chunk() -> None:
    rows = fees(90, "Service", "Fee", "Ready in")
    for repeated in (0, 1):
        found = pdf(Table(rows, repeatRows=repeated))
        assert len(found) == 3
        chunks = [text for _, text in cut(found)]
        assert all(text.startswith(lines(rows[:1]) + "\n") and len(text) <= CHUNK_CHARS for text in chunks)
        body = [line for text in chunks for line in text.split("\n")[2:]]
        assert body == lines(rows).split("\n")[2:]


def test_pdf_chinese_table_and_heading() -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    large = ParagraphStyle("large", fontName="STSong-Light", fontSize=16, leading=20)
    text = ParagraphStyle("zh", fontName="STSong-Light", fontSize=10, leading=13, wordWrap="CJK", spaceAfter=12)
    rows = [["项目", "费用"], ["补卡", "免费"], ["寄往国外", "另付快递费"]]
    prose = "境内补办借记卡免费，寄往境外需付快递费。" * 5
    found = pdf(
        Paragraph("银行卡", large),
        Paragraph(prose, text),
        Table(rows, style=[("FONT", (0, 0), (-1, -1), "STSong-Light")]),
    )
    assert found == [Block("银行卡", 1), Block(prose), Block(lines(rows), table=True)]


def drawn(*columns: tuple[float, Sequence[str]]) -> list[Block]:
    """Lines in columns that begin at so many points from the left."""
    stream = io.BytesIO()
    canvas = Canvas(stream)
    for x, texts in columns:
        for number, text in enumerate(texts):
            canvas.drawString(x, 700 - 14 * number, text)
    canvas.save()
    return pdf_blocks(stream.getvalue())


@pytest.mark.parametrize(
    "columns",
    [
        ((60, ["1.", "2.", "3."]), (90, ["Order a card", "Wait a week", "Sign it"])),
        ((60, ["•", "•"]), (90, ["Order a card", "Wait a week"])),
        ((60, ["Cards . . . . . . . . . .", "Loans . . . . . . . . . ."]), (400, ["3", "5"])),
        ((50, [LONG[:45]] * 4), (320, [LONG[:45]] * 4)),
        ((60, ["We open at nine", "and close", "at five"]), (230, ["on most days"])),
    ],
)
def test_pdf_lists_contents_and_text_in_columns_are_no_tables(columns: Any) -> None:
    found = drawn(*columns)
    assert found
    assert not any(block.table for block in found)


def test_pdf_text_in_two_columns_is_read_one_after_the_other() -> None:
    left, right = (
        [f"left line {i} of a text that goes on and on" for i in range(4)],
        ["right side of the page, which is long"] * 4,
    )
    text = " ".join(block.text for block in drawn((50, left), (320, right)))
    assert text == " ".join([*left, *right])
