"""What is too old leaves, in small steps; what is still needed stays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from app.config import load_settings
from app.domain.conversations import Message, Role
from app.domain.errors import ConfigurationError
from app.domain.retention import RetentionPolicy
from app.services.retention import Retention
from app.storage.audit import Audit, record
from app.storage.conversations import Conversations
from app.storage.database import Database, open_database
from app.storage.jobs import JobRuns
from app.storage.retention import OldRows
from app.storage.tables import (
    AlertRow,
    ArticleRow,
    ArticleTopicRow,
    AuditRow,
    Base,
    DeliveryRow,
    SilenceRow,
    SketchRow,
    UsedTokenRow,
)
from tests.fakes import ManualClock

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def retention_of(database: Database, policy: RetentionPolicy | None = None, batch: int = 3) -> Retention:
    return Retention(OldRows(database, batch), policy or RetentionPolicy(), ManualClock(NOW), pause=lambda: None)


def add_article(database: Database, number: int, age_days: float, **fields: object) -> None:
    row = ArticleRow(
        id=number, url=f"u{number}", title="t", text="x" * 500, language="en", published_at=NOW - 2000 * DAY,
        stored_at=NOW - age_days * DAY, content_hash="h", **fields,
    )  # fmt: skip
    with database.session() as session:
        session.add(row)
        session.flush()
        session.add(ArticleTopicRow(article_id=number, topic="cyber"))
        session.add(SketchRow(article_id=number, minhash=b"m"))


def add_alert(database: Database, number: int, state: str, age_days: float, articles: list[int]) -> None:
    at = NOW - age_days * DAY
    with database.session() as session:
        session.add(
            AlertRow(
                id=number, topic=f"topic {number}", started_at=at, detected_at=at, severity="high", negatives=5,
                expected=1.0, p_value=1e-6, window_hours=3, article_ids=articles, state=state,
            )
        )  # fmt: skip
        session.flush()
        session.add(DeliveryRow(alert_id=number, recipient="r", key=f"k{number}", message_id=f"m{number}"))


def ids(database: Database, row: type[Base]) -> list[int]:
    with database.reading() as session:
        return sorted(session.scalars(select(row.id)))  # type: ignore[attr-defined]


def test_old_articles_leave_in_batches_with_all_that_hangs_on_them(database: Database) -> None:
    for number in range(1, 9):
        add_article(database, number, age_days=401)
    for number in range(9, 12):
        add_article(database, number, age_days=399)
    assert retention_of(database).run()["articles"] == 8
    assert ids(database, ArticleRow) == [9, 10, 11]
    with database.reading() as session:
        for table in (ArticleTopicRow, SketchRow):
            assert session.scalar(select(func.count()).select_from(table)) == 3


def test_articles_of_an_unresolved_alert_stay(database: Database) -> None:
    for number in range(1, 8):
        add_article(database, number, age_days=500)
    add_alert(database, 1, "open", 500, [1, 2])
    add_alert(database, 2, "acknowledged", 500, [4])
    add_alert(database, 3, "resolved", 500, [5, 6])
    assert retention_of(database).run()["articles"] == 4
    assert ids(database, ArticleRow) == [1, 2, 4]


def test_original_stays_while_a_copy_does(database: Database) -> None:
    add_article(database, 1, 402)
    add_article(database, 2, 401, duplicate_of=1)
    add_article(database, 3, 399, duplicate_of=1)
    add_article(database, 4, 402)
    add_article(database, 5, 401, story_id=4)
    add_article(database, 6, 402)
    add_article(database, 7, 401, story_id=6)
    add_alert(database, 1, "open", 399, [7])
    assert retention_of(database).run()["articles"] == 3
    assert ids(database, ArticleRow) == [1, 3, 6, 7]
    with database.reading() as session:
        assert session.get(ArticleRow, 3).duplicate_of == 1  # type: ignore[union-attr]


def test_conversations_leave_by_their_last_message(database: Database) -> None:
    conversations = Conversations(database)
    old, spoken, young = (conversations.start(NOW - age * DAY) for age in (181, 181, 179))
    for key, age in ((old, 181), (spoken, 10)):
        conversations.append(key, Message(Role.CUSTOMER, "hello"), NOW - age * DAY)
    conversations.add_handoff(old, "a@b.example", "", NOW - 181 * DAY)
    assert retention_of(database).run()["conversations"] == 1
    assert [conversations.exists(key) for key in (old, spoken, young)] == [False, True, True]
    assert conversations.handoffs() == []


def test_audit_and_resolved_alerts_leave_by_their_age_alone(database: Database) -> None:
    with database.session() as session:
        for age in (1101, 1099):
            record(session, NOW - age * DAY, "wei", "acknowledge", "alert", 1)
            session.add(UsedTokenRow(token_hash=f"{age}", used_at=NOW - age * DAY))
            session.add(SilenceRow(starts_at=NOW - 1200 * DAY, ends_at=NOW - age * DAY, created_by="wei"))
            session.add(
                DeliveryRow(
                    recipient="r", key=f"d{age}", message_id=f"d{age}", state="sent", created_at=NOW - age * DAY
                )
            )
    add_alert(database, 1, "resolved", 1101, [])
    add_alert(database, 2, "open", 1101, [])
    add_alert(database, 3, "resolved", 1099, [])
    counts = retention_of(database).run()
    gone = {"articles": 0, "conversations": 0, "alerts": 1, "deliveries": 1, "silences": 1, "tokens": 1}
    assert {key: counts[key] for key in (*gone, "audit")} == {**gone, "audit": 1}
    assert ids(database, AlertRow) == [2, 3]
    assert len(ids(database, DeliveryRow)) == 3
    told, kept = Audit(database).entries()
    assert (told.actor, told.action, told.details["alerts"]) == ("system", "remove", 1)
    assert kept.at == NOW - 1099 * DAY


def test_last_run_of_each_job_stays(database: Database) -> None:
    runs = JobRuns(database)
    for job, age in (("fetch", 16), ("fetch", 15), ("detect", 16), ("detect", 13), ("detect", 1)):
        runs.begin(job, NOW - age * DAY)
    assert retention_of(database).run()["job_runs"] == 2
    assert [(r.job, (NOW - r.started_at).days) for r in runs.recent()] == [
        ("detect", 1),
        ("detect", 13),
        ("fetch", 15),
    ]


def test_zero_days_keep_for_ever(database: Database) -> None:
    add_article(database, 1, 4000)
    Conversations(database).start(NOW - 4000 * DAY)
    JobRuns(database).begin("fetch", NOW - 4000 * DAY)
    with database.session() as session:
        session.add(AuditRow(at=NOW - 4000 * DAY, actor="a", action="b", subject="c"))
    counts = retention_of(database, RetentionPolicy(0, 0, 0, 0)).run()
    assert sum(counts.values()) == counts["pages"]
    assert Audit(database).entries(limit=9)[0].actor == "a"


def test_interrupted_run_is_finished_by_the_next_one(database: Database) -> None:
    for number in range(1, 11):
        add_article(database, number, age_days=401)
    pauses: list[int] = []

    def interrupt() -> None:
        pauses.append(1)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    interrupted = Retention(OldRows(database, 3), RetentionPolicy(), ManualClock(NOW), pause=interrupt)
    with pytest.raises(KeyboardInterrupt):
        interrupted.run()
    assert ids(database, ArticleRow) == [1, 2, 3, 4]
    assert retention_of(database).run()["articles"] == 4


def filled(database: Database) -> Callable[[], tuple[int, int]]:
    """Removes most of many articles; gives the function that reads pages and free pages."""
    with database.session() as session:
        session.add_all(
            ArticleRow(
                id=n, url=f"u{n}", title="t", text="x" * 3000, language="en", published_at=NOW,
                stored_at=NOW - 401 * DAY, content_hash="h",
            )
            for n in range(1500)
        )  # fmt: skip

    def pages() -> tuple[int, int]:
        with database.reading() as session:
            return tuple(session.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "freelist_count"))  # type: ignore[return-value]

    return pages


def test_space_is_given_back_in_small_steps(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'b.db'}")
    pages = filled(database)
    before = pages()[0]
    counts = retention_of(database, batch=200).run()
    after, free = pages()
    assert free == 0
    assert counts["pages"] == before - after > 1000
    assert [*OldRows(database).compact()] == []
    database.close()


def test_file_of_an_earlier_version_is_rewritten_once(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'b.db'}")
    connection = database.engine.raw_connection()
    for statement in ("PRAGMA auto_vacuum=NONE", "VACUUM"):
        connection.driver_connection.execute(statement)  # type: ignore[union-attr]
    assert connection.driver_connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)  # type: ignore[union-attr]
    connection.close()
    pages = filled(database)
    before = pages()[0]
    assert retention_of(database, batch=200).run()["pages"] > 1000
    after, free = pages()
    assert (free, after < before - 1000) == (0, True)
    with database.reading() as session:
        assert session.scalar(text("PRAGMA auto_vacuum")) == 2
    database.close()


def test_history_that_the_detector_needs_cannot_be_configured_away() -> None:
    with pytest.raises(ConfigurationError, match=r"RETENTION_ARTICLES_DAYS.*42 days"):
        load_settings(promoted=False, retention_articles_days=30)
    assert load_settings(promoted=False, retention_articles_days=0).retention_articles_days == 0
