"""Find the passages that answer a question, and keep the index in step with the knowledge folder."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.domain.conversations import Filters, Message, Role
from app.domain.errors import AppError, KnowledgeError
from app.ml.embedder import Embedder
from app.services.indexing import Progress, ReadFolder, build_index, folder_fingerprint, knowledge_files
from app.storage.knowledge_index import Hit, KnowledgeIndex

log = logging.getLogger(__name__)
Clock = Callable[[], datetime]
# Weight of BM25 (scaled to [0, 1] by the best candidate) beside the cosine; chosen by pipelines.compare_embedders.
BM25_WEIGHT = 0.02
# Of 302 held-out follow-ups the right entry was on top for 27 % alone, 87 % behind the previous question, 88 % so.
ALONE_PENALTY = 0.03
# What is found behind the previous question must be near the question alone, too, or it is what was asked before.
# Of 145 held-out follow-ups 119 keep the right entry on top (122 without this), and of 120 questions out of scope
# behind another question 32 are answered (36 without).
FOLLOW_UP_FLOOR = 0.38
CANDIDATES = 30  # of either query


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Retrieval:
    """Searches the current index. `reload` swaps a new one in while others search.

    Nothing is found that does not hold on the day, in UTC, that `clock` gives when the question is asked.
    """

    def __init__(
        self,
        index: KnowledgeIndex,
        embedder: Embedder,
        bm25_weight: float = BM25_WEIGHT,
        follow_up_floor: float = FOLLOW_UP_FLOOR,
        clock: Clock = _utc_now,
    ) -> None:
        self.bm25_weight, self.follow_up_floor, self._clock = bm25_weight, follow_up_floor, clock
        self._live = index, embedder
        self.reload(index)

    @property
    def index(self) -> KnowledgeIndex:
        return self._live[0]

    @property
    def embedder(self) -> Embedder:
        return self._live[1]

    def reload(self, index: KnowledgeIndex, embedder: Embedder | None = None) -> None:
        """Search in `index` from now on, with another `embedder` if there is one; questions see both or neither.

        Raises KnowledgeError when its vectors are another embedder's.
        """
        embedder = embedder or self.embedder
        built_with = index.meta.get("embedder", embedder.name)
        if built_with != embedder.name:
            raise KnowledgeError(
                f"The knowledge index was built with the embedder {built_with}, but {embedder.name} is "
                "in use. Build it again, or set BELLWETHER_EMBEDDER to the other."
            )
        self._live = index, embedder

    def retrieve(
        self, question: str, history: Sequence[Message] = (), top_k: int = 4, filters: Filters | None = None
    ) -> list[Hit]:
        """The best passages for a question that hold today and that `filters` admit, best first.

        With a history the question is looked up twice, alone and behind the customer's previous question,
        and each passage keeps the better of both, with a little against the question alone: a follow-up such as
        "and abroad?" needs the other, and a change of subject wins all the same.
        """
        queries = [question]
        previous = next((m.content for m in reversed(history) if m.role == Role.CUSTOMER), "")
        if previous:
            queries.append(f"{previous} {question}")
        index, embedder = self._live  # one pair for both queries, even if another is swapped in between
        vectors = embedder.embed_questions(queries)
        today, wanted = self._clock().astimezone(UTC).date(), filters or Filters()
        admits = lambda passage: passage.is_valid_on(today) and wanted.admit(passage)  # noqa: E731
        best: dict[str, Hit] = {}
        for query, vector in zip(queries, vectors, strict=True):
            for hit in self._ranked(index.search(vector, query, CANDIDATES, admits=admits))[:top_k]:
                if query is not queries[-1]:
                    hit = hit.lowered(ALONE_PENALTY)
                elif previous and index.nearness(vectors[0], hit.passage) < self.follow_up_floor:
                    continue
                known = best.get(hit.passage.source + hit.passage.text)
                if known is None or hit.passage.score > known.passage.score:
                    best[hit.passage.source + hit.passage.text] = hit
        return self._ranked(best.values())[:top_k]

    def _ranked(self, hits: Iterable[Hit]) -> list[Hit]:
        return sorted(hits, key=lambda hit: -self._rank_score(hit))

    def _rank_score(self, hit: Hit) -> float:
        return hit.cosine + self.bm25_weight * hit.bm25 / (hit.bm25 + 5.0)


class KnowledgeKeeper:
    """Keeps the live retrieval in step with the knowledge folder, and with an index that another program built."""

    def __init__(
        self, retrieval: Retrieval, knowledge: Path, folder: Path, read_folder: ReadFolder, seconds: float = 20.0
    ) -> None:
        self._retrieval, self._knowledge, self._folder, self._read = retrieval, knowledge, folder, read_folder
        self._seconds, self._stopped, self._lock = seconds, threading.Event(), threading.Lock()
        self._stamp: object = None  # the first look compares contents: the index may be older than the folder
        self._refused = ""  # the version of an index that cannot be used here
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
        """Search in what the folder holds now; whether anything was new. Only what changed is embedded."""
        with self._lock:
            taken = self._take_over()
            embedder = self._retrieval.embedder
            now = folder_fingerprint(self._knowledge, embedder.name)
            if now == self._retrieval.index.meta.get("fingerprint"):
                return taken
            self._rebuild(embedder, fresh=False)
            return True

    def rebuild(self, embedder: Embedder | None = None, progress: Progress = lambda *_: None) -> None:
        """Embed everything again, with another embedder if one is given; the live index serves until it is done."""
        with self._lock:
            self._rebuild(embedder or self._retrieval.embedder, fresh=True, progress=progress)

    def _rebuild(self, embedder: Embedder, fresh: bool, progress: Progress = lambda *_: None) -> None:
        index, _ = build_index(self._knowledge, self._folder, embedder, self._read, progress, fresh)
        self._retrieval.reload(index, embedder)
        log.info("Knowledge index rebuilt: %d passages.", len(index))

    def _take_over(self) -> bool:
        """Swap in an index that was built beside the live one, as pipelines.build_index does."""
        version = KnowledgeIndex.current_version(self._folder)
        if version in ("", self._refused, self._retrieval.index.version):
            return False
        try:
            index = KnowledgeIndex.load(self._folder)
            self._retrieval.reload(index)
        except KnowledgeError as error:
            self._refused = version
            log.warning("The knowledge index %s is not taken over: %s", version, error)
            return False
        log.info("Knowledge index taken over: %d passages.", len(index))
        return True

    def _watch(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                stamp = self._look()
                if stamp != self._stamp:
                    self.refresh()
                    self._stamp = stamp
            except (AppError, OSError) as error:
                log.warning("The knowledge index stays as it is: %s", error)
            except Exception:  # the watch must outlive whatever a document or a library does
                log.exception("The knowledge index stays as it is")

    def _look(self) -> tuple[str, list[tuple[str, int, int]]]:
        """Version of the index, names, times and sizes of the files: a cheap sign that something has changed."""
        found = []
        for path in knowledge_files(self._knowledge):
            status = path.stat()
            found.append((str(path), status.st_mtime_ns, status.st_size))
        return KnowledgeIndex.current_version(self._folder), found
