"""Texts to sentiment and topic by label-token scoring: one forward pass, no classifier head."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from app.domain.errors import AdapterMismatch
from app.domain.news import TOPICS, Classification, Excerpt, Sentiment
from app.ml.backbone import Backbone
from app.ml.executor import Priority
from app.ml.prompts import sentiment_suffix, sentiment_text

ADAPTER = "sentiment"


@dataclass(frozen=True)
class LabelSet:
    """The labels of one task with their tokens on the language-model head."""

    labels: tuple[str, ...]
    token_ids: tuple[int, ...]


class SentimentClassifier:
    """Classifies with the backbone's sentiment adapter (or the bare base when `adapter` is None)."""

    def __init__(
        self,
        backbone: Backbone,
        adapter: str | None = ADAPTER,
        *,
        topics: Sequence[str] = tuple(TOPICS),
        temperature: float = 1.0,
        max_tokens: int = 384,
        batch_tokens: int = 2048,
    ) -> None:
        self.backbone, self.adapter, self.temperature = backbone, adapter, temperature
        self.max_tokens, self.batch_tokens = max_tokens, batch_tokens
        self._topics = tuple(topics)

    @cached_property
    def sentiments(self) -> LabelSet:
        return self._label_set([s.value for s in Sentiment])

    @cached_property
    def topics(self) -> LabelSet:
        return self._label_set(self._topics)

    def _label_set(self, labels: Sequence[str]) -> LabelSet:
        tokens = tuple(self.backbone.label_token(label) for label in labels)
        if len(set(tokens)) < len(tokens):
            raise AdapterMismatch(f"Two of the labels {', '.join(labels)} begin with the same token; rename one.")
        return LabelSet(tuple(labels), tokens)

    def encode(self, excerpt: Excerpt) -> list[int]:
        """Token ids of the prompt. A text that is too long loses its end, never the suffix."""
        tokenizer = self.backbone.tokenizer
        suffix = list(tokenizer(sentiment_suffix(excerpt.entity), add_special_tokens=False)["input_ids"])
        suffix = suffix[-self.max_tokens // 2 :]  # the name of an entity may be of any length
        body = tokenizer(sentiment_text(excerpt.text, excerpt.style))["input_ids"]
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
        progress: Callable[[int], None] = lambda _done: None,
    ) -> list[Classification]:
        """Classify texts, in their order. `progress` hears how many are done.

        Texts are sorted by length and cut into batches of at most `batch_tokens` padded tokens, each a step
        of its own on the model thread. An empty text is neutral and of topic 'other', by definition.
        """
        excerpts = [Excerpt(text) if isinstance(text, str) else text for text in texts]
        encoded = [(i, self.encode(excerpt)) for i, excerpt in enumerate(excerpts) if excerpt.text.strip()]
        encoded.sort(key=lambda row: len(row[1]))
        results: dict[int, Classification] = {}
        batch: list[tuple[int, list[int]]] = []
        for row in encoded:
            if batch and len(row[1]) * (len(batch) + 1) > self.batch_tokens:
                results.update(self._classify_batch(batch, priority))
                progress(len(results))
                batch = []
            batch.append(row)
        if batch:
            results.update(self._classify_batch(batch, priority))
            progress(len(results))
        empty = Classification(
            Sentiment.NEUTRAL, _one_hot(self.sentiments, "neutral"), "other", _one_hot(self.topics, "other")
        )
        return [results.get(i, empty) for i in range(len(texts))]

    def _classify_batch(self, batch: list[tuple[int, list[int]]], priority: Priority) -> dict[int, Classification]:
        ids, mask = self.backbone.pad([row for _, row in batch])
        sentiment, topic = self.backbone.run(self.adapter, lambda: self.logits(ids, mask), priority)
        sentiment = torch.softmax(sentiment / self.temperature, 1).tolist()
        topic = torch.softmax(topic, 1).tolist()
        return {
            index: _classification(self.sentiments, sentiment[i], self.topics, topic[i])
            for i, (index, _) in enumerate(batch)
        }


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
