"""The tables that can be taken out of the application."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]  # by name of column


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    TIME = "time"
    TEXTS = "texts"  # a list
    INTEGERS = "integers"  # a list


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind = Kind.TEXT


def columns(**kinds: Kind) -> tuple[Column, ...]:
    """Columns in the order of the arguments."""
    return tuple(Column(name, kind) for name, kind in kinds.items())


ARTICLES = columns(
    id=Kind.INTEGER, published_at=Kind.TIME, stored_at=Kind.TIME, title=Kind.TEXT, url=Kind.TEXT,
    outlet=Kind.TEXT, source=Kind.TEXT, language=Kind.TEXT, sentiment=Kind.TEXT, probability=Kind.NUMBER,
    topic=Kind.TEXT, topics=Kind.TEXTS, companies=Kind.TEXTS, deciding=Kind.TEXTS, duplicate_of=Kind.INTEGER,
    story_id=Kind.INTEGER, sample=Kind.FLAG, text=Kind.TEXT,
)  # fmt: skip
TRENDS = columns(
    start=Kind.TIME, topic=Kind.TEXT, entity=Kind.TEXT, negative=Kind.INTEGER, neutral=Kind.INTEGER,
    positive=Kind.INTEGER,
)  # fmt: skip
ALERTS = columns(
    id=Kind.INTEGER, topic=Kind.TEXT, entity=Kind.TEXT, state=Kind.TEXT, severity=Kind.TEXT,
    started_at=Kind.TIME, detected_at=Kind.TIME, ended_at=Kind.TIME, negatives=Kind.INTEGER,
    expected=Kind.NUMBER, p_value=Kind.NUMBER, window_hours=Kind.INTEGER, stories=Kind.INTEGER,
    acknowledged_by=Kind.TEXT, comment=Kind.TEXT, article_ids=Kind.INTEGERS, sent=Kind.INTEGER,
    pending=Kind.INTEGER, refused=Kind.INTEGER, sample=Kind.FLAG,
)  # fmt: skip
AUDIT = columns(
    id=Kind.INTEGER, at=Kind.TIME, actor=Kind.TEXT, action=Kind.TEXT, subject=Kind.TEXT, subject_id=Kind.TEXT,
    comment=Kind.TEXT, details=Kind.TEXT,
)  # fmt: skip
TABLES: Mapping[str, tuple[Column, ...]] = {
    "articles": ARTICLES, "trends": TRENDS, "alerts": ALERTS, "audit": AUDIT,
}  # fmt: skip
