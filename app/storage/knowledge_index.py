"""The knowledge index: FAISS (cosine) and BM25 over the same entries; built, saved, searched.

One passage may have several entries (its question, its alternatives, its text): a question is looked up
among entries, and each passage keeps its best one. Saving writes a new version folder and then swaps one small
file, `current`, so that a reader sees the old index or the new one, never half of one.
"""

import json
import os
import re
import shutil
import unicodedata
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import bm25s
import faiss
import jieba
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from app.domain.conversations import Passage
from app.domain.errors import IndexMissing, KnowledgeError

FORMAT = 3  # of the saved index; one of another format is built again
Vectors = NDArray[np.float32]
_WORD = re.compile(r"[a-z0-9]+(?:[.,][0-9]+)*|[\u4e00-\u9fff]+")


@dataclass(frozen=True)
class Entry:
    """A text that leads to a passage."""

    passage: int
    text: str


@dataclass(frozen=True)
class Hit:
    """A passage that was found. `cosine` in [-1, 1]; `bm25` is unbounded; `via` is the entry that matched."""

    passage: Passage
    cosine: float
    bm25: float
    via: str

    def lowered(self, by: float) -> "Hit":
        """The same hit with a lower cosine."""
        return replace(self, cosine=self.cosine - by, passage=replace(self.passage, score=self.cosine - by))


def words(text: str) -> list[str]:
    """Words for BM25: Latin words and numbers lower-cased, Chinese cut by jieba."""
    tokens: list[str] = []
    for run in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        tokens += jieba.lcut(run) if "\u4e00" <= run[0] <= "\u9fff" else [run]
    return tokens


class KnowledgeIndex:
    """Passages, their entries and their vectors. Row i of FAISS has the id of entry i."""

    def __init__(
        self, passages: Sequence[Passage], entries: Sequence[Entry], vectors: Vectors, meta: dict[str, Any]
    ):
        if len(entries) != len(vectors):
            raise ValueError("one vector an entry")
        self.version = ""  # the name of its folder, once it was saved or loaded
        self.passages, self.entries, self.meta = list(passages), list(entries), dict(meta)
        self._faiss = faiss.IndexIDMap2(faiss.IndexFlatIP(int(vectors.shape[1]) if len(vectors) else 1))
        if len(vectors):
            self._faiss.add_with_ids(np.ascontiguousarray(vectors), np.arange(len(entries), dtype=np.int64))
        self._rows: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row, entry in enumerate(self.entries):
            passage = self.passages[entry.passage]
            self._rows[passage.source, passage.text].append(row)
        self._owners = np.array([entry.passage for entry in self.entries], np.int64)
        self._build_bm25()

    def _build_bm25(self) -> None:
        self._bm25 = bm25s.BM25()
        corpus = [words(entry.text) for entry in self.entries]
        self._has_words = any(corpus)
        if self._has_words:
            self._bm25.index(corpus, show_progress=False)

    def __len__(self) -> int:
        return len(self.passages)

    def search(
        self,
        vector: Vectors,
        question: str,
        top_k: int,
        candidates: int = 60,
        admits: Callable[[Passage], bool] | None = None,
    ) -> list[Hit]:
        """The passages nearest to a unit vector, best first, with the BM25 score of the same question.

        `vector` has shape (width,). Passages that only BM25 found are in the pool too, with their cosine. Those
        that `admits` turns down are left out before anything is counted.
        """
        allowed = self._allowed(admits)
        count = min(candidates, len(allowed))
        if not count:
            return []
        everything = len(allowed) == len(self.entries)
        among = None if everything else faiss.SearchParameters(sel=faiss.IDSelectorBatch(allowed))  # type: ignore[call-arg]
        scores, ids = self._faiss.search(vector.reshape(1, -1).astype(np.float32), count, params=among)
        cosine = {int(i): float(s) for s, i in zip(scores[0], ids[0], strict=True) if i >= 0}
        lexical = self._bm25_scores(question)
        for i in allowed[np.argsort(-lexical[allowed])][:10]:
            if lexical[i] > 0 and int(i) not in cosine:
                cosine[int(i)] = float(self._faiss.reconstruct(int(i)) @ vector)
        best: dict[int, Hit] = {}
        for i, score in cosine.items():
            entry = self.entries[i]
            hit = Hit(replace(self.passages[entry.passage], score=score), score, float(lexical[i]), entry.text)
            if entry.passage not in best or score > best[entry.passage].cosine:
                best[entry.passage] = hit
        return sorted(best.values(), key=lambda hit: -hit.cosine)[:top_k]

    def _allowed(self, admits: Callable[[Passage], bool] | None) -> NDArray[np.int64]:
        """The ids of the entries that may be found."""
        if admits is None:
            return np.arange(len(self.entries), dtype=np.int64)
        passages = np.array([admits(passage) for passage in self.passages], bool)
        return np.flatnonzero(passages[self._owners]).astype(np.int64) if len(self.entries) else self._owners

    def nearness(self, vector: Vectors, passage: Passage) -> float:
        """The cosine between a unit vector, (width,), and the nearest entry of a passage of this index."""
        rows = self._rows[passage.source, passage.text]
        return max(float(self._faiss.reconstruct(row) @ vector) for row in rows)

    def _bm25_scores(self, question: str) -> NDArray[np.float32]:
        tokens = words(question)
        if not tokens or not self._has_words:
            return np.zeros(len(self.entries), np.float32)
        return np.asarray(self._bm25.get_scores(tokens), np.float32)

    def vectors(self) -> Vectors:
        """All vectors, (entries, width), in the order of the entries."""
        return np.stack([self._faiss.reconstruct(i) for i in range(len(self.entries))])

    # -- files -------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write a new version beside the live one, then make it current by one atomic rename; `version` names it.

        Writers wait for each other. Raises KnowledgeError when the folder cannot be written to.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / "lock"):
                self._write(folder)
        except (OSError, RuntimeError) as error:  # FAISS raises the latter
            raise KnowledgeError(f"The knowledge index cannot be kept in {folder}: {error}.") from error

    def _write(self, folder: Path) -> None:
        version = folder / f"v-{uuid.uuid4().hex[:12]}"
        version.mkdir()
        faiss.write_index(self._faiss, str(version / "vectors.faiss"))
        content = {
            "format": FORMAT,
            "meta": self.meta,
            "passages": [asdict(p) for p in self.passages],
            "entries": [asdict(e) for e in self.entries],
        }
        (version / "content.json").write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        scratch = folder / f"current.{version.name}"
        scratch.write_text(version.name)
        os.replace(scratch, folder / "current")
        self.version = version.name
        for old in folder.glob("v-*"):
            if old != version:
                shutil.rmtree(old, ignore_errors=True)

    @staticmethod
    def current_version(folder: Path) -> str:
        """The name of the version that is current now, or nothing."""
        try:
            return (folder / "current").read_text("utf-8").strip()
        except (OSError, ValueError):
            return ""

    @classmethod
    def load(cls, folder: Path) -> "KnowledgeIndex":
        """Read the current version. Raises IndexMissing when there is none that can be read, or of this format."""
        version = ""
        while True:
            try:
                previous, version = version, (folder / "current").read_text("utf-8").strip()
                return cls._read(folder / version)
            except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
                if version and version != previous:
                    continue  # a writer may have replaced it while it was being read
                raise IndexMissing(
                    f"There is no knowledge index in {folder} that can be used. Build it: "
                    f"python -m pipelines.build_index --knowledge DIR --index {folder}"
                ) from error

    @classmethod
    def _read(cls, version: Path) -> "KnowledgeIndex":
        content = json.loads((version / "content.json").read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        stored = faiss.read_index(str(version / "vectors.faiss"))
        entries = [Entry(**e) for e in content["entries"]]
        vectors = (
            np.stack([stored.reconstruct(i) for i in range(len(entries))])
            if entries
            else np.zeros((0, 1), np.float32)
        )
        passages = [Passage(**{**p, "alternatives": tuple(p["alternatives"])}) for p in content["passages"]]
        index = cls(passages, entries, vectors, content["meta"])
        index.version = version.name
        return index
