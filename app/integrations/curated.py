"""The table of the knowledge folder into which agents put answers: one question and its answer a row."""

import csv
import fcntl
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.domain.errors import KnowledgeError
from app.integrations.metadata import field_name

NAME = "curated.csv"
_COLUMNS = ["question", "answer"]


class CuratedAnswers:
    """`curated.csv` of a knowledge folder. Readers see the old file or the new one, never a part of it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / NAME

    def put(self, question: str, answer: str) -> str:
        """Add an answer, or replace that of the same question; all else stays. Returns the file's name.

        Raises KnowledgeError when the file cannot be read or written.
        """
        try:
            with self._locked():
                columns, delimiter, rows = self._read()
                names = {field_name(column): column for column in columns}
                row = next((r for r in rows if _same(r[names["question"]], question)), None)
                if row is None:
                    row = dict.fromkeys(columns, "")
                    rows.append(row)
                row[names["question"]], row[names["answer"]] = question, answer
                self._write(columns, delimiter, rows)
        except OSError as error:
            raise KnowledgeError(
                f"{self._path} cannot be written ({error.strerror}). Let the application write to the knowledge "
                "folder, or add the answer there by hand."
            ) from error
        return NAME

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, of all processes. The lock is a hidden file: such are no documents."""
        with (self._folder / f".{NAME}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> tuple[list[str], str, list[dict[str, str]]]:
        if not self._path.exists():
            return _COLUMNS, ",", []
        try:
            text = self._path.read_text(encoding="utf-8-sig")
            delimiter = max(",;\t", key=text.partition("\n")[0].count)
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
        except (UnicodeError, csv.Error) as error:
            raise KnowledgeError(f"{self._path} is damaged ({error}). Mend it first.") from error
        columns = rows[0] if rows else _COLUMNS
        if not set(_COLUMNS) <= set(map(field_name, columns)) or any(len(row) > len(columns) for row in rows):
            raise KnowledgeError(f"{self._path} needs the columns question and answer in each row. Mend it first.")
        filled = ([*row, *[""] * (len(columns) - len(row))] for row in rows[1:] if any(row))
        return columns, delimiter, [dict(zip(columns, row, strict=True)) for row in filled]

    def _write(self, columns: list[str], delimiter: str, rows: list[dict[str, str]]) -> None:
        draft = self._path.with_name(f".{NAME}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with draft.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, columns, delimiter=delimiter, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, self._path)
        finally:
            draft.unlink(missing_ok=True)


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
