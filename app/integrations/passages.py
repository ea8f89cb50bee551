"""Blocks of prose and rows of questions as passages."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.domain.conversations import Passage
from app.domain.errors import UnreadableDocument
from app.integrations.blocks import Block
from app.integrations.chunking import cut
from app.integrations.extraction import detect_language
from app.integrations.metadata import Metadata, field_name, metadata_of


def prose_passages(
    blocks: Iterable[Block], source: str, metadata: Metadata | None = None, title: str = ""
) -> list[Passage]:
    """Blocks cut into chunks; a text without headings is titled by `title` or by its file's name."""
    chunks = list(cut(blocks))
    title = title or Path(source).stem.replace("-", " ").replace("_", " ")
    known = asdict(metadata or Metadata())
    language = known.pop("language")
    main_language = detect_language("\n".join(text for _, text in chunks))
    return [
        Passage(source, text, path or title, language=language or _chunk_language(text, main_language), **known)
        for path, text in chunks
    ]


def _chunk_language(text: str, main_language: str) -> str:
    """Chinese shows in a single chunk by its script; between other languages the whole document decides."""
    own = detect_language(text)
    return own if "zh" in (own, main_language) else main_language


def require_columns(names: Iterable[str]) -> None:
    """Raises UnreadableDocument unless there are questions and answers among the columns."""
    names = list(names)
    if missing := [name for name in ("question", "answer") if name not in names]:
        found = ", ".join(filter(None, names)) or "none"
        raise UnreadableDocument(f"has no column {' and no column '.join(missing)} (found: {found})")


def answer_passages(
    rows: Iterable[Mapping[Any, Any]], source: str, first: int = 0, sheet: str = ""
) -> list[Passage]:
    """One passage a row; rows are counted from 0, and `first` more are named in `source`.

    A column `alternatives` may hold other ways to ask, separated by ' | '. Raises UnreadableDocument naming the
    row, and the `sheet` if it has a name.
    """
    passages = []
    for number, row in enumerate(rows):
        where = f"row {number}" + (f" of the sheet {sheet}" if sheet else "")
        if None in row:
            raise UnreadableDocument(f"has too many cells in {where}; put cells with commas in quotes")
        fields = {field_name(name): value for name, value in row.items()}
        cells = {name: value.strip() if isinstance(value, str) else "" for name, value in fields.items()}
        question, answer = cells["question"], cells["answer"]
        if not question and not answer:
            continue
        if not question or not answer:
            raise UnreadableDocument(f"has no {'answer' if question else 'question'} in {where}")
        known = asdict(metadata_of(fields, where))
        known["language"] = known["language"] or detect_language(f"{question}\n{answer}")
        alternatives = tuple(a.strip() for a in cells.get("alternatives", "").split(" | ") if a.strip())
        title = cells.get("title", "")
        passages.append(
            Passage(f"{source}#{first + number}", answer, title, question, alternatives=alternatives, **known)
        )
    return passages
