"""Documents of every kind, made here, read back as passages."""

import json
from pathlib import Path

import docx
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conversations import Passage
from app.domain.errors import UnreadableDocument
from app.integrations.chunking import CHINESE_CHUNK_CHARS, CHUNK_CHARS, cut_text
from app.integrations.documents import read_document, read_folder

SENTENCE = "A replacement card costs nothing in the country and fifteen pounds by courier abroad. "


def write(root: Path, name: str, content: str | bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(root: Path, name: str, content: str | bytes) -> list[Passage]:
    return read_document(write(root, name, content), root)


def write_pdf(path: Path, lines: list[str], password: str = "") -> Path:
    """A one-page PDF with a line of text for each of `lines`."""
    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(400, 400)
    text = "".join(f"BT /F1 12 Tf 20 {380 - 20 * at} Td ({line}) Tj ET\n" for at, line in enumerate(lines))
    stream = pypdf.generic.DecodedStreamObject()
    stream.set_data(text.encode("latin-1"))
    name = pypdf.generic.NameObject
    font = pypdf.generic.DictionaryObject(
        {name("/Type"): name("/Font"), name("/Subtype"): name("/Type1"), name("/BaseFont"): name("/Helvetica")}
    )
    fonts = pypdf.generic.DictionaryObject({name("/F1"): font})
    page[name("/Contents")] = writer._add_object(stream)
    page[name("/Resources")] = pypdf.generic.DictionaryObject({name("/Font"): fonts})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(path)
    return path


def test_read_markdown_cuts_at_headings_with_their_path(tmp_path: Path) -> None:
    text = (
        "---\ntitle: x\n---\n# Fees\n\nAll fees\nin one place.\n\n"
        "## Cards\n\n- new card: free\n- abroad: £15\n\n# Help\nCall us.\n"
    )
    passages = read(tmp_path, "bank/fees.md", text)
    assert [(p.source, p.title, p.text) for p in passages] == [
        ("bank/fees.md", "Fees", "All fees in one place."),
        ("bank/fees.md", "Fees > Cards", "- new card: free\n- abroad: £15"),
        ("bank/fees.md", "Help", "Call us."),
    ]


def test_read_markdown_ignores_headings_in_code_and_takes_underlined_ones(tmp_path: Path) -> None:
    (passage,) = read(tmp_path, "a.md", "Fees\n====\n\n```\n# not a heading\n```\n")
    assert (passage.title, passage.text) == ("Fees", "# not a heading")


def test_read_long_prose_stays_within_the_limit_and_loses_nothing(tmp_path: Path) -> None:
    passages = read(tmp_path, "a.md", "# Cards\n\n" + SENTENCE * 40)
    assert len(passages) > 1
    assert all(len(p.text) <= CHUNK_CHARS and p.text.endswith("abroad.") for p in passages)
    assert " ".join(p.text for p in passages) == (SENTENCE * 40).strip()


def test_read_long_chinese_has_smaller_chunks(tmp_path: Path) -> None:
    text = "境内补办借记卡免费，寄往境外需付15英镑快递费。" * 60
    passages = read(tmp_path, "卡.md", f"# 银行卡\n\n{text}")
    assert {p.language for p in passages} == {"zh"}
    assert all(len(p.text) <= CHINESE_CHUNK_CHARS and p.text.endswith("。") for p in passages)
    assert "".join(p.text for p in passages) == text


def test_read_short_table_stays_whole_and_long_one_repeats_its_header(tmp_path: Path) -> None:
    header = "| Service | Fee |\n| --- | --- |"
    short = f"{header}\n| CHAPS | £22 |"
    rows = [f"| Service number {i} with a long name for a long table | £{i} |" for i in range(60)]
    assert read(tmp_path, "a.md", f"# Fees\nSee below.\n{short}\n")[0].text == f"See below.\n\n{short}"
    passages = read(tmp_path, "b.md", "\n".join([header, *rows]))
    assert all(p.text.startswith(header) and len(p.text) <= CHUNK_CHARS for p in passages)
    assert [line for p in passages for line in p.text.split("\n")[2:]] == rows


def test_read_text_is_titled_by_its_file_name(tmp_path: Path) -> None:
    (passage,) = read(tmp_path, "opening-hours.txt", "We open at 9:30\non weekdays.\r\n\r\n# Not a heading")
    assert (passage.title, passage.text) == ("opening hours", "We open at 9:30 on weekdays.\n\n# Not a heading")


def test_read_html_keeps_headings_lists_and_tables_and_drops_navigation(tmp_path: Path) -> None:
    html = (
        "<html><head><title>x</title></head><body><nav>Home</nav><main>"
        "<h1>Fees</h1><p>All <b>fees</b>.</p><h2>Cards</h2><ul><li>new: free</li></ul>"
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2|3</td></tr></table></main></body></html>"
    )
    passages = read(tmp_path, "a.html", html)
    assert [(p.title, p.text) for p in passages] == [
        ("Fees", "All fees."),
        ("Fees > Cards", "- new: free\n\n| a | b |\n| --- | --- |\n| 1 | 2\\|3 |"),
    ]


def test_read_docx_with_headings_and_table(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Fees", 1)
    document.add_paragraph("All fees.")
    document.add_heading("Cards", 2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        [c for row in table.rows for c in row.cells], ["Kind", "Fee", "Travel", "£48"], strict=True
    ):
        cell.text = text
    document.save(str(tmp_path / "a.docx"))
    passages = read_document(tmp_path / "a.docx", tmp_path)
    assert [(p.title, p.text) for p in passages] == [
        ("Fees", "All fees."),
        ("Fees > Cards", "| Kind | Fee |\n| --- | --- |\n| Travel | £48 |"),
    ]


def test_read_pdf(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", ["The overdraft costs 39.9 percent", "a year."])
    assert [p.text for p in read_document(path, tmp_path)] == ["The overdraft costs 39.9 percent a year."]


def test_read_csv_one_passage_a_row(tmp_path: Path) -> None:
    text = '\ufeffQuestion,Answer,title\nHow much?,"£5, once",Fees\n,,\n多少钱？,5 英镑一次。,\n'
    assert read(tmp_path, "qa/fees.csv", text) == [
        Passage("qa/fees.csv#0", "£5, once", "Fees", "How much?", "en"),
        Passage("qa/fees.csv#2", "5 英镑一次。", "", "多少钱？", "zh"),
    ]


def test_read_csv_with_semicolons(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "question;answer;language\nWie viel?;5;de\n")[0].language == "de"


def test_read_jsonl_one_passage_a_line(tmp_path: Path) -> None:
    lines = [{"question": "Q0?", "answer": "A0", "id": 1}, {"question": "Q1?", "answer": "A1", "language": "fr"}]
    passages = read(tmp_path, "a.jsonl", "\n\n".join(json.dumps(line) for line in lines))
    assert [(p.source, p.text, p.language) for p in passages] == [
        ("a.jsonl#0", "A0", "en"),
        ("a.jsonl#1", "A1", "fr"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.md", b"", "is empty"),
        ("a.md", b"# Only a heading\n", "no text"),
        ("a.txt", "café".encode("latin-1"), "not UTF-8 .*0xe9 at position 3"),
        ("a.html", b"<nav>Home</nav>", "no text"),
        ("a.csv", b"question,answer\n", "no questions"),
        ("a.csv", b"question,reply\nq,a\n", "no column answer .found: question, reply"),
        ("a.csv", b"question,answer\nq1,a1\nq2,\n", "no answer in row 1"),
        ("a.csv", b"question,answer\nq,one, two\n", "too many cells in row 0"),
        ("a.csv", b'question,answer\n"q,a\n', "not valid CSV"),
        ("a.jsonl", b'{"question": "q", "answer": "a"}\n{oops', "line 2"),
        ("a.jsonl", b'["q", "a"]', "no JSON object in line 1"),
        ("a.jsonl", b'{"question": "q"}', "no column answer"),
        ("a.pdf", b"%PDF-1.7 cut off", "not a readable PDF"),
        ("a.docx", b"PK\x03\x04 damaged", "not a readable Word"),
        ("a.xyz", b"text", "unknown kind"),
    ],
)
def test_read_unusable_document_says_why(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocument, match=f"^{name} .*{reason}"):
        read(tmp_path, name, content)


def test_read_pdf_with_password_or_without_text_says_why(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="password"):
        read_document(write_pdf(tmp_path / "secret.pdf", ["x"], password="hush"), tmp_path)
    with pytest.raises(UnreadableDocument, match="OCR"):
        read_document(write_pdf(tmp_path / "scan.pdf", []), tmp_path)


def test_read_folder_goes_on_after_a_bad_document(tmp_path: Path) -> None:
    write(tmp_path, "b/good.md", "# Fees\nNone.")
    write(tmp_path, "a/bad.csv", "x,y\n1,2\n")
    write(tmp_path, ".hidden.md", "no")
    write(tmp_path, "~$lock.docx", "no")
    write(tmp_path, "logo.png", b"\x89PNG")
    passages, errors = read_folder(tmp_path)
    assert [p.source for p in passages] == ["b/good.md"]
    assert list(errors) == ["a/bad.csv"]


def test_read_folder_that_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="no knowledge folder"):
        read_folder(tmp_path / "nowhere")


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="ab .,。，\n-", max_size=300), limit=st.integers(6, 60))
def test_cut_text_keeps_every_character_and_the_limit(text: str, limit: int) -> None:
    pieces = list(cut_text(text, limit))
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
