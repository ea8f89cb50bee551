"""Documents of the knowledge folder as passages: prose in chunks, tables of questions one row each."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docx
import pypdf
from docx.table import Table
from lxml.html import HtmlElement

from app.domain.conversations import Passage
from app.domain.errors import UnreadableDocument
from app.integrations.chunking import Block, cut, markdown_blocks, plain_blocks, table_block, unwrap
from app.integrations.extraction import detect_language, parse_html, visible_text

_NO_TEXT = "holds no text"
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_HTML_CONTAINERS = {
    *("html", "body", "main", "article", "section", "div", "header", "form", "figure", "center", "details"),
    *("fieldset", "dl", "span", "a", "blockquote"),
}
_HTML_UNSEEN = {"head", "nav", "footer", "aside", "script", "style", "noscript", "template", "button"}


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


def _prose(read_blocks: Callable[[bytes], Iterable[Block]]) -> Callable[[bytes, str], list[Passage]]:
    """A reader that cuts blocks into chunks; a text without headings is titled by its file name."""

    def read(content: bytes, source: str) -> list[Passage]:
        chunks = list(cut(read_blocks(content)))
        if not chunks:
            raise UnreadableDocument(_NO_TEXT)
        name = Path(source).stem.replace("-", " ").replace("_", " ")
        main_language = detect_language("\n".join(text for _, text in chunks))
        return [
            Passage(source, text, title or name, language=_chunk_language(text, main_language))
            for title, text in chunks
        ]

    return read


def _chunk_language(text: str, main_language: str) -> str:
    """Chinese shows in a single chunk by its script; between other languages the whole document decides."""
    own = detect_language(text)
    return own if "zh" in (own, main_language) else main_language


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"is not UTF-8 (byte 0x{content[error.start]:02x} at position {error.start}); save it as UTF-8"
        ) from error


def _read_markdown(content: bytes) -> Iterable[Block]:
    return markdown_blocks(_decode(content))


def _read_text(content: bytes) -> Iterable[Block]:
    return plain_blocks(_decode(content))


def _read_html(content: bytes) -> Iterator[Block]:
    tree = parse_html(_decode(content))
    if tree is not None:
        yield from _html_blocks(tree)


def _html_blocks(element: HtmlElement) -> Iterator[Block]:
    """Walk down through containers; what stands in them is a heading, a list, a table or a paragraph."""
    if element.text and element.text.strip():
        yield Block(" ".join(element.text.split()))
    for child in element:
        if not isinstance(child.tag, str) or child.tag in _HTML_UNSEEN:
            pass
        elif child.tag in _HEADINGS:
            yield Block(_folded(child), int(child.tag[1]))
        elif child.tag == "table":
            rows = [[_folded(cell) for cell in row.iter("td", "th")] for row in child.iter("tr")]
            if block := table_block([row for row in rows if row]):
                yield block
        elif child.tag in ("ul", "ol"):
            yield Block("\n".join(f"- {text}" for item in child.iter("li") if (text := _folded(item))))
        elif child.tag in _HTML_CONTAINERS and len(child):
            yield from _html_blocks(child)
        elif text := _folded(child):
            yield Block(text)
        if child.tail and child.tail.strip():
            yield Block(" ".join(child.tail.split()))


def _folded(element: HtmlElement) -> str:
    return " ".join(visible_text(element).split())


def _read_pdf(content: bytes) -> list[Block]:
    try:
        document = pypdf.PdfReader(io.BytesIO(content))
        if document.is_encrypted and not document.decrypt(""):
            raise UnreadableDocument("is protected by a password; save it without one")
        pages = [page.extract_text() for page in document.pages]
    except UnreadableDocument:
        raise
    except pypdf.errors.DependencyError as error:
        raise UnreadableDocument("is encrypted; save it without protection") from error
    # Damaged files make pypdf fail in many ways of its own and of the standard library.
    except Exception as error:
        raise UnreadableDocument(f"is not a readable PDF ({error})") from error
    blocks = [Block(unwrap(page.split("\n"))) for page in pages if page.strip()]
    if not blocks:
        raise UnreadableDocument("holds pictures but no text; run text recognition (OCR) on it first")
    return blocks


def _read_docx(content: bytes) -> list[Block]:
    try:
        document = docx.Document(io.BytesIO(content))
        return [block for part in document.iter_inner_content() if (block := _docx_block(part))]
    # A damaged archive fails in zipfile, in lxml or in python-docx.
    except Exception as error:
        raise UnreadableDocument(f"is not a readable Word document ({error})") from error


def _docx_block(part: Any) -> Block | None:
    if isinstance(part, Table):
        return table_block([[cell.text for cell in row.cells] for row in part.rows])
    text = part.text.strip()
    if not text:
        return None
    style = (part.style.name if part.style else "") or ""
    if style == "Title":
        return Block(text, 1)
    if style.startswith("Heading ") and style[8:].isdecimal():
        return Block(text, min(int(style[8:]), 6))
    return Block(f"- {text}" if style.startswith("List") else text)


def _read_csv(content: bytes, source: str) -> list[Passage]:
    text = _decode(content)
    header = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        names = [(name or "").strip().lower() for name in rows.fieldnames or ()]
        rows.fieldnames = names
        _require_columns(names)
        return _answers(rows, source)
    except csv.Error as error:
        raise UnreadableDocument(f"is not valid CSV near line {rows.line_num}: {error}") from error


def _read_jsonl(content: bytes, source: str) -> list[Passage]:
    return _answers(_json_rows(_decode(content)), source)


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
        _require_columns(row)
        yield row


def _require_columns(names: Iterable[str]) -> None:
    names = list(names)
    if missing := [name for name in ("question", "answer") if name not in names]:
        found = ", ".join(filter(None, names)) or "none"
        raise UnreadableDocument(f"has no column {' and no column '.join(missing)} (found: {found})")


def _answers(rows: Iterable[Mapping[Any, Any]], source: str) -> list[Passage]:
    """One passage a row; rows are counted from 0 and named in `source`.

    A column `alternatives` may hold other ways to ask, separated by ' | '.
    """
    passages = []
    for number, row in enumerate(rows):
        if None in row:
            raise UnreadableDocument(f"has too many cells in row {number}; put cells with commas in quotes")
        cells = {name: value.strip() if isinstance(value, str) else "" for name, value in row.items()}
        question, answer = cells["question"], cells["answer"]
        if not question and not answer:
            continue
        if not question or not answer:
            raise UnreadableDocument(f"has no {'answer' if question else 'question'} in row {number}")
        language = cells.get("language") or detect_language(f"{question}\n{answer}")
        alternatives = tuple(a.strip() for a in cells.get("alternatives", "").split(" | ") if a.strip())
        title = cells.get("title", "")
        passages.append(Passage(f"{source}#{number}", answer, title, question, language, alternatives=alternatives))
    if not passages:
        raise UnreadableDocument("holds no questions")
    return passages


_READERS: Mapping[str, Callable[[bytes, str], list[Passage]]] = {
    ".md": _prose(_read_markdown),
    ".txt": _prose(_read_text),
    ".html": _prose(_read_html),
    ".htm": _prose(_read_html),
    ".pdf": _prose(_read_pdf),
    ".docx": _prose(_read_docx),
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
}
