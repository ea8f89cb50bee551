"""Recent articles, searchable for those that use the same words (MinHash LSH) or mean the same (cosines).

Both windows hold signatures and vectors only, about 3 kB an article; the texts stay in the database.
"""

from collections.abc import Collection

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from app.ml.near_duplicates import PERMUTATIONS, shingles

Signature = NDArray[np.uint32]  # (PERMUTATIONS,)
Vector = NDArray[np.float32]  # (width,), of length 1

# 20 bands of 4 (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4): a pair of similarity 0.8 becomes a
# candidate with probability 0.9999, one of 0.5 with 0.72, one of 0.2 with 0.03.
BANDS, ROWS = 20, 4


def signature(pieces: Collection[str]) -> Signature:
    """The MinHash (Broder 1997) of a text's shingles."""
    minhash = MinHash(num_perm=PERMUTATIONS, seed=1)
    minhash.update_batch([piece.encode("utf-8", "surrogatepass") for piece in sorted(pieces)])
    return minhash.hashvalues.astype(np.uint32)


def signature_of(text: str) -> Signature:
    return signature(shingles(text))


class Wordings:
    """Articles by what words they use: proposes those whose signatures are alike."""

    def __init__(self) -> None:
        self._signatures: dict[int, Signature] = {}
        self._buckets: dict[int, int | list[int]] = {}  # a list only where several meet saves most of the memory

    def __contains__(self, article_id: int) -> bool:
        return article_id in self._signatures

    def __len__(self) -> int:
        return len(self._signatures)

    def add(self, article_id: int, value: Signature) -> None:
        """Remember an article; one that is known already stays as it is."""
        if article_id in self._signatures:
            return
        self._signatures[article_id] = value
        for key in _keys(value):
            held = self._buckets.get(key)
            if held is None:
                self._buckets[key] = article_id
            elif isinstance(held, list):
                held.append(article_id)
            else:
                self._buckets[key] = [held, article_id]

    def remove(self, article_id: int) -> None:
        """Forget an article; one that is not known is no error."""
        value = self._signatures.pop(article_id, None)
        for key in _keys(value) if value is not None else ():
            held = self._buckets[key]
            if isinstance(held, list) and len(held) > 1:
                held.remove(article_id)
            else:
                del self._buckets[key]

    def alike(self, value: Signature, least: float, limit: int) -> list[int]:
        """At most `limit` articles with an estimated Jaccard similarity of `least` or more, most alike first."""
        found: set[int] = set()
        for key in _keys(value):
            held = self._buckets.get(key)
            if isinstance(held, list):
                found.update(held)
            elif held is not None:
                found.add(held)
        if not found:
            return []
        ids = sorted(found)
        estimates = (np.stack([self._signatures[i] for i in ids]) == value).mean(axis=1)
        order = np.argsort(-estimates, kind="stable")[:limit]
        return [ids[i] for i in order if estimates[i] >= least]


class Meanings:
    """Articles by what they mean: unit vectors in one matrix, the oldest first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ids: list[int] = []
        self._matrix: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, article_id: int, vector: Vector) -> None:
        """Remember an article. Beyond the limit, the oldest are forgotten."""
        if len(self._ids) >= self._limit:
            self.drop(self._ids[: max(1, self._limit // 8)])
        used = len(self._ids)
        if used == len(self._matrix):
            grown = np.empty((max(256, 2 * used), len(vector)), np.float32)
            if used:
                grown[:used] = self._matrix
            self._matrix = grown
        self._matrix[used] = vector
        self._ids.append(article_id)

    def drop(self, article_ids: Collection[int]) -> None:
        """Forget articles."""
        gone = set(article_ids)
        kept = [row for row, article_id in enumerate(self._ids) if article_id not in gone]
        if len(kept) < len(self._ids):
            self._matrix = self._matrix[kept]
            self._ids = [self._ids[row] for row in kept]

    def nearest(self, vector: Vector, least: float, limit: int) -> list[tuple[int, float]]:
        """At most `limit` articles with a cosine of `least` or more, nearest first, with their cosines."""
        if not self._ids:
            return []
        cosines = self._matrix[: len(self._ids)] @ vector
        rows = np.flatnonzero(cosines >= least)
        rows = rows[np.argsort(-cosines[rows], kind="stable")][:limit]
        return [(self._ids[row], float(cosines[row])) for row in rows]


def _keys(value: Signature) -> list[int]:
    """One key a band, as Python integers of 64 bits."""
    bands = value[: BANDS * ROWS].reshape(BANDS, ROWS).astype(np.uint64)
    mixed = np.arange(1, BANDS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for column in bands.T:  # FNV-1a over 32-bit words
        mixed = (mixed ^ column) * np.uint64(0x100000001B3)
    keys: list[int] = mixed.tolist()
    return keys
