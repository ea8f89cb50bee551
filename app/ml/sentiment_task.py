"""Training task of the classifier: cross-entropy over the label tokens of sentiment and topic."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from app.domain.news import Sentiment
from app.ml.datasets import LabelledText
from app.ml.metrics import classification_report
from app.ml.sentiment import SentimentClassifier

IGNORED = -100


class SentimentTask:
    """Rows without a label train the topic alone, and the other way round."""

    def __init__(
        self,
        classifier: SentimentClassifier,
        train: Sequence[LabelledText],
        dev: Sequence[LabelledText],
        *,
        topic_weight: float = 0.5,
        label_smoothing: float = 0.02,
    ) -> None:
        self.classifier, self.dev = classifier, list(dev)
        self.topic_weight, self.label_smoothing = topic_weight, label_smoothing
        self.encoded = [classifier.encode(row.text) for row in train]
        self.labels = torch.tensor([_index(classifier.sentiments.labels, row.label) for row in train])
        self.topic_labels = torch.tensor([_index(classifier.topics.labels, row.topic) for row in train])

    def __len__(self) -> int:
        return len(self.encoded)

    def length(self, index: int) -> int:
        return len(self.encoded[index])

    def loss(self, indices: Sequence[int]) -> torch.Tensor:
        ids, mask = self.classifier.backbone.pad([self.encoded[i] for i in indices])
        sentiment, topic = self.classifier.logits(ids, mask)
        loss = sentiment.sum() * 0.0
        for logits, labels, weight in (
            (sentiment, self.labels[list(indices)], 1.0),
            (topic, self.topic_labels[list(indices)], self.topic_weight),
        ):
            if (labels != IGNORED).any():
                loss = loss + weight * cross_entropy(
                    logits, labels, ignore_index=IGNORED, label_smoothing=self.label_smoothing
                )
        return loss

    def evaluate(self) -> dict[str, Any]:
        if not self.dev:
            return {}
        results = self.classifier.classify([row.text for row in self.dev])
        metrics: dict[str, Any] = {}
        pairs = [(row.label, r.sentiment.value) for row, r in zip(self.dev, results, strict=True) if row.label]
        if pairs:
            truth, given = zip(*pairs, strict=True)
            report = classification_report(truth, given, list(Sentiment))
            metrics |= {"accuracy": round(report["accuracy"], 4), "macro_f1": round(report["macro_f1"], 4)}
            metrics["score"] = metrics["macro_f1"]
        topics = [(row.topic, r.topic) for row, r in zip(self.dev, results, strict=True) if row.topic]
        if topics:
            metrics["topic_accuracy"] = round(sum(a == b for a, b in topics) / len(topics), 4)
            metrics.setdefault("score", metrics["topic_accuracy"])
        return metrics


def _index(labels: Sequence[str], label: str) -> int:
    return labels.index(label) if label else IGNORED
