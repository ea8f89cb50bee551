"""Rows of the database (SQLAlchemy 2). Times are stored as UTC."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_EMPTY: ColumnElement[str] = literal_column("''")  # of a column that was added to rows


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware datetime that is UTC in the database, whatever the engine keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times must be timezone-aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class OutsideText(TypeDecorator[str]):
    """Text from the outside world: what a database cannot hold is dropped, the rest cut to the column's length.

    PostgreSQL refuses NUL, neither engine takes lone surrogates, and broken feeds contain both.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        if value is None:
            return None
        assert isinstance(self.impl_instance, String)
        return value.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")[: self.impl_instance.length]


class Base(DeclarativeBase):
    # Every constraint has a name that a later migration can say, on SQLite too.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
    }


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


class HandoffRow(Base):
    __tablename__ = "handoffs"
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    contact: Mapped[str] = mapped_column(OutsideText(200))
    note: Mapped[str] = mapped_column(OutsideText(), default="")


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


class ArticleRow(Base):
    __tablename__ = "articles"
    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int | None] = mapped_column(ForeignKey("sources.id", ondelete="SET NULL"), index=True)
    url: Mapped[str] = mapped_column(String(2000), unique=True)
    title: Mapped[str] = mapped_column(OutsideText())
    text: Mapped[str] = mapped_column(OutsideText())
    outlet: Mapped[str] = mapped_column(OutsideText(200), default="")
    language: Mapped[str] = mapped_column(String(8))
    published_at: Mapped[datetime] = mapped_column(index=True)
    stored_at: Mapped[datetime]
    content_hash: Mapped[str] = mapped_column(String(64), index=True)
    duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("articles.id", ondelete="SET NULL"), index=True)
    sample: Mapped[bool] = mapped_column(default=False)
    sentiment: Mapped[str] = mapped_column(String(16), default="")
    topic: Mapped[str] = mapped_column(String(32), default="")
    probability: Mapped[float] = mapped_column(default=0.0)
    scores: Mapped[dict[str, Any]] = mapped_column(default=dict)
    topic_scores: Mapped[dict[str, Any]] = mapped_column(default=dict)
    deciding: Mapped[str] = mapped_column(OutsideText(), default="", server_default=_EMPTY)  # one excerpt a line
    __table_args__ = (Index(None, "topic", "published_at"),)


class ArticleTopicRow(Base):
    """A topic that holds for an article; its most likely one (ArticleRow.topic) is among them."""

    __tablename__ = "article_topics"
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True)
    topic: Mapped[str] = mapped_column(String(32), primary_key=True, index=True)


class AlertRow(Base):
    __tablename__ = "alerts"
    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(32), index=True)
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
    # One alert for one finding, even when two processes look at the same hour.
    __table_args__ = (UniqueConstraint("topic", "detected_at"),)


class DeliveryRow(Base):
    __tablename__ = "deliveries"
    id: Mapped[int] = mapped_column(primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    recipient: Mapped[str] = mapped_column(String(320))
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    state: Mapped[str] = mapped_column(String(16), default="pending", index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(OutsideText(1000), default="")
    sent_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("alert_id", "recipient"),)


class AccountRow(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(String(300))
    role: Mapped[str] = mapped_column(String(20))
    failed_attempts: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]


class SessionRow(Base):
    __tablename__ = "sessions"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]


class JobRunRow(Base):
    __tablename__ = "job_runs"
    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(String(50), index=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(OutsideText(1000), default="")


class LeaseRow(Base):
    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
