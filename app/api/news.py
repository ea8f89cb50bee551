"""Articles, trends, topics and the classifier for programs. Times are UTC; those given must name their offset."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from app.api.errors import ERRORS, GONE
from app.api.permissions import needs
from app.domain.errors import InvalidInput, NotFound
from app.domain.news import STYLES, Article, Classification, Excerpt, Sentiment, TrendPoint
from app.ml.executor import Priority
from app.ml.sentiment import SentimentClassifier
from app.services.queueing import ChatQueue
from app.storage.articles import Articles

MAX_ENTITY_CHARS = 200
MAX_ID = 2**31 - 1  # that the database can hold
CLASSIFYING_AT_ONCE, CLASSIFYING_WAITING = 2, 14  # each holds a thread of the server
_MAX_BUCKETS = 2000


def _within_calendar(at: datetime) -> datetime:
    """Far enough from both ends of the calendar that any zone can say it."""
    if not 1900 <= at.year <= 9000:
        raise ValueError("a year from 1900 to 9000 is meant")
    return at


Id = Annotated[int, Path(ge=1, le=MAX_ID)]
Time = Annotated[AwareDatetime, AfterValidator(_within_calendar)]
Name = Annotated[str, Query(max_length=MAX_ENTITY_CHARS)]


class TextsToClassify(BaseModel):
    """The body of a classification request."""

    texts: list[str] = Field(min_length=1, max_length=1000)
    entity: str = Field("", max_length=MAX_ENTITY_CHARS, description="a company: the sentiment towards it")
    style: str = Field("", pattern=f"^({'|'.join(STYLES)})?$", description="kind of text, where it is known")


class Reading(BaseModel):
    """A classification as it is answered: with every topic that holds."""

    model_config = ConfigDict(from_attributes=True)
    sentiment: Sentiment
    probability: float
    scores: dict[str, float]
    topic: str
    topics: tuple[str, ...]
    topic_scores: dict[str, float]
    deciding: tuple[str, ...]


class NamedCompany(BaseModel):
    """A company on the watchlist that an article names, and the sentiment towards it."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    sentiment: str
    probability: float


class StoredArticle(BaseModel):
    """An article as it is answered."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    url: str
    title: str
    text: str
    published_at: datetime
    language: str
    content_hash: str
    outlet: str
    source_id: int | None
    duplicate_of: int | None
    story_id: int | None
    entities: tuple[NamedCompany, ...]
    classification: Reading | None


def news_router(articles: Articles, classifier: SentimentClassifier, clock: Callable[[], datetime]) -> APIRouter:
    """Needs the scope articles:read."""
    reading = [Depends(needs("articles:read"))]
    router = APIRouter(prefix="/api/v1", tags=["news"], responses=ERRORS, dependencies=reading)

    def known_topic(topic: str | None) -> str | None:
        if topic is not None and topic not in classifier.titles:
            raise InvalidInput(f"There is no topic {topic!r:.60}. Topics: {', '.join(classifier.titles)}.")
        return topic

    @router.get("/topics")
    def list_topics() -> dict[str, str]:
        """The topics in force, with their titles."""
        return dict(classifier.titles)

    @router.get("/articles", response_model=list[StoredArticle])
    def list_articles(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        topic: Name | None = None,
        entity: Name | None = None,
        sentiment: Sentiment | None = None,
        language: Annotated[str | None, Query(max_length=8)] = None,
        search: Annotated[str | None, Query(max_length=200)] = None,
        since: Time | None = None,
        until: Time | None = None,
        include_duplicates: bool = False,
    ) -> list[Article]:
        """Articles, newest first."""
        return articles.recent(
            limit, offset, known_topic(topic), sentiment, language, search, since, until, include_duplicates, entity
        )

    @router.get("/articles/{article_id}", response_model=StoredArticle, responses=GONE)
    def get_article(article_id: Id) -> Article:
        """One article."""
        for found in articles.by_ids([article_id]):
            return found
        raise NotFound(f"There is no article {article_id}; it may have been removed.")

    @router.get("/trends")
    def list_trends(
        topic: Name | None = None,
        entity: Name | None = None,
        since: Time | None = None,
        until: Time | None = None,
        bucket_hours: Annotated[int, Query(ge=1, le=168)] = 6,
    ) -> list[TrendPoint]:
        """Articles per sentiment in spans of `bucket_hours`, of a topic or a company; by default a week."""
        if topic and entity:
            raise InvalidInput("A trend is of a topic or of a company (entity); give one of the two.")
        until = until or clock()
        since = since or until - timedelta(days=7)
        if not timedelta(0) < until - since <= timedelta(hours=bucket_hours * _MAX_BUCKETS):
            raise InvalidInput(f"A period is positive and holds at most {_MAX_BUCKETS} spans; widen bucket_hours.")
        return articles.trend(since, until, bucket_hours, known_topic(topic), entity or None)

    return router


def classify_router(classifier: SentimentClassifier, max_texts: int, max_text_chars: int) -> APIRouter:
    """Needs the scope classify."""
    router = APIRouter(prefix="/api/v1", tags=["news"], responses=ERRORS, dependencies=[Depends(needs("classify"))])
    queue = ChatQueue(CLASSIFYING_AT_ONCE, CLASSIFYING_WAITING)

    @router.post("/classify", response_model=list[Reading])
    def classify(body: TextsToClassify) -> list[Classification]:
        """Sentiment (towards a company, if one is named) and topics of each text, with all probabilities."""
        if len(body.texts) > max_texts:
            raise InvalidInput(f"texts: at most {max_texts} at once; send the rest in further requests.")
        for number, text in enumerate(body.texts):
            if not text.strip():
                raise InvalidInput(f"texts.{number}: it is empty.")
            if len(text) > max_text_chars:
                raise InvalidInput(f"texts.{number}: at most {max_text_chars} characters; send it in parts.")
        excerpts = [Excerpt(text, body.entity.strip(), body.style) for text in body.texts]
        with queue.enter() as ticket:
            ticket.wait()
            return classifier.classify(excerpts, Priority.ANALYST)

    return router
