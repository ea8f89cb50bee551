"""Hand-written stand-ins for the parts that are too heavy, too slow or too far away for a test."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.conversations import Message, Passage
from app.domain.news import TOPICS, Article, Classification, Excerpt, Sentiment
from app.ml.article_classifier import Towards

_TOPIC_WORDS = {"breach": "cyber", "hack": "cyber", "outage": "cyber", "泄露": "cyber", "profit": "earnings"}
_NEGATIVE_WORDS = ("breach", "hack", "outage", "falls", "泄露")
_POSITIVE_WORDS = ("rises", "record")


def classify(texts: Sequence[str | Excerpt]) -> list[Classification]:
    """Sentiment and topic by keyword, with the certainty of a test double."""
    return [_reading((text if isinstance(text, str) else text.text).lower()) for text in texts]


def classify_articles(articles: Sequence[Article]) -> list[Classification]:
    """The same for articles, decided by their text."""
    readings = classify([f"{article.title}. {article.text}" for article in articles])
    return [replace(r, deciding=(a.text,)) if a.text else r for a, r in zip(articles, readings, strict=True)]


def classify_towards(asked: Sequence[Towards]) -> list[Classification]:
    """Towards a company: by the sentences that name it."""
    texts = []
    for each in asked:
        parts = [each.article.title, *each.article.text.split(". ")]
        texts.append(" ".join(part for part in parts if any(name in part for name in each.written)))
    return classify(texts)


def _reading(text: str) -> Classification:
    topic = next((topic for word, topic in _TOPIC_WORDS.items() if word in text), "other")
    sentiment = Sentiment.NEUTRAL
    if any(word in text for word in _NEGATIVE_WORDS):
        sentiment = Sentiment.NEGATIVE
    elif any(word in text for word in _POSITIVE_WORDS):
        sentiment = Sentiment.POSITIVE
    scores: dict[str, float] = {label: 0.9 if label == sentiment else 0.05 for label in Sentiment}
    return Classification(sentiment, scores, topic, {name: float(name == topic) for name in TOPICS})


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class ScriptedResponder:
    """Writes `text` in pieces of `size` characters, whatever it is asked; remembers what it was asked with."""

    def __init__(self, text: str = "", size: int = 3) -> None:
        self.text, self.size = text, size
        self.asked: list[tuple[str, tuple[Passage, ...], tuple[Message, ...]]] = []

    def stream(self, question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> Iterator[str]:
        self.asked.append((question, tuple(passages), tuple(history)))
        text = self.text.format(question=question)
        for start in range(0, len(text), self.size):
            yield text[start : start + self.size]
