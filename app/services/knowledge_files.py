"""The documents of the knowledge folder: what each holds, and adding, changing and deleting one."""

import hashlib
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from app.domain.audit import AuditEntry
from app.domain.conversations import Passage
from app.domain.errors import Conflict, InvalidInput, NotFound, UnreadableDocument
from app.services.indexing import knowledge_files

KINDS = (".md", ".txt", ".html", ".htm", ".pdf", ".docx", ".csv", ".jsonl", ".xlsx")
EDITABLE = frozenset({".md", ".txt", ".csv", ".jsonl"})
MAX_DOCUMENT_BYTES = 10_000_000
MAX_TEXT_BYTES = 300_000  # of what is edited in the browser
_MAX_NAME = 120
_MAX_SUBJECT = 64  # characters, as the database has them
_SCRATCH = ".bellwether-"  # hidden, so that no reader of the folder takes it for a document

ReadDocument = Callable[[Path, Path], list[Passage]]


@dataclass(frozen=True)
class KnowledgeFile:
    """A document. `entries` are its passages in the index in use; days are in ISO form, empty without an end.

    `limited` entries hold on some days only: `ended` of them no longer, `coming` not yet.
    """

    name: str
    bytes: int
    changed_at: datetime
    entries: int = 0
    languages: tuple[str, ...] = ()
    limited: int = 0
    valid_from: str = ""
    valid_until: str = ""
    ended: int = 0
    coming: int = 0
    problem: str = ""

    @property
    def editable(self) -> bool:
        return Path(self.name).suffix.lower() in EDITABLE and self.bytes <= MAX_TEXT_BYTES


@dataclass(frozen=True)
class OpenedText:
    """A document's text, and what its bytes were when it was opened."""

    name: str
    text: str
    fingerprint: str


class KnowledgeFiles:
    """Changes are made whole and at once, are tried by the reader before, and are recorded."""

    def __init__(
        self,
        folder: Path,
        read_document: ReadDocument,
        clock: Callable[[], datetime],
        note: Callable[[AuditEntry], None],
    ) -> None:
        self._folder, self._read, self._clock, self._note = folder, read_document, clock, note

    @property
    def folder(self) -> Path:
        return self._folder

    def folders(self) -> list[str]:
        """The folders that a document can be put into, "" the topmost."""
        inside = (path.relative_to(self._folder) for path in self._folder.rglob("*") if path.is_dir())
        return ["", *sorted(p.as_posix() for p in inside if not any(part.startswith(".") for part in p.parts))]

    def files(self, passages: Sequence[Passage], problems: Mapping[str, str]) -> list[KnowledgeFile]:
        """Every document of the folder, with what the index in use holds of it; those with problems first."""
        paths = {path.relative_to(self._folder).as_posix(): path for path in knowledge_files(self._folder)}
        paths = {name: path for name, path in paths.items() if path.suffix.lower() in KINDS}
        by_file: dict[str, list[Passage]] = defaultdict(list)
        for passage in passages:
            name = passage.source if passage.source in paths else passage.source.rpartition("#")[0]
            by_file[name].append(passage)
        today = self._clock().astimezone(UTC).date()
        found = []
        for name, path in paths.items():
            with suppress(OSError):  # deleted a moment ago
                found.append(_described(name, path.stat(), by_file[name], problems.get(name, ""), today))
        return sorted(found, key=lambda file: (not file.problem, file.name))

    def upload(self, folder: str, name: str, content: bytes, by: str, replace: bool = False) -> str:
        """Put a document into a folder of `folders`; its name, and how many entries it has, in words.

        Raises InvalidInput for an unusable name, kind, size or document, Conflict when there is one of that name.
        """
        if folder not in self.folders():
            raise InvalidInput(f"There is no folder {folder!r:.80} in the knowledge folder. Reload the page.")
        path = self._folder / folder / _checked_name(name)
        if path.exists() and not replace:
            raise Conflict(f"There is a document {path.name} already. Tick “Replace” to put this one in its place.")
        return self._put(path, content, by, "replace" if path.exists() else "upload")

    def open(self, name: str) -> OpenedText:
        """A document's text, to be edited. Raises NotFound, InvalidInput for one that is no plain text."""
        path = self._found(name)
        if path.suffix.lower() not in EDITABLE or path.stat().st_size > MAX_TEXT_BYTES:
            raise InvalidInput(
                f"{name} cannot be edited here: only text up to {MAX_TEXT_BYTES:,} bytes can. Upload it anew."
            )
        content = path.read_bytes()
        try:
            text = content.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{name} is not UTF-8. Save it as UTF-8 and upload it anew.") from error
        return OpenedText(name, text, _fingerprint(content))

    def save(self, opened: OpenedText, by: str) -> str:
        """Put another text into the place of the one that was opened. Raises as `upload` does."""
        path = self._found(opened.name)
        if _fingerprint(path.read_bytes()) != opened.fingerprint:
            raise Conflict(f"{opened.name} was changed meanwhile. Open it again; your text is not saved.")
        return self._put(path, opened.text.encode("utf-8", "replace"), by, "edit")

    def delete(self, name: str, by: str) -> None:
        """Delete a document. Raises NotFound, InvalidInput when the folder cannot be written."""
        path = self._found(name)
        try:
            path.unlink()
        except OSError as error:
            raise InvalidInput(f"{name} cannot be deleted: {error.strerror or error}.") from error
        self._record(by, "delete", name, {})

    # -- steps -------------------------------------------------------------------------------------

    def _put(self, path: Path, content: bytes, by: str, action: str) -> str:
        if len(content) > MAX_DOCUMENT_BYTES:
            raise InvalidInput(
                f"A document has at most {MAX_DOCUMENT_BYTES:,} bytes; this one has {len(content):,}."
            )
        name = path.relative_to(self._folder).as_posix()
        try:
            scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=path.parent))
        except OSError as error:
            raise InvalidInput(
                f"The knowledge folder cannot be written: {error.strerror or error}. Set BELLWETHER_KNOWLEDGE_DIR "
                "to a folder that can."
            ) from error
        try:
            (scratch / path.name).write_bytes(content)
            entries = len(self._read(scratch / path.name, scratch))
            os.replace(scratch / path.name, path)
        except UnreadableDocument as error:
            raise InvalidInput(f"Not saved: {error}") from error
        except OSError as error:
            raise InvalidInput(f"{name} cannot be written: {error.strerror or error}.") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._record(by, action, name, {"bytes": len(content), "entries": entries})
        return f"{name} is saved with {entries:,} {'entry' if entries == 1 else 'entries'}."

    def _found(self, name: str) -> Path:
        """The path of a document that is there, by its name in `files`. Nothing outside the folder is."""
        for path in knowledge_files(self._folder):
            if path.relative_to(self._folder).as_posix() == name and path.suffix.lower() in KINDS:
                return path
        raise NotFound(f"There is no document {name!r:.120}; it may have been deleted.")

    def _record(self, by: str, action: str, name: str, details: Mapping[str, int]) -> None:
        told = {"name": name, **details}
        self._note(AuditEntry(self._clock(), by, action, "document", name[-_MAX_SUBJECT:], details=told))


def _checked_name(name: str) -> str:
    """Raises InvalidInput for a name that is no plain one, or of a kind that is not read."""
    name = name.strip()
    plain = name.isprintable() and not set(name) & set('/\\#:*?"<>|') and not name.startswith((".", "~$"))
    if not name or not plain or len(name.encode("utf-8", "replace")) > _MAX_NAME:
        raise InvalidInput(
            f"{name!r:.80} is no usable name for a document. Give it a short one of letters and digits."
        )
    if Path(name).suffix.lower() not in KINDS:
        raise InvalidInput(f"{name} is of no kind that can be read; documents are {', '.join(KINDS)}.")
    return name


def _described(
    name: str, status: os.stat_result, passages: Sequence[Passage], problem: str, today: date
) -> KnowledgeFile:
    limited = [p for p in passages if p.valid_from or p.valid_until]
    ends = [p.valid_until for p in limited]
    day = today.isoformat()
    return KnowledgeFile(
        name,
        status.st_size,
        datetime.fromtimestamp(status.st_mtime, UTC),
        len(passages),
        tuple(sorted({p.language for p in passages})),
        len(limited),
        min((p.valid_from for p in limited), default=""),
        max(ends) if ends and all(ends) else "",
        sum(bool(p.valid_until) and p.valid_until < day for p in limited),
        sum(p.valid_from > day for p in limited),
        problem,
    )


def _fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
