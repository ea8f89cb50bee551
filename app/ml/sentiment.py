"""Texts to sentiment and topic by label-token scoring: one forward pass, no classifier head."""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch

from app.domain.errors import AdapterMismatch
from app.domain.guardrails import language_of
from app.domain.news import TOPICS, Classification, Excerpt, Sentiment, topic_title
from app.ml.backbone import Backbone
from app.ml.calibration import UNCALIBRATED, Calibration
from app.ml.executor import Priority
from app.ml.prompts import sentiment_suffix, sentiment_text
from app.ml.result_cache import ResultCache, content_key

ADAPTER = "sentiment"
Progress = Callable[[int], None]
MAX_CHARS_A_TOKEN = 32  # more than any text of words has on average


@dataclass(frozen=True)
class LabelSet:
    """The labels of one task with their tokens on the language-model head."""

    labels: tuple[str, ...]
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class _Encoded:
    """A prompt, and the places in the caller's list that it answers."""

    ids: list[int]
    language: str
    key: Hashable
    places: list[int]


class SentimentClassifier:
    """Classifies with the backbone's sentiment adapter (or the bare base when `adapter` is None).

    `topics` are the labels with their titles. Logits are divided by the temperatures of `calibration`. The last
    `cache_size` results are kept by content, so the weights must not change under a cache: training goes without.
    """

    def __init__(
        self,
        backbone: Backbone,
        adapter: str | None = ADAPTER,
        *,
        topics: Mapping[str, str] | Sequence[str] = TOPICS,
        calibration: Calibration = UNCALIBRATED,
        max_tokens: int = 384,
        batch_tokens: int = 2048,
        cache_size: int = 0,
    ) -> None:
        self.backbone, self.adapter = backbone, adapter
        titles = topics if isinstance(topics, Mapping) else {key: topic_title(key, TOPICS) for key in topics}
        self.titles: Mapping[str, str] = dict(titles)
        self.calibration = calibration
        self.max_tokens, self.batch_tokens = max_tokens, batch_tokens
        self._cache = ResultCache(cache_size)

    @cached_property
    def sentiments(self) -> LabelSet:
        return self._label_set([s.value for s in Sentiment])

    @cached_property
    def topics(self) -> LabelSet:
        return self._label_set(list(self.titles))

    def _label_set(self, labels: Sequence[str]) -> LabelSet:
        tokens = tuple(self.backbone.label_token(label) for label in labels)
        if len(set(tokens)) < len(tokens):
            raise AdapterMismatch(f"Two of the labels {', '.join(labels)} begin with the same token; rename one.")
        return LabelSet(tuple(labels), tokens)

    def encode(self, excerpt: Excerpt) -> list[int]:
        """Token ids of the prompt. A text that is too long loses its end, never the suffix."""
        # What looks like a special token in a text is text.
        tokenizer = partial(self.backbone.tokenizer, split_special_tokens=True)
        suffix = list(tokenizer(sentiment_suffix(excerpt.entity), add_special_tokens=False)["input_ids"])
        suffix = suffix[-self.max_tokens // 2 :]  # the name of an entity may be of any length
        text = excerpt.text[: self.max_tokens * MAX_CHARS_A_TOKEN]  # to tokenize a book takes seconds
        body = tokenizer(sentiment_text(text, excerpt.style))["input_ids"]
        return list(body[: self.max_tokens - len(suffix)]) + suffix

    def logits(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Sentiment logits (batch, 3) and topic logits (batch, topics), in float32, at the last position."""
        hidden = self.backbone.hidden_states(ids, mask)
        last = hidden[torch.arange(len(ids)), mask.sum(1) - 1]
        rows = self.backbone.head_rows(self.sentiments.token_ids + self.topics.token_ids)
        scores = (last @ rows.T.to(last.dtype)).float()
        return scores[:, : len(self.sentiments.labels)], scores[:, len(self.sentiments.labels) :]

    def classify(
        self,
        texts: Sequence[str | Excerpt],
        priority: Priority = Priority.SCHEDULED,
        progress: Progress = lambda _done: None,
    ) -> list[Classification]:
        """Classify texts, in their order. `progress` hears how many are done.

        Texts are sorted by length and cut into batches of at most `batch_tokens` padded tokens, each a step
        of its own on the model thread; with a cache, what was classified before takes no step. An empty text is
        neutral and of topic 'other' (of none, where the taxonomy has no such topic), by definition.
        """
        excerpts = [Excerpt(text) if isinstance(text, str) else text for text in texts]
        results, encoded = self._look_up(excerpts)
        if results:
            progress(len(results))
        for batch in self._batches(encoded):
            for row, result in zip(batch, self._classify_batch(batch, priority), strict=True):
                results.update(dict.fromkeys(row.places, result))
                if isinstance(row.key, str):
                    self._cache.put(row.key, result)
            progress(len(results))
        empty = Classification(
            Sentiment.NEUTRAL,
            _one_hot(self.sentiments, Sentiment.NEUTRAL),
            "other" if "other" in self.titles else "",
            _one_hot(self.topics, "other"),
        )
        return [results.get(i, empty) for i in range(len(texts))]

    def _look_up(self, excerpts: Sequence[Excerpt]) -> tuple[dict[int, Classification], list[_Encoded]]:
        """What is known already, by place, and the prompts of all else that is not empty."""
        known: dict[int, Classification] = {}
        waiting: dict[Hashable, list[int]] = {}
        for i, excerpt in enumerate(excerpts):
            if not excerpt.text.strip():
                continue
            # Without a cache each text is computed, even a repeated one: a benchmark must not be flattered.
            key: Hashable = content_key(excerpt) if self._cache.capacity else i
            result = self._cache.get(key) if isinstance(key, str) else None
            if result:
                known[i] = result
            else:
                waiting.setdefault(key, []).append(i)
        encoded = [
            _Encoded(self.encode(first := excerpts[places[0]]), language_of(first.text), key, places)
            for key, places in waiting.items()
        ]
        return known, encoded

    def _batches(self, rows: list[_Encoded]) -> Iterator[list[_Encoded]]:
        batch: list[_Encoded] = []
        for row in sorted(rows, key=lambda row: len(row.ids)):
            if batch and len(row.ids) * (len(batch) + 1) > self.batch_tokens:
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    def _classify_batch(self, batch: list[_Encoded], priority: Priority) -> list[Classification]:
        ids, mask = self.backbone.pad([row.ids for row in batch])
        sentiment, topic = self.backbone.run(self.adapter, lambda: self.logits(ids, mask), priority)
        temperatures = torch.tensor([[self.calibration.temperature(row.language)] for row in batch])
        p = torch.softmax(sentiment / temperatures, 1).tolist()
        q = torch.softmax(topic / self.calibration.topic, 1).tolist()
        return [_classification(self.sentiments, p[i], self.topics, q[i]) for i in range(len(batch))]


def _one_hot(labels: LabelSet, label: str) -> dict[str, float]:
    return {name: float(name == label) for name in labels.labels}


def _classification(sentiments: LabelSet, p: list[float], topics: LabelSet, q: list[float]) -> Classification:
    best, top = max(range(len(p)), key=p.__getitem__), max(range(len(q)), key=q.__getitem__)
    if not math.isfinite(p[best]):  # pragma: no cover - would mean broken weights
        raise ArithmeticError("the classifier gave scores that are not numbers")
    return Classification(
        Sentiment(sentiments.labels[best]),
        dict(zip(sentiments.labels, p, strict=True)),
        topics.labels[top],
        dict(zip(topics.labels, q, strict=True)),
    )
