"""Articles to sentiment and topic: title and groups of sentences are read one by one and pooled.

A classifier that learned from headlines and sentences reads those best, and whatever stands behind its window
would be lost; and the groups that decided are what a reader wants to see.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from app.domain.news import Classification, Excerpt, Sentiment
from app.domain.watchlist import plain
from app.ml.executor import Priority
from app.ml.sentences import groups, joined, sentences
from app.ml.sentiment import SentimentClassifier

GROUP_TOKENS = 100  # about what the texts of the training data hold at most
MAX_GROUPS = 12  # news says first what matters; further down comes background
MAX_BODY_CHARS = 8000  # more than fits into the groups
MAX_DECIDING = 2
MAX_TOWARDS = 3  # sentences on one company that are read for the sentiment towards it
# The title is the editor's summary and the first group the lead: they say what the article is about.
TITLE_WEIGHT, LEAD_WEIGHT, GROUP_WEIGHT = 2.0, 1.5, 1.0
BACKGROUND = 0.75  # of its weight that a group loses when it is surely neutral


class HasText(Protocol):
    """An article, stored or not."""

    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Towards:
    """An article, and a company that it names: as it is known, and as it is written there."""

    article: HasText
    company: str
    written: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """An excerpt of an article, the weight of its place, and what to quote if it decides."""

    excerpt: Excerpt
    weight: float
    quote: str


class ArticleClassifier:
    """Classifies whole articles with a classifier of short texts."""

    def __init__(self, classifier: SentimentClassifier) -> None:
        self._classifier = classifier

    def classify_articles(
        self,
        articles: Sequence[HasText],
        priority: Priority = Priority.SCHEDULED,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> list[Classification]:
        """Classify articles, in their order, with what decided each.

        The excerpts of all articles share batches. `progress` hears how many of the articles are done, in
        proportion to the excerpts.
        """
        parts = [self._parts(article) for article in articles]
        flat = [part.excerpt for row in parts for part in row]
        heard = 0

        def tell(done: int) -> None:
            nonlocal heard
            if (share := done * len(articles) // len(flat)) > heard:
                heard = share
                progress(share)

        readings = iter(self._classifier.classify(flat, priority, tell))
        return [pool([(part, next(readings)) for part in row]) for row in parts]

    def classify_towards(
        self, asked: Sequence[Towards], priority: Priority = Priority.SCHEDULED
    ) -> list[Classification]:
        """The sentiment of articles towards companies, from the passages that name them, in the order asked."""
        parts = [_passages(each) for each in asked]
        readings = iter(self._classifier.classify([part.excerpt for row in parts for part in row], priority))
        return [pool([(part, next(readings)) for part in row]) for row in parts]

    def _parts(self, article: HasText) -> list[_Part]:
        """What is read of an article: all of it at once when it is short."""
        title = " ".join(article.title.split())
        body = sentences(article.text[:MAX_BODY_CHARS])
        if not body:
            return [_Part(Excerpt(title, style="headline"), TITLE_WEIGHT, title)]
        found = list(islice(groups(body, self._tokens, GROUP_TOKENS), MAX_GROUPS))
        if len(found) == 1 and self._tokens(title) + self._tokens(found[0]) < GROUP_TOKENS:
            return [_Part(Excerpt(_in_one(title, found[0]), style="report"), LEAD_WEIGHT, found[0])]
        weights = [LEAD_WEIGHT] + [GROUP_WEIGHT] * (len(found) - 1)
        parts = [
            _Part(Excerpt(group, style="report"), weight, group)
            for group, weight in zip(found, weights, strict=True)
        ]
        return [_Part(Excerpt(title, style="headline"), TITLE_WEIGHT, title), *parts] if title else parts

    def _tokens(self, text: str) -> int:
        return len(self._classifier.backbone.tokenizer(text, add_special_tokens=False)["input_ids"])


def pool(read: Sequence[tuple[_Part, Classification]]) -> Classification:
    """One reading out of those of an article's parts.

    The probabilities are averaged, and not their logarithms: one group that calls a sentiment impossible must
    not overrule all others, and an article whose parts disagree should come out unsure. The weights are that
    of the place times the group's confidence, so that a guess says little. For the sentiment, sure neutrality
    loses most of its weight besides: the background that fills a long report would else drown the news in it.
    """
    if len(read) == 1:
        part, reading = read[0]
        return replace(reading, deciding=(part.quote,) if part.quote else ())
    weights = [
        part.weight * reading.probability * (1 - BACKGROUND * reading.scores[Sentiment.NEUTRAL])
        for part, reading in read
    ]
    scores = _mean([reading.scores for _, reading in read], weights)
    sentiment = Sentiment(max(scores, key=scores.__getitem__))
    topic_weights = [part.weight * max(reading.topic_scores.values(), default=0.0) for part, reading in read]
    topic_scores = _mean([reading.topic_scores for _, reading in read], topic_weights)
    top = max(topic_scores, key=topic_scores.__getitem__)
    return Classification(sentiment, scores, top, topic_scores, _deciding(read, weights, sentiment))


def _deciding(
    read: Sequence[tuple[_Part, Classification]], weights: Sequence[float], sentiment: Sentiment
) -> tuple[str, ...]:
    """The parts that pushed most towards a sentiment: by weight, and by how far they prefer it to the others."""
    pushes = []
    for (part, reading), weight in zip(read, weights, strict=True):
        rival = max(score for label, score in reading.scores.items() if label != sentiment)
        pushes.append((weight * (reading.scores[sentiment] - rival), part.quote))
    pushes.sort(key=lambda push: -push[0])
    return tuple(quote for push, quote in pushes[:MAX_DECIDING] if push > 0)


def _mean(rows: Sequence[Mapping[str, float]], weights: Sequence[float]) -> dict[str, float]:
    total = sum(weights)
    return {
        label: sum(weight * row[label] for row, weight in zip(rows, weights, strict=True)) / total
        for label in rows[0]
    }


def _passages(asked: Towards) -> list[_Part]:
    """Title and first sentences that name the company, each towards it; where none does, how the article begins."""
    name = asked.written[0] if asked.written else asked.company
    title = " ".join(asked.article.title.split())
    body = sentences(asked.article.text[:MAX_BODY_CHARS])
    naming = [text for text in body if any(written in plain(text) for written in asked.written)][:MAX_TOWARDS]
    parts = []
    if title and (not naming or any(written in plain(title) for written in asked.written)):
        parts.append(_Part(Excerpt(title, name, "headline"), TITLE_WEIGHT, title))
    for text in naming or body[:1]:
        weight = GROUP_WEIGHT if body and text != body[0] else LEAD_WEIGHT
        parts.append(_Part(Excerpt(text, name, "report"), weight, text))
    return parts or [_Part(Excerpt("", name), TITLE_WEIGHT, "")]


def _in_one(title: str, body: str) -> str:
    """Title and body as one text, with a stop between them."""
    if title and title[-1].isalnum():
        title += "。" if "\u3400" <= title[-1] <= "\u9fff" else "."
    return joined(title, body)
