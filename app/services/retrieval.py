"""Find the passages that answer a question, and keep the index in step with the knowledge folder."""

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from app.domain.conversations import Message, Passage, Role
from app.domain.errors import AppError, IndexMissing, KnowledgeError
from app.ml.embedder import Embedder
from app.storage.knowledge_index import Entry, Hit, KnowledgeIndex

log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]
ReadFolder = Callable[[Path], tuple[list[Passage], dict[str, str]]]
FORMAT = 2  # of the index; a change makes old indexes rebuild
# Weight of BM25 (scaled to [0, 1] by the best candidate) beside the cosine; chosen by pipelines.compare_embedders.
BM25_WEIGHT = 0.02


# Of 302 held-out follow-ups the right entry was on top for 27 % alone, 87 % behind the previous question, 88 % so.
ALONE_PENALTY = 0.03
# What is found behind the previous question must be near the question alone, too, or it is what was asked before.
# Of 145 held-out follow-ups 119 keep the right entry on top (122 without this), and of 120 questions out of scope
# behind another question 32 are answered (36 without).
FOLLOW_UP_FLOOR = 0.38


class Retrieval:
    """Searches the current index. `reload` swaps a new one in while others search."""

    def __init__(
        self,
        index: KnowledgeIndex,
        embedder: Embedder,
        bm25_weight: float = BM25_WEIGHT,
        follow_up_floor: float = FOLLOW_UP_FLOOR,
    ) -> None:
        self.embedder, self.bm25_weight, self.follow_up_floor = embedder, bm25_weight, follow_up_floor
        self.reload(index)

    @property
    def index(self) -> KnowledgeIndex:
        return self._index

    def reload(self, index: KnowledgeIndex) -> None:
        """Search in `index` from now on. Raises KnowledgeError when its vectors are another embedder's."""
        built_with = index.meta.get("embedder", self.embedder.name)
        if built_with != self.embedder.name:
            raise KnowledgeError(
                f"The knowledge index was built with the embedder {built_with}, but {self.embedder.name} is "
                "in use. Build it again, or set BELLWETHER_EMBEDDER to the other."
            )
        self._index = index

    def retrieve(self, question: str, history: Sequence[Message] = (), top_k: int = 4) -> list[Hit]:
        """The best passages for a question, best first.

        With a history the question is looked up twice, alone and behind the customer's previous question,
        and each passage keeps the better of both, with a little against the question alone: a follow-up such as
        "and abroad?" needs the other, and a change of subject wins all the same.
        """
        queries = [question]
        previous = next((m.content for m in reversed(history) if m.role == Role.CUSTOMER), "")
        if previous:
            queries.append(f"{previous} {question}")
        vectors = self.embedder.embed_questions(queries)
        index = self._index  # one index for both queries, even if another is swapped in between
        best: dict[str, Hit] = {}
        for query, vector in zip(queries, vectors, strict=True):
            for hit in self._ranked(index, query, vector, top_k):
                if query is not queries[-1]:
                    hit = hit.lowered(ALONE_PENALTY)
                elif previous and index.nearness(vectors[0], hit.passage) < self.follow_up_floor:
                    continue
                known = best.get(hit.passage.source + hit.passage.text)
                if known is None or hit.passage.score > known.passage.score:
                    best[hit.passage.source + hit.passage.text] = hit
        return sorted(best.values(), key=lambda hit: -self._rank_score(hit))[:top_k]

    def _ranked(self, index: KnowledgeIndex, query: str, vector: np.ndarray, top_k: int) -> list[Hit]:
        return sorted(index.search(vector, query, 30), key=lambda hit: -self._rank_score(hit))[:top_k]

    def _rank_score(self, hit: Hit) -> float:
        return hit.cosine + self.bm25_weight * hit.bm25 / (hit.bm25 + 5.0)


def entries_of(passages: Sequence[Passage]) -> list[Entry]:
    """The texts under which each passage is looked up: its question, its alternatives, and its own text."""
    entries = []
    for i, passage in enumerate(passages):
        head = passage.question or passage.title
        texts = [passage.question, *passage.alternatives, f"{head} {passage.text}".strip()]
        entries += [Entry(i, text) for text in texts if text]
    return entries


def folder_fingerprint(folder: Path, embedder_name: str) -> str:
    """Changes when a file of the knowledge folder, the embedder or the index format does."""
    digest = hashlib.sha256(f"{FORMAT}:{embedder_name}".encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode())
        try:
            digest.update(path.read_bytes())
        except OSError as error:  # reading the folder reports it
            digest.update(str(error.errno).encode())
    return digest.hexdigest()


def build_index(
    knowledge: Path, folder: Path, embedder: Embedder, read_folder: ReadFolder, progress: Progress
) -> tuple[KnowledgeIndex, dict[str, str]]:
    """Read, embed and save the knowledge base; returns the index and the files that could not be read.

    Vectors of entries that did not change are taken from the index that is there. Raises KnowledgeError when
    the folder is missing or nothing in it is readable.
    """
    if not knowledge.is_dir():
        raise KnowledgeError(f"There is no knowledge folder {knowledge}. Set BELLWETHER_KNOWLEDGE_DIR.")
    fingerprint = folder_fingerprint(knowledge, embedder.name)
    passages, errors = read_folder(knowledge)
    if not passages:
        reasons = "; ".join(f"{name}: {why}" for name, why in errors.items()) or "it holds no readable document"
        raise KnowledgeError(f"Nothing in {knowledge} can be used: {reasons}.")
    entries = entries_of(passages)
    vectors = _embed(entries, embedder, _known_vectors(folder, embedder.name), progress)
    meta = {"fingerprint": fingerprint, "embedder": embedder.name, "errors": errors}
    index = KnowledgeIndex(passages, entries, vectors, meta)
    index.save(folder)
    for name, why in errors.items():
        log.warning("Knowledge file skipped: %s: %s", name, why)
    return index, errors


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


class KnowledgeKeeper:
    """Rebuilds the index when the knowledge folder changes, and swaps it into the live retrieval."""

    def __init__(
        self, retrieval: Retrieval, knowledge: Path, folder: Path, read_folder: ReadFolder, seconds: float = 20.0
    ) -> None:
        self._retrieval, self._knowledge, self._folder, self._read = retrieval, knowledge, folder, read_folder
        self._seconds, self._stopped, self._lock = seconds, threading.Event(), threading.Lock()
        self._stamp = _stamp(knowledge)
        self._thread = threading.Thread(target=self._watch, name="knowledge", daemon=True)

    def start(self) -> None:
        """Begin to look at the folder every `seconds`."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch, and wait a little for a rebuild that is under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def refresh(self) -> bool:
        """Rebuild if the content has changed; whether it had. Only what is new is embedded."""
        with self._lock:
            embedder = self._retrieval.embedder
            now = folder_fingerprint(self._knowledge, embedder.name)
            if now == self._retrieval.index.meta.get("fingerprint"):
                return False
            index, _ = build_index(self._knowledge, self._folder, embedder, self._read, lambda _what, _done: None)
            self._retrieval.reload(index)
            log.info("Knowledge index rebuilt: %d passages.", len(index))
            return True

    def _watch(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                stamp = _stamp(self._knowledge)
                if stamp != self._stamp:
                    self.refresh()
                    self._stamp = stamp
            except (AppError, OSError) as error:
                log.warning("The knowledge index stays as it is: %s", error)


def _stamp(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the files: a cheap sign that something may have changed."""
    found = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        status = path.stat()
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return found
