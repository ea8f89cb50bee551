"""Training task of the classifier: cross-entropy over the label tokens of sentiment and topic."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from app.domain.news import Excerpt, Sentiment
from app.ml.datasets import LabelledText
from app.ml.metrics import classification_report
from app.ml.sentiment import SentimentClassifier

CLASS_WEIGHTS = ("none", "balanced")


class SentimentTask:
    """Rows without a label train the topic alone, and the other way round.

    A row of several topics has them share its probability. Class weights "balanced" make every class count as
    much as any other, however many rows it has. Every second row keeps its style to itself, so that
    the adapter serves texts of a known style and of an unknown one.
    """

    def __init__(
        self,
        classifier: SentimentClassifier,
        train: Sequence[LabelledText],
        dev: Sequence[LabelledText],
        *,
        topic_weight: float = 0.5,
        label_smoothing: float = 0.02,
        class_weights: str = "none",
    ) -> None:
        self.classifier, self.dev = classifier, list(dev)
        self.topic_weight, self.label_smoothing = topic_weight, label_smoothing
        self.encoded = [
            classifier.encode(Excerpt(row.text, row.entity, row.style if i % 2 else ""))
            for i, row in enumerate(train)
        ]
        self.labels = _targets(classifier.sentiments.labels, [row.label for row in train])
        self.topic_labels = _targets(classifier.topics.labels, [row.topic for row in train])
        weigh = _balanced if class_weights == "balanced" else lambda targets: torch.ones(targets.shape[1])
        self.label_weights, self.topic_label_weights = weigh(self.labels), weigh(self.topic_labels)

    def __len__(self) -> int:
        return len(self.encoded)

    def length(self, index: int) -> int:
        return len(self.encoded[index])

    def loss(self, indices: Sequence[int]) -> torch.Tensor:
        ids, mask = self.classifier.backbone.pad([self.encoded[i] for i in indices])
        sentiment, topic = self.classifier.logits(ids, mask)
        loss = sentiment.sum() * 0.0
        for logits, targets, of_class, weight in (
            (sentiment, self.labels[list(indices)], self.label_weights, 1.0),
            (topic, self.topic_labels[list(indices)], self.topic_label_weights, self.topic_weight),
        ):
            known = targets.sum(1) > 0
            if known.any():
                loss = loss + weight * cross_entropy(
                    logits[known], targets[known], of_class, label_smoothing=self.label_smoothing
                )
        return loss

    def evaluate(self) -> dict[str, Any]:
        if not self.dev:
            return {}
        results = self.classifier.classify([Excerpt(row.text, row.entity) for row in self.dev])
        metrics: dict[str, Any] = {}
        pairs = [(row.label, r.sentiment.value) for row, r in zip(self.dev, results, strict=True) if row.label]
        if pairs:
            truth, given = zip(*pairs, strict=True)
            report = classification_report(truth, given, list(Sentiment))
            metrics |= {"accuracy": round(report["accuracy"], 4), "macro_f1": round(report["macro_f1"], 4)}
            metrics["score"] = metrics["macro_f1"]
        topics = [r.topic in row.topic.split("|") for row, r in zip(self.dev, results, strict=True) if row.topic]
        if topics:
            metrics["topic_accuracy"] = round(sum(topics) / len(topics), 4)
            metrics.setdefault("score", metrics["topic_accuracy"])
        return metrics


def _targets(labels: Sequence[str], given: Sequence[str]) -> torch.Tensor:
    """Distributions over the labels, (rows, labels); a row without a label is all zeros."""
    targets = torch.zeros(len(given), len(labels))
    for row, names in enumerate(given):
        for name in filter(None, names.split("|")):
            targets[row, labels.index(name)] = 1 / len(names.split("|"))
    return targets


def _balanced(targets: torch.Tensor) -> torch.Tensor:
    """Weights in inverse proportion to the rows of a class; their mean over the rows is 1."""
    counts = targets.sum(0)
    present = counts > 0
    return torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1e-9)), 0.0)
