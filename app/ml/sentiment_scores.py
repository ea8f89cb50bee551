"""Labelled rows through the classifier: raw logits, and the temperatures that fit them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from app.domain.guardrails import language_of
from app.domain.news import Excerpt
from app.ml.calibration import Calibration, fit_temperature
from app.ml.datasets import LabelledText
from app.ml.executor import Priority
from app.ml.sentiment import SentimentClassifier

LANGUAGES = ("en", "zh")
MIN_ROWS = 60  # of a language, for a temperature of its own


@dataclass(frozen=True)
class Scored:
    """Raw logits of labelled rows in their order: sentiment (rows, 3) and topic (rows, topics)."""

    sentiment: torch.Tensor
    topic: torch.Tensor


def score(
    classifier: SentimentClassifier,
    rows: Sequence[LabelledText],
    progress: Callable[[int], None] = lambda _done: None,
) -> Scored:
    """The logits of labelled rows, each towards its entity and without its style, as texts arrive in service."""
    encoded = sorted(
        ((classifier.encode(Excerpt(row.text, row.entity)), i) for i, row in enumerate(rows)),
        key=lambda pair: len(pair[0]),
    )
    sentiment = torch.zeros(len(rows), len(classifier.sentiments.labels))
    topic = torch.zeros(len(rows), len(classifier.topics.labels))
    start = 0
    while start < len(encoded):
        end = start + 1
        while end < len(encoded) and len(encoded[end][0]) * (end + 1 - start) <= classifier.batch_tokens:
            end += 1
        ids, mask = classifier.backbone.pad([row for row, _ in encoded[start:end]])
        step = lambda ids=ids, mask=mask: classifier.logits(ids, mask)  # noqa: E731
        places = [i for _, i in encoded[start:end]]
        sentiment[places], topic[places] = classifier.backbone.run(classifier.adapter, step, Priority.SCHEDULED)
        progress(end)
        start = end
    return Scored(sentiment, topic)


def fit_calibration(classifier: SentimentClassifier, rows: Sequence[LabelledText], scored: Scored) -> Calibration:
    """Temperatures from held-out rows; a language with fewer than 60 of them gets the common one."""
    judged = [i for i, row in enumerate(rows) if row.label]
    of_topic = [i for i, row in enumerate(rows) if row.topic]

    def fitted(chosen: list[int]) -> float:
        truth = [classifier.sentiments.labels.index(rows[i].label) for i in chosen]
        return fit_temperature(scored.sentiment[chosen], truth)

    sentiment = {"": fitted(judged)}
    for language in LANGUAGES:
        own = [i for i in judged if language_of(rows[i].text) == language]
        sentiment[language] = fitted(own) if len(own) >= MIN_ROWS else sentiment[""]
    labels = classifier.topics.labels
    truth = [labels.index(nearest_topic(rows[i].topic, scored.topic[i], labels)) for i in of_topic]
    return Calibration(sentiment, fit_temperature(scored.topic[of_topic], truth))


def nearest_topic(given: str, scores: torch.Tensor, labels: Sequence[str]) -> str:
    """Of the topics of a row ("a|b"), any of which is right, the one that the model finds likeliest."""
    return max(given.split("|"), key=lambda topic: float(scores[labels.index(topic)]))


def probabilities(calibration: Calibration, rows: Sequence[LabelledText], scored: Scored) -> Scored:
    """Calibrated probabilities in place of the logits."""
    temperatures = torch.tensor([calibration.temperature(language_of(row.text)) for row in rows])
    return Scored(
        torch.softmax(scored.sentiment / temperatures.reshape(-1, 1), 1),
        torch.softmax(scored.topic / calibration.topic, 1),
    )
