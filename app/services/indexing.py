"""Make the index of the knowledge folder: only what has changed is embedded, the rest is taken over."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from app.domain.conversations import Passage
from app.domain.errors import IndexMissing, KnowledgeError
from app.ml.embedder import Embedder
from app.storage.knowledge_index import FORMAT, Entry, KnowledgeIndex

log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]
ReadFolder = Callable[[Path], tuple[list[Passage], dict[str, str]]]


def entries_of(passages: Sequence[Passage]) -> list[Entry]:
    """The texts under which each passage is looked up: its question, its alternatives, and its own text."""
    entries = []
    for i, passage in enumerate(passages):
        head = passage.question or passage.title
        texts = [passage.question, *passage.alternatives, f"{head} {passage.text}".strip()]
        entries += [Entry(i, text) for text in texts if text]
    return entries


def knowledge_files(folder: Path) -> Iterator[Path]:
    """The files of a knowledge folder in order, without hidden ones and the locks of office programs."""
    for path in sorted(folder.rglob("*")):
        if not any(part.startswith((".", "~$")) for part in path.relative_to(folder).parts) and path.is_file():
            yield path


def folder_fingerprint(folder: Path, embedder_name: str) -> str:
    """Changes when a file of the knowledge folder, the embedder or the index format does."""
    digest = hashlib.sha256(f"{FORMAT}:{embedder_name}".encode())
    for path in knowledge_files(folder):
        digest.update(str(path.relative_to(folder)).encode())
        try:
            digest.update(path.read_bytes())
        except OSError as error:  # reading the folder reports it
            digest.update(str(error.errno).encode())
    return digest.hexdigest()


def build_index(
    knowledge: Path,
    folder: Path,
    embedder: Embedder,
    read_folder: ReadFolder,
    progress: Progress,
    fresh: bool = False,
) -> tuple[KnowledgeIndex, dict[str, str]]:
    """Read, embed and save the knowledge base; returns the index and the files that could not be read.

    Vectors of entries that did not change are taken from the index that is there, unless it is to be `fresh` or
    the embedder is another. The index that is there serves until the new one stands beside it and takes its
    place at once. Raises KnowledgeError when the folder is missing or nothing in it is readable.
    """
    if not knowledge.is_dir():
        raise KnowledgeError(f"There is no knowledge folder {knowledge}. Set BELLWETHER_KNOWLEDGE_DIR.")
    fingerprint = folder_fingerprint(knowledge, embedder.name)
    passages, errors = read_folder(knowledge)
    if not passages:
        reasons = "; ".join(f"{name}: {why}" for name, why in errors.items()) or "it holds no readable document"
        raise KnowledgeError(f"Nothing in {knowledge} can be used: {reasons}.")
    entries = entries_of(passages)
    known = {} if fresh else _known_vectors(folder, embedder.name)
    vectors = _embed(entries, embedder, known, progress)
    meta = {"fingerprint": fingerprint, "embedder": embedder.name, "errors": errors}
    index = KnowledgeIndex(passages, entries, vectors, meta)
    index.save(folder)
    for name, why in errors.items():
        log.warning("Knowledge file skipped: %s: %s", name, why)
    return index, errors


def open_index(
    knowledge: Path, folder: Path, embedder: Embedder, read_folder: ReadFolder, progress: Progress
) -> KnowledgeIndex:
    """The saved index when it is up to date, else a new one."""
    try:
        index = KnowledgeIndex.load(folder)
        if index.meta.get("fingerprint") == folder_fingerprint(knowledge, embedder.name):
            return index
    except IndexMissing:
        pass
    return build_index(knowledge, folder, embedder, read_folder, progress)[0]


def _known_vectors(folder: Path, embedder_name: str) -> dict[str, np.ndarray]:
    try:
        old = KnowledgeIndex.load(folder)
    except IndexMissing:
        return {}
    if old.meta.get("embedder") != embedder_name or not old.entries:
        return {}
    return dict(zip((e.text for e in old.entries), old.vectors(), strict=True))


def _embed(
    entries: Sequence[Entry], embedder: Embedder, known: dict[str, np.ndarray], progress: Progress
) -> np.ndarray:
    missing = sorted({e.text for e in entries} - known.keys(), key=len)
    for start in range(0, len(missing), 64):
        progress("Embedding the knowledge base", start / len(missing))
        part = missing[start : start + 64]
        known |= dict(zip(part, embedder.embed_passages(part), strict=True))
    progress("Embedding the knowledge base", 1.0)
    return np.stack([known[e.text] for e in entries])
