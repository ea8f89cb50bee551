"""Articles, alerts, trends and the classifier over HTTP, for signed-in analysts."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.access import current_account
from app.domain.alerts import Alert, AlertState
from app.domain.errors import InvalidInput
from app.domain.news import STYLES, Article, Classification, Excerpt, Sentiment, TrendPoint
from app.ml.executor import Priority
from app.ml.sentiment import SentimentClassifier
from app.storage.alerts import Alerts
from app.storage.articles import Articles

MAX_TEXT_CHARS = 20_000
MAX_ENTITY_CHARS = 200
_MAX_BUCKETS = 2000


class TextToClassify(BaseModel):
    """The body of a classification request."""

    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARS)
    entity: str = Field("", max_length=MAX_ENTITY_CHARS, description="a company: the sentiment towards it")
    style: str = Field("", pattern=f"^({'|'.join(STYLES)})?$", description="kind of text, where it is known")


class Reading(BaseModel):
    """A classification as it is answered: with every topic that holds."""

    model_config = ConfigDict(from_attributes=True)
    sentiment: Sentiment
    scores: dict[str, float]
    topic: str
    topics: tuple[str, ...]
    topic_scores: dict[str, float]
    deciding: tuple[str, ...]


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
    classification: Reading | None


def news_router(
    articles: Articles, alerts: Alerts, classifier: SentimentClassifier, clock: Callable[[], datetime]
) -> APIRouter:
    """Every path needs a session. Times are UTC; those that are given must name their offset."""
    router = APIRouter(prefix="/api/v1", tags=["news"], dependencies=[Depends(current_account)])

    def known_topic(topic: str | None) -> str | None:
        if topic is not None and topic not in classifier.titles:
            raise InvalidInput(f"There is no topic {topic!r}. Topics: {', '.join(classifier.titles)}.")
        return topic

    @router.get("/topics")
    def list_topics() -> dict[str, str]:
        """The topics in force, with their titles."""
        return dict(classifier.titles)

    @router.post("/classify", response_model=Reading)
    def classify(body: TextToClassify) -> Classification:
        """Sentiment (towards a company, if one is named) and topics of a text, with all probabilities."""
        return classifier.classify([Excerpt(body.text, body.entity.strip(), body.style)], Priority.ANALYST)[0]

    @router.get("/articles", response_model=list[StoredArticle])
    def list_articles(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        offset: Annotated[int, Query(ge=0)] = 0,
        topic: str | None = None,
        sentiment: Sentiment | None = None,
        language: str | None = None,
        search: Annotated[str | None, Query(max_length=200)] = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        include_duplicates: bool = False,
    ) -> list[Article]:
        """Articles, newest first."""
        return articles.recent(
            limit, offset, known_topic(topic), sentiment, language, search, since, until, include_duplicates
        )

    @router.get("/alerts")
    def list_alerts(
        limit: Annotated[int, Query(ge=1, le=500)] = 50, state: AlertState | None = None
    ) -> list[Alert]:
        """Alerts, newest first."""
        return alerts.list(limit, state)

    @router.get("/trends")
    def list_trends(
        topic: str | None = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        bucket_hours: Annotated[int, Query(ge=1, le=168)] = 6,
    ) -> list[TrendPoint]:
        """Articles per sentiment in spans of `bucket_hours`; by default of the last seven days."""
        until = until or clock()
        since = since or until - timedelta(days=7)
        if not timedelta(0) < until - since <= timedelta(hours=bucket_hours * _MAX_BUCKETS):
            raise InvalidInput(f"A period is positive and holds at most {_MAX_BUCKETS} spans; widen bucket_hours.")
        return articles.trend(since, until, bucket_hours, known_topic(topic))

    return router
