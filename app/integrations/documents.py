"""Documents of the knowledge folder as passages: prose in chunks, tables of questions one row each."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from app.domain.conversations import Passage
from app.domain.errors import UnreadableDocument
from app.integrations.blocks import Block
from app.integrations.chunking import markdown_blocks, plain_blocks
from app.integrations.metadata import field_name, metadata_of, split_front_matter
from app.integrations.passages import answer_passages, prose_passages, require_columns
from app.integrations.web_documents import html_blocks


def read_folder(root: Path) -> tuple[list[Passage], dict[str, str]]:
    """The passages of every document under `root`, and what is wrong with each that cannot be read.

    Hidden files and kinds that are not documents are passed over. Raises UnreadableDocument when there is
    no such folder.
    """
    if not root.is_dir():
        raise UnreadableDocument(f"There is no knowledge folder {root}. Create it or set BELLWETHER_KNOWLEDGE_DIR.")
    passages: list[Passage] = []
    errors: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        hidden = any(part.startswith((".", "~$")) for part in name.parts)
        if hidden or path.suffix.lower() not in _READERS or not path.is_file():
            continue
        try:
            passages += read_document(path, root)
        except UnreadableDocument as error:
            errors[name.as_posix()] = str(error)
    return passages, errors


def read_document(path: Path, root: Path) -> list[Passage]:
    """The passages of one document. Raises UnreadableDocument with the reason."""
    source = path.relative_to(root).as_posix()
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UnreadableDocument(f"{source} is of an unknown kind; documents are {', '.join(sorted(_READERS))}.")
    try:
        content = path.read_bytes()
        if not content.strip():
            raise UnreadableDocument("is empty")
        return reader(content, source)
    except OSError as error:
        raise UnreadableDocument(f"{source} cannot be opened: {error.strerror or error}.") from error
    except UnreadableDocument as error:
        raise UnreadableDocument(f"{source} {error}.") from error


def _text(read_blocks: Callable[[str], Iterable[Block]]) -> Callable[[bytes, str], list[Passage]]:
    """A reader of plain text, which may have front matter."""

    def read(content: bytes, source: str) -> list[Passage]:
        fields, text = split_front_matter(_decode(content))
        title = fields.get("title")
        passages = prose_passages(
            read_blocks(text), source, metadata_of(fields), title if isinstance(title, str) else ""
        )
        return _some(passages)

    return read


def _prose(read_blocks: Callable[[bytes], Iterable[Block]]) -> Callable[[bytes, str], list[Passage]]:
    """A reader of documents that have headings, paragraphs and tables of their own."""
    return lambda content, source: _some(prose_passages(read_blocks(content), source))


def _some(passages: list[Passage]) -> list[Passage]:
    if not passages:
        raise UnreadableDocument("holds no text")
    return passages


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"is not UTF-8 (byte 0x{content[error.start]:02x} at position {error.start}); save it as UTF-8"
        ) from error


def _read_csv(content: bytes, source: str) -> list[Passage]:
    text = _decode(content)
    header = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        names = [field_name(name or "") for name in rows.fieldnames or ()]
        rows.fieldnames = names
        require_columns(names)
        return _some_questions(answer_passages(rows, source))
    except csv.Error as error:
        raise UnreadableDocument(f"is not valid CSV near line {rows.line_num}: {error}") from error


def _read_jsonl(content: bytes, source: str) -> list[Passage]:
    return _some_questions(answer_passages(_json_rows(_decode(content)), source))


def _json_rows(text: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableDocument(f"has no valid JSON in line {number}: {error}") from error
        if not isinstance(row, dict):
            raise UnreadableDocument(f"has no JSON object in line {number}")
        require_columns(map(field_name, row))
        yield row


def _some_questions(passages: list[Passage]) -> list[Passage]:
    if not passages:
        raise UnreadableDocument("holds no questions")
    return passages


def _read_pdf(content: bytes, source: str) -> list[Passage]:
    from app.integrations.pdf_documents import pdf_blocks  # long to load, and few have such documents

    return _prose(pdf_blocks)(content, source)


def _read_docx(content: bytes, source: str) -> list[Passage]:
    from app.integrations.word_documents import word_blocks  # likewise

    return _prose(word_blocks)(content, source)


def _read_xlsx(content: bytes, source: str) -> list[Passage]:
    from app.integrations.spreadsheets import read_workbook  # likewise

    return read_workbook(content, source)


_READERS: Mapping[str, Callable[[bytes, str], list[Passage]]] = {
    ".md": _text(markdown_blocks),
    ".txt": _text(plain_blocks),
    ".html": _prose(lambda content: html_blocks(_decode(content))),
    ".htm": _prose(lambda content: html_blocks(_decode(content))),
    ".pdf": _read_pdf,
    ".docx": _read_docx,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".xlsx": _read_xlsx,
}
