"""Rows of the database (SQLAlchemy 2). Times are stored as UTC."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.columns import ALERT, EMPTY, FALSE, NONE, NOTHING, ZERO, Base, OutsideText


class ConversationRow(Base):
    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    started_at: Mapped[datetime]


class MessageRow(Base):
    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    role: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(OutsideText())
    outcome: Mapped[str] = mapped_column(String(16), default="")
    citations: Mapped[list[Any]] = mapped_column(default=list)
    feedback: Mapped[int] = mapped_column(default=0)  # -1, 0, 1
    feedback_reason: Mapped[str] = mapped_column(OutsideText(50), default="", server_default=EMPTY)
    feedback_comment: Mapped[str] = mapped_column(OutsideText(1000), default="", server_default=EMPTY)
    author: Mapped[str] = mapped_column(OutsideText(100), default="", server_default=EMPTY)  # an agent's user name


class HandoffRow(Base):
    __tablename__ = "handoffs"
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    contact: Mapped[str] = mapped_column(OutsideText(200))
    note: Mapped[str] = mapped_column(OutsideText(), default="")
    assignee: Mapped[str] = mapped_column(OutsideText(100), default="", server_default=EMPTY)
    resolved_at: Mapped[datetime | None]


class CorrectionRow(Base):
    """The answer that an agent put in the place of a reply: a row to learn from."""

    __tablename__ = "corrections"
    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), unique=True)
    at: Mapped[datetime]
    corrected_by: Mapped[str] = mapped_column(OutsideText(100))
    question: Mapped[str] = mapped_column(OutsideText())
    answer: Mapped[str] = mapped_column(OutsideText())
    passages: Mapped[list[Any]] = mapped_column(default=list)


class SourceRow(Base):
    __tablename__ = "sources"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(OutsideText(200))
    url: Mapped[str] = mapped_column(String(2000), unique=True)
    kind: Mapped[str] = mapped_column(String(16), default="auto")
    enabled: Mapped[bool] = mapped_column(default=True)
    sample: Mapped[bool] = mapped_column(default=False)
    interval_minutes: Mapped[int] = mapped_column(default=15)
    last_fetched_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(OutsideText(1000), default="")
    last_count: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    etag: Mapped[str] = mapped_column(OutsideText(500), default="")
    last_modified: Mapped[str] = mapped_column(OutsideText(100), default="")
    options: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=NOTHING)  # selector or mapping
    failures: Mapped[int] = mapped_column(default=0, server_default=ZERO)  # in an unbroken row
    next_visit_at: Mapped[datetime | None]  # not before: what the server or the circuit breaker asks for


class ArticleRow(Base):
    __tablename__ = "articles"
    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("sources.id", ondelete="SET NULL"), index=True)
    url: Mapped[str] = mapped_column(String(2000), unique=True)
    title: Mapped[str] = mapped_column(OutsideText())
    text: Mapped[str] = mapped_column(OutsideText())
    outlet: Mapped[str] = mapped_column(OutsideText(200), default="")
    language: Mapped[str] = mapped_column(String(8))
    published_at: Mapped[datetime]
    stored_at: Mapped[datetime]
    content_hash: Mapped[str] = mapped_column(String(64), index=True)
    duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="SET NULL"))
    sample: Mapped[bool] = mapped_column(default=False)
    sentiment: Mapped[str] = mapped_column(String(16), default="")
    topic: Mapped[str] = mapped_column(String(32), default="")
    probability: Mapped[float] = mapped_column(default=0.0)
    scores: Mapped[dict[str, Any]] = mapped_column(default=dict)
    topic_scores: Mapped[dict[str, Any]] = mapped_column(default=dict)
    deciding: Mapped[str] = mapped_column(OutsideText(), default="", server_default=EMPTY)  # one excerpt a line
    # The article that begins the story which this one retells; none for an article that begins one itself.
    story_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="SET NULL"))
    __table_args__ = (
        # Lists and counts are read off it, without the rows.
        Index(
            "ix_articles_timeline",
            *("published_at", "id", "duplicate_of", "story_id", "sentiment", "language", "topic"),
        ),
        Index(None, "stored_at"),
        # Without the NULLs, for which a planner without statistics would take them.
        *(
            Index(
                None,
                column,
                sqlite_where=text(f"{column} IS NOT NULL"),
                postgresql_where=text(f"{column} IS NOT NULL"),
            )
            for column in ("duplicate_of", "story_id")
        ),
    )


class ArticleTopicRow(Base):
    """A topic that holds for an article; its most likely one (ArticleRow.topic) is among them."""

    __tablename__ = "article_topics"
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True)
    topic: Mapped[str] = mapped_column(String(32), primary_key=True)
    __table_args__ = (Index(None, "topic", "article_id"),)


class SketchRow(Base):
    """What tells a recent original from its copies and retellings, kept while they are searched for."""

    __tablename__ = "sketches"
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True)
    minhash: Mapped[bytes]  # uint32 values, little-endian
    vector: Mapped[bytes] = mapped_column(default=b"")  # unit vector, float16, little-endian
    embedder: Mapped[str] = mapped_column(String(100), default="")  # that made the vector


class EntityRow(Base):
    """A company on the watchlist."""

    __tablename__ = "entities"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(OutsideText(200), unique=True)
    names: Mapped[list[Any]] = mapped_column(default=list)  # other names and tickers, with their rules
    enabled: Mapped[bool] = mapped_column(default=True)
    sample: Mapped[bool] = mapped_column(default=False)


class ArticleEntityRow(Base):
    """A company that an article names, and the sentiment towards it."""

    __tablename__ = "article_entities"
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True)
    entity_id: Mapped[int] = mapped_column(ForeignKey("entities.id", ondelete="CASCADE"), primary_key=True)
    sentiment: Mapped[str] = mapped_column(String(16), default="")
    probability: Mapped[float] = mapped_column(default=0.0)
    __table_args__ = (Index(None, "entity_id", "article_id"),)


class ArticleCorrectionRow(Base):
    """A sentiment that an analyst put in the place of the model's: a row to learn from, kept after its article."""

    __tablename__ = "article_corrections"
    id: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="SET NULL"), unique=True)
    text: Mapped[str] = mapped_column(OutsideText())
    label: Mapped[str] = mapped_column(String(16))
    topic: Mapped[str] = mapped_column(String(200), default="")
    corrected_by: Mapped[str] = mapped_column(OutsideText(100))
    at: Mapped[datetime]


class AlertRow(Base):
    """An alert on a topic, or on a company (`entity`); the other is empty."""

    __tablename__ = "alerts"
    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(32), index=True)
    entity: Mapped[str] = mapped_column(OutsideText(200), default="", server_default=EMPTY, index=True)
    started_at: Mapped[datetime]
    detected_at: Mapped[datetime] = mapped_column(index=True)
    severity: Mapped[str] = mapped_column(String(16))
    negatives: Mapped[int]
    expected: Mapped[float]
    p_value: Mapped[float]
    window_hours: Mapped[int]
    article_ids: Mapped[list[Any]] = mapped_column(default=list)
    state: Mapped[str] = mapped_column(String(16), default="open")
    acknowledged_by: Mapped[str] = mapped_column(OutsideText(100), default="")
    comment: Mapped[str] = mapped_column(OutsideText(), default="")
    sample: Mapped[bool] = mapped_column(default=False)
    stories: Mapped[int] = mapped_column(default=0, server_default=ZERO)  # that its articles tell
    decisive: Mapped[list[Any]] = mapped_column(default=list, server_default=NONE)  # without which it would not be
    opened_at: Mapped[datetime | None]  # when it was stored, or last reopened
    grown_at: Mapped[datetime | None]  # when articles last joined it
    ended_at: Mapped[datetime | None]  # when its window became ordinary again
    notified_at: Mapped[datetime | None]  # when mails were last written
    escalated_at: Mapped[datetime | None]
    # One alert for one finding, even when two processes look at the same hour.
    __table_args__ = (UniqueConstraint("topic", "entity", "detected_at"),)


class SilenceRow(Base):
    """Alerts that match write no mails between two moments. An empty matcher matches everything."""

    __tablename__ = "silences"
    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(32), default="")
    entity: Mapped[str] = mapped_column(OutsideText(200), default="")
    max_severity: Mapped[str] = mapped_column(String(16), default="")  # severer alerts get through
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    created_by: Mapped[str] = mapped_column(OutsideText(100))
    comment: Mapped[str] = mapped_column(OutsideText(), default="")


class AuditRow(Base):
    """Who changed what, and when. Rows are added, and leave by their age alone."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(OutsideText(100))  # a user name, or "system"
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(50))  # alert, silence, source, account ...
    subject_id: Mapped[str] = mapped_column(String(64), default="")
    comment: Mapped[str] = mapped_column(OutsideText(), default="")
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    __table_args__ = (Index(None, "subject", "subject_id"),)


class SubscriptionRow(Base):
    """What one recipient wants to hear of, and how."""

    __tablename__ = "subscriptions"
    id: Mapped[int] = mapped_column(primary_key=True)
    recipient: Mapped[str] = mapped_column(String(1000), unique=True)  # an e-mail address, or an Apprise URL
    topics: Mapped[list[Any]] = mapped_column(default=list)  # none: all
    entities: Mapped[list[Any]] = mapped_column(default=list)  # none: all
    min_severity: Mapped[str] = mapped_column(String(16), default="")
    quiet_from: Mapped[str] = mapped_column(String(5), default="")  # HH:MM in its time zone
    quiet_until: Mapped[str] = mapped_column(String(5), default="")
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    language: Mapped[str] = mapped_column(String(8), default="en")
    digest: Mapped[str] = mapped_column(String(8), default="")  # "", daily, weekly
    escalation: Mapped[bool] = mapped_column(default=False)  # hears of alerts that nobody acknowledged
    enabled: Mapped[bool] = mapped_column(default=True)
    last_digest_at: Mapped[datetime | None]


class UsedTokenRow(Base):
    """A one-time token of a mail's link that has done its work."""

    __tablename__ = "used_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime]


class DeliveryRow(Base):
    __tablename__ = "deliveries"
    id: Mapped[int] = mapped_column(primary_key=True)
    # None: a digest or a test, which belongs to no alert.
    alert_id: Mapped[int | None] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    recipient: Mapped[str] = mapped_column(String(1000))
    kind: Mapped[str] = mapped_column(String(16), default="alert", server_default=ALERT)
    key: Mapped[str] = mapped_column(String(1200), unique=True)  # idempotency: one delivery for one occasion
    created_at: Mapped[datetime | None]
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    state: Mapped[str] = mapped_column(String(16), default="pending", index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(OutsideText(1000), default="")
    sent_at: Mapped[datetime | None]


class AccountRow(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(String(300))
    role: Mapped[str] = mapped_column(String(20))
    failed_attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    disabled: Mapped[bool] = mapped_column(default=False, server_default=FALSE)  # by an administrator
    must_change: Mapped[bool] = mapped_column(default=False, server_default=FALSE)  # its password, before all else


class SessionRow(Base):
    __tablename__ = "sessions"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    address: Mapped[str] = mapped_column(OutsideText(64), default="", server_default=EMPTY)
    browser: Mapped[str] = mapped_column(OutsideText(200), default="", server_default=EMPTY)


class JobRunRow(Base):
    __tablename__ = "job_runs"
    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(String(50), index=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(OutsideText(1000), default="")


class PausedJobRow(Base):
    __tablename__ = "paused_jobs"
    job: Mapped[str] = mapped_column(String(50), primary_key=True)
    paused_by: Mapped[str] = mapped_column(OutsideText(100))
    at: Mapped[datetime]


class LeaseRow(Base):
    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    fence: Mapped[int] = mapped_column(default=0, server_default=ZERO)  # grows with every new holder


class ApiKeyRow(Base):
    """A key of the programming interface; only its hash is kept."""

    __tablename__ = "api_keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(OutsideText(100), unique=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256 of 256 random bits
    scopes: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
