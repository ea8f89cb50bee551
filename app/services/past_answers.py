"""The passages that support an answer of the past, found by words alone (BM25)."""

import math
import random
import re
from collections import Counter
from collections.abc import Sequence

import bm25s
import numpy as np

from app.domain.conversations import Passage
from app.domain.figures import figures_in
from app.domain.guardrails import cited_numbers, language_of, renumber_citations
from app.storage.knowledge_index import words

LISTED = 4  # passages of a row at most
_CANDIDATES = 12
# Of the distinct words of question and answer, weighed by their rarity, a passage must hold this share; figures,
# which it must hold all, count for something.
_SHARE, _SHARE_WITH_FIGURES = 0.5, 0.45
_LABEL = re.compile(r"\[[a-z -]{4,16}\]")  # what redaction put in
_MONEY = re.compile(r"[£$€¥￥]\s?(\d[\d,.]{0,14})|(\d[\d,.]{0,14})\s?(?:英镑|镑|元|pounds?)", re.IGNORECASE)
_SHARES = re.compile(r"(\d[\d,.]{0,14})\s?(?:%|per ?cent)", re.IGNORECASE)
_SMALL_WORDS = """
a an and are as at be by can do for from has have i if in is it its me my no not of on or our so that the their
there they this to up us was we will with you your
的 了 是 在 我 您 你 有 和 与 或 就 都 也 会 可以 请 吗 呢 为 到 后 我们 需要 如果 一个 进行
"""
_COMMON = frozenset(_SMALL_WORDS.split())


class PassageFinder:
    """Looks up passages by words. All chance comes from `rng`."""

    def __init__(self, passages: Sequence[Passage], rng: random.Random) -> None:
        self._passages, self._rng = list(passages), rng
        self._texts = [
            f"{p.question or p.title} {' '.join(p.alternatives)} {p.text}".strip() for p in self._passages
        ]
        self._index = bm25s.BM25()
        corpus = [words(text) for text in self._texts]
        self._usable = any(corpus)
        self._occurs = Counter(word for text in corpus for word in set(text))
        if self._usable:
            self._index.index(corpus, show_progress=False)

    def support(self, question: str, reply: str) -> tuple[tuple[Passage, ...], str]:
        """The passage that supports a reply among its neighbours, and the reply with its mark.

        Without such a passage there are none at all: a row must not teach to cite what does not say it.
        """
        asked = self._found(question)  # a passage that only shares figures with the answer is not among these
        found = [i for i in self._found(f"{question} {reply}") if i in asked]
        right = next((i for i in found if self._supports(i, question, reply)), None)
        if right is None:
            return (), reply
        near = [i for i in asked if i != right and not self._supports(i, question, reply)]
        chosen = near[: self._rng.choice([1, 2, LISTED - 1])]
        chosen.insert(0 if self._rng.random() < 0.6 else self._rng.randint(0, len(chosen)), right)
        return tuple(self._passages[i] for i in chosen), f"{reply} [{chosen.index(right) + 1}]"

    def _found(self, text: str) -> list[int]:
        tokens = words(text)
        if not tokens or not self._usable:
            return []
        scores = np.asarray(self._index.get_scores(tokens))
        best = np.argsort(-scores, kind="stable")[:_CANDIDATES]
        language = language_of(text)
        found = [int(i) for i in best if scores[i] > 0]
        return sorted(found, key=lambda i: self._passages[i].language != language)

    def _supports(self, i: int, question: str, reply: str) -> bool:
        text = self._texts[i]
        if any(not find(reply) <= find(text) for find in (figures_in, _money, _percentages)):
            return False
        said = set(words(_LABEL.sub(" ", f"{question} {reply}"))) - _COMMON
        held = self._weight(said & set(words(text))) / (self._weight(said) or 1.0)
        return held >= (_SHARE_WITH_FIGURES if figures_in(reply) else _SHARE)

    def _weight(self, said: set[str]) -> float:
        """Rare words say what a text is about: "CHAPS" more than "payment"."""
        return sum(math.log(1 + len(self._texts) / self._occurs.get(word, 1)) for word in said)


def _money(text: str) -> set[str]:
    """£25 is another figure than 25 days."""
    return {figure for match in _MONEY.finditer(text) for figure in figures_in(match[1] or match[2])}


def _percentages(text: str) -> set[str]:
    return {figure for match in _SHARES.finditer(text) for figure in figures_in(match[1])}


def cited(reply: str, passages: Sequence[Passage]) -> tuple[tuple[Passage, ...], str]:
    """What a reply cites, with its marks in step; a reply without a mark gets one when it has a single passage."""
    kept = [number for number in cited_numbers(reply) if 1 <= number <= len(passages)]
    if not kept:
        bare = re.sub(r" ?\[\d{1,2}\]", "", reply)
        return (tuple(passages[:1]), f"{bare} [1]") if len(passages) == 1 else ((), bare)
    return tuple(passages[number - 1] for number in kept), renumber_citations(reply, kept)
