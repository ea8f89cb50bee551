"""Find texts that say nearly the same: MinHash proposes candidates, the exact Jaccard similarity decides."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from datasketch import MinHash, MinHashLSH

THRESHOLD = 0.8
PERMUTATIONS = 128
_CANDIDATES_FROM = 0.6  # below the threshold, so that the sketch's error loses almost no true pair
_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")  # kana and ideographs


def normalise(text: str) -> str:
    """Text as it is compared: compatibility forms unified, case folded, punctuation and spacing dropped."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def shingles(text: str) -> frozenset[str]:
    """Overlapping pieces: three words, or four characters where the script has no spaces (Chinese, Japanese)."""
    plain = normalise(text)
    unspaced = 3 * len(_UNSPACED.findall(plain)) > len(plain)
    units, size = (plain.replace(" ", ""), 4) if unspaced else (plain.split(), 3)
    joint = "" if unspaced else " "
    return frozenset(joint.join(units[i : i + size]) for i in range(max(1, len(units) - size + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard similarity of two sets of shingles, in [0, 1]."""
    return len(one & other) / len(one | other)


@dataclass(frozen=True)
class Sketch:
    """What is kept of a text to compare it with others."""

    shingles: frozenset[str]
    minhash: MinHash

    def similarity(self, other: "Sketch") -> float:
        """Jaccard similarity of the two sets of shingles, in [0, 1]."""
        return jaccard(self.shingles, other.shingles)


def sketch(text: str) -> Sketch:
    """Reduce a text to its shingles and their MinHash (Broder 1997)."""
    pieces = shingles(text)
    minhash = MinHash(num_perm=PERMUTATIONS, seed=1)
    minhash.update_batch([piece.encode("utf-8", "surrogatepass") for piece in sorted(pieces)])
    return Sketch(pieces, minhash)


class NearDuplicates:
    """The texts of some articles, searchable for one that says nearly the same."""

    def __init__(self) -> None:
        self._sketches: dict[int, Sketch] = {}
        self._index = MinHashLSH(threshold=_CANDIDATES_FROM, num_perm=PERMUTATIONS)

    def __contains__(self, article_id: int) -> bool:
        return article_id in self._sketches

    def __len__(self) -> int:
        return len(self._sketches)

    def add(self, article_id: int, text: Sketch) -> None:
        """Remember an article; one that is known already stays as it is."""
        if article_id not in self._sketches:
            self._sketches[article_id] = text
            self._index.insert(article_id, text.minhash)

    def keep(self, article_ids: Collection[int]) -> None:
        """Forget every article but these."""
        for article_id in self._sketches.keys() - set(article_ids):
            self._index.remove(article_id)
            del self._sketches[article_id]

    def find(self, text: Sketch) -> int | None:
        """Id of the article most like `text` with a similarity of THRESHOLD or more; the oldest of equals."""
        scored = [(text.similarity(self._sketches[i]), -i) for i in self._index.query(text.minhash)]
        similarity, negated = max(scored, default=(0.0, 0))
        return -negated if similarity >= THRESHOLD else None
