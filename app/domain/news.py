"""What the press says: articles, their sentiment, their topic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Sentiment(StrEnum):
    """The investor's view of a text: what it means for those whom it is about."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


# The taxonomy of a risk desk. The key is the label in training files and the database; in the backbone's
# vocabulary each key begins with a token of its own, which label-token scoring needs.
TOPICS: Mapping[str, str] = {
    "earnings": "Earnings",
    "guidance": "Guidance and outlook",
    "credit": "Credit and liquidity",
    "regulation": "Legal and regulation",
    "misconduct": "Fraud and misconduct",
    "management": "Management change",
    "deals": "Deals and investment",
    "product": "Product and operations",
    "cyber": "Cyber and outage",
    "customers": "Customer complaints",
    "labour": "Labour",
    "macro": "Macro and rates",
    "markets": "Market moves",
    "analysts": "Analyst opinion",
    "esg": "Environment and governance",
    "other": "Other",
}


TOPIC_HOLDS = 0.3  # probability from which a topic holds beside the most likely one
UNSURE_BELOW = 0.6  # a sentiment less probable than this is shown as unsure and weighs less


def topic_title(key: str, topics: Mapping[str, str]) -> str:
    """A topic's name for people; articles may bear a topic that was renamed or removed since."""
    return topics.get(key) or key.capitalize()


# Kinds of text differ in convention: a report states facts, a headline charges them, a post comments.
STYLES = ("report", "headline", "post")


@dataclass(frozen=True)
class Excerpt:
    """A text to classify: as a whole, or towards one company that it names (`entity`). `style` may be unknown."""

    text: str
    entity: str = ""
    style: str = ""


@dataclass(frozen=True)
class Classification:
    """The classifier's reading of one text. Scores are probabilities that sum to 1.

    `deciding` quotes what decided the sentiment of an article, what weighed most first.
    """

    sentiment: Sentiment
    scores: Mapping[str, float]
    topic: str
    topic_scores: Mapping[str, float]
    deciding: tuple[str, ...] = ()

    @property
    def probability(self) -> float:
        """Probability of the sentiment given, in [0, 1]."""
        return self.scores[self.sentiment]

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that holds, the most likely one first; none where the text bears no topic at all."""
        others = [key for key, score in self.topic_scores.items() if score >= TOPIC_HOLDS and key != self.topic]
        others.sort(key=lambda key: -self.topic_scores[key])
        return (self.topic, *others) if self.topic else ()


@dataclass(frozen=True)
class FeedItem:
    """One entry of a feed, as published; nothing has been judged yet."""

    url: str
    title: str
    text: str
    published_at: datetime | None = None  # None: the feed gave no usable date
    outlet: str = ""


@dataclass(frozen=True)
class EntityReading:
    """A company on the watchlist that an article names, and the sentiment towards it ("" where unknown)."""

    entity_id: int
    name: str
    sentiment: str = ""
    probability: float = 0.0


@dataclass(frozen=True)
class Article:
    """One stored article."""

    url: str
    title: str
    text: str
    published_at: datetime
    language: str
    content_hash: str
    outlet: str = ""
    source_id: int | None = None
    id: int | None = None
    classification: Classification | None = None
    duplicate_of: int | None = None  # id of the article that this one repeats
    story_id: int | None = None  # id of the article that began the story; None: this one did
    entities: tuple[EntityReading, ...] = ()


@dataclass(frozen=True)
class Story:
    """One event as several articles tell it: the one that began it, then the others in the order of storing."""

    first: Article
    articles: tuple[Article, ...]

    @property
    def copies(self) -> int:
        """How many articles tell it, near-duplicates included."""
        return len(self.articles)

    @property
    def outlets(self) -> tuple[str, ...]:
        """Those who tell it, each once."""
        return tuple(dict.fromkeys(article.outlet for article in self.articles if article.outlet))


# Feeds are RSS, Atom and JSON Feed; `auto` finds out. A list page is read by a CSS selector, other JSON by a
# mapping. Nobody visits a push source: programs write to it.
SOURCE_KINDS = ("auto", "feed", "page", "sitemap", "list", "json", "folder", "push")


@dataclass(frozen=True)
class Source:
    """A place that articles come from, and how its last visit went.

    `options` may hold: selector (list), mapping (json: a name or the dotted paths of items, title, url, text,
    published_at, outlet), glob (folder), days (sitemap: how old its pages may be), time_zone (of times without
    an offset), full_text (fetch the pages that a feed only announces), ignore_robots (with the site's leave).
    """

    id: int
    name: str
    url: str
    kind: str = "auto"  # one of SOURCE_KINDS
    enabled: bool = True
    sample: bool = False
    interval_minutes: int = 15
    last_fetched_at: datetime | None = None
    last_error: str = ""
    last_count: int = 0
    failing_since: datetime | None = None
    etag: str = ""
    last_modified: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    failures: int = 0  # in an unbroken row
    next_visit_at: datetime | None = None  # not before: the server, or the circuit breaker, asks for a pause


@dataclass(frozen=True)
class IngestReport:
    """Counts of one run over some sources; `errors` maps a source's name to what went wrong."""

    sources: int = 0
    fetched: int = 0
    new: int = 0
    duplicates: int = 0
    alerts: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrendPoint:
    """How many articles of each sentiment were published in the span that begins at `start`."""

    start: datetime
    negative: int = 0
    neutral: int = 0
    positive: int = 0

    @property
    def total(self) -> int:
        return self.negative + self.neutral + self.positive
