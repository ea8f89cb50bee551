"""Word documents, made here, as blocks."""

import io
from typing import Any

import docx
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn

from app.integrations.blocks import Block
from app.integrations.word_documents import word_blocks


def blocks(document: Any) -> list[Block]:
    stream = io.BytesIO()
    document.save(stream)
    return word_blocks(stream.getvalue())


def fill(table: Any, *rows: str) -> None:
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts.split("|"), strict=True):
            cell.text = text


def test_word_headings_by_style_by_a_style_based_on_one_and_by_outline_level() -> None:
    document = docx.Document()
    document.add_heading("Fees", 0)
    document.add_heading("Cards", 2)
    own = document.styles.add_style("Clause", WD_STYLE_TYPE.PARAGRAPH)
    own.base_style = document.styles["Heading 3"]
    document.add_paragraph("Abroad", style="Clause")
    outlined = document.add_paragraph("By courier")
    level = OxmlElement("w:outlineLvl")
    level.set(qn("w:val"), "3")
    outlined._p.get_or_add_pPr().append(level)
    document.add_paragraph("£15")
    document.add_paragraph("free", style="List Bullet")
    assert blocks(document) == [
        Block("Fees", 1), Block("Cards", 2), Block("Abroad", 3), Block("By courier", 4), Block("£15"),
        Block("- free"),
    ]  # fmt: skip


def test_word_table_with_caption_two_header_rows_and_merged_cells() -> None:
    document = docx.Document()
    table = document.add_table(rows=4, cols=3)
    fill(table, "Fees||", "Item|Fee|", "|Everyday|Plus", "Card|£0|£1")
    table.cell(0, 0).merge(table.cell(0, 2))
    table.cell(1, 1).merge(table.cell(1, 2))
    table.cell(1, 0).merge(table.cell(2, 0))
    for row in table.rows[:3]:
        row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    head = "| Item | Fee Everyday | Fee Plus |\n| --- | --- | --- |"
    assert blocks(document) == [Block("Fees"), Block(f"{head}\n| Card | £0 | £1 |", table=True)]


def test_word_text_in_content_controls_and_nested_tables_is_kept() -> None:
    document = docx.Document()
    document.add_paragraph("Before.")
    document.element.body.insert(
        1,
        parse_xml(
            f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>Inside.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        ),
    )
    table = document.add_table(rows=2, cols=2)
    fill(table, "Item|Fee", "Card|see")
    fill(table.cell(1, 1).add_table(1, 2), "abroad|£15")
    assert blocks(document)[:2] == [Block("Before."), Block("Inside.")]
    assert blocks(document)[2].text.endswith("| Card | see abroad, £15 |")


def test_word_table_of_contents_is_left_out() -> None:
    document = docx.Document()
    document.styles.add_style("TOC 1", WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("Cards\t3", style="TOC 1")
    document.add_paragraph("Text.")
    assert blocks(document) == [Block("Text.")]
