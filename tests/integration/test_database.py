"""The engine and its schema: migrations, transactions, threads, and failures in words."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from concurrency import in_threads
from sqlalchemy import Engine, create_engine, func, inspect, select, text

from app.domain.errors import AppError, ConfigurationError, InvalidInput, StorageUnavailable
from app.storage import database as migrations
from app.storage import search
from app.storage.articles import Articles
from app.storage.database import Database, open_database
from app.storage.tables import (
    ArticleRow,
    ArticleTopicRow,
    Base,
    ConversationRow,
    JobRunRow,
    LeaseRow,
    MessageRow,
    SourceRow,
)

NOW = datetime(2026, 3, 2, 9, 30, 15, 123456, tzinfo=UTC)


def test_migration_agrees_with_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                # PostgreSQL cannot compare JSON.
                "compare_server_default": database.engine.dialect.name == "sqlite",
                "include_name": lambda name, kind, _: kind != "table" or not name.startswith(search.TABLE),
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def test_migration_names_every_constraint(database: Database) -> None:
    inspector = inspect(database.engine)
    for table in Base.metadata.tables:
        assert inspector.get_pk_constraint(table)["name"] == f"pk_{table}"
        named = [*inspector.get_unique_constraints(table), *inspector.get_foreign_keys(table)]
        assert all(constraint["name"] for constraint in named)


def test_migration_gives_older_articles_their_topics(database_url: str) -> None:
    """More than one batch of articles as the first schema stored them."""
    engine = _at_first_schema(database_url)
    scores = [{"cyber": 0.5, "labour": 0.3, "other": 0.2}, {"cyber": 0.9, "other": 0.1}, {}]
    columns = (
        "id, url, title, text, outlet, language, published_at, stored_at, content_hash, sample, sentiment, topic"
    )
    insert = text(
        f"INSERT INTO articles ({columns}, probability, scores, topic_scores) VALUES "
        "(:id, :url, 't', 't', '', 'en', :now, :now, 'h', false, 'negative', :topic, 0.9, '{}', :scores)"
    )
    with engine.begin() as connection:
        for number in range(1, 2003):
            topic, found = ("" if number == 3 else "cyber"), json.dumps(scores[number % 3])
            connection.execute(
                insert, {"id": number, "url": f"u{number}", "now": NOW, "topic": topic, "scores": found}
            )
    engine.dispose()
    opened = open_database(database_url)
    with opened.reading() as session:
        rows = session.execute(select(ArticleTopicRow.article_id, ArticleTopicRow.topic)).all()
        deciding = set(session.scalars(select(ArticleRow.deciding)))
    opened.close()
    expected = {(n, "cyber") for n in range(1, 2003)} | {(n, "labour") for n in range(1, 2003) if n % 3 == 0}
    assert set(map(tuple, rows)) == {(n, topic) for n, topic in expected if n != 3}
    assert deciding == {""}


def test_migration_makes_older_articles_searchable(database_url: str) -> None:
    engine = _at_first_schema(database_url)
    columns = "url, title, text, outlet, language, published_at, stored_at, content_hash, sample, sentiment, topic"
    with engine.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO articles ({columns}, probability, scores, topic_scores) VALUES "
                "('u', 'Larkmoor outage', '客户无法付款', '', 'en', :now, :now, 'h', false, '', '', 0, '{}', '{}')"
            ),
            {"now": NOW},
        )
    engine.dispose()
    opened = open_database(database_url)
    articles = Articles(opened)
    assert [a.title for a in articles.recent(search="OUTAGE 无法")] == ["Larkmoor outage"]
    assert articles.recent(search="outing") == []
    opened.close()


def _at_first_schema(database_url: str) -> Engine:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent / "migrations"))
    engine = create_engine(database_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    return engine


def test_open_again_keeps_the_rows(database_url: str) -> None:
    first = open_database(database_url)
    with first.session() as session:
        session.add(ConversationRow(id="a", started_at=NOW))
    first.close()
    second = open_database(database_url)
    with second.reading() as session:
        assert session.get(ConversationRow, "a") is not None
    second.close()


def test_open_by_several_at_once_migrates_once(database_url: str) -> None:
    def open_and_count(_: int) -> int:
        opened = open_database(database_url)
        with opened.reading() as session:
            count = session.scalar(text("SELECT count(*) FROM alembic_version"))
        opened.close()
        return count

    assert in_threads(4, open_and_count) == [1, 1, 1, 1]


def test_session_rolls_back_when_its_block_fails(database: Database) -> None:
    def write_and_fail() -> None:
        with database.session() as session:
            session.add(ConversationRow(id="a", started_at=NOW))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with database.reading() as session:
        assert session.get(ConversationRow, "a") is None


def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    shanghai = NOW.astimezone(timezone(timedelta(hours=8)))
    with database.session() as session:
        session.add(ConversationRow(id="a", started_at=shanghai))
    with database.reading() as session:
        row = session.get(ConversationRow, "a")
    assert row is not None
    assert row.started_at == NOW
    assert row.started_at.utcoffset() == timedelta(0)


def test_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="timezone-aware"), database.session() as session:
        session.add(ConversationRow(id="a", started_at=NOW.replace(tzinfo=None)))


def test_outside_text_loses_only_what_cannot_be_kept(database: Database) -> None:
    with database.session() as session:
        session.add(SourceRow(name="a\x00b\ud800c 新闻" + "x" * 300, url="u", last_error="e" * 5000))
    with database.reading() as session:
        row = session.scalars(select(SourceRow)).one()
    assert row.name.startswith("abc 新闻xxx")
    assert len(row.name) == 200
    assert len(row.last_error) == 1000


def test_foreign_keys_are_enforced_after_the_migration(database: Database) -> None:
    with database.session() as session:
        session.add(ConversationRow(id="a", started_at=NOW))
        session.flush()
        session.add(MessageRow(conversation_id="a", at=NOW, role="user", content="hello"))
    with database.session() as session:
        session.execute(text("DELETE FROM conversations"))
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(MessageRow)) == 0


def test_burst_of_writers_all_succeed(database: Database) -> None:
    def write(number: int) -> None:
        for _ in range(25):
            with database.session() as session:
                seen = session.scalar(select(func.count()).select_from(JobRunRow))
                session.add(JobRunRow(job=f"job {number}", started_at=NOW, counts={"seen": seen or 0}))
            with database.reading() as session:
                session.scalars(select(JobRunRow).limit(5)).all()

    in_threads(8, write)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(JobRunRow)) == 8 * 25


def test_read_then_write_is_not_lost_between_writers(database: Database) -> None:
    with database.session() as session:
        session.add(SourceRow(id=1, name="n", url="u", last_count=0))

    def increment(_: int) -> None:
        for _ in range(10):
            with database.session() as session:
                row = session.get(SourceRow, 1, with_for_update=True)
                assert row is not None
                row.last_count += 1

    in_threads(8, increment)
    with database.reading() as session:
        assert session.scalar(select(SourceRow.last_count)) == 80


def test_reader_is_not_kept_waiting_by_a_writer(database: Database) -> None:
    with database.session() as writer:
        writer.add(LeaseRow(name="l", holder="h", expires_at=NOW))
        writer.flush()
        with database.reading() as reader:
            assert reader.get(LeaseRow, "l") is None


def test_value_that_does_not_fit_is_invalid_input(database: Database) -> None:
    # PostgreSQL's integers have 32 bits, SQLite's 64.
    with pytest.raises(InvalidInput, match="cannot hold"), database.session() as session:
        session.add(SourceRow(name="n", url="u", last_count=2**70))


def test_locked_database_is_reported_in_words(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'bellwether.db'}")
    with database.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA busy_timeout=50")  # type: ignore[union-attr]
    other = sqlite3.connect(tmp_path / "bellwether.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    said = r"did not answer: database is locked.*try again"
    with pytest.raises(StorageUnavailable, match=said), database.session() as session:
        session.add(ConversationRow(id="a", started_at=NOW))
    other.close()
    database.close()


def test_open_creates_the_folder(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'deep' / 'er' / 'b.db'}").close()
    assert (tmp_path / "deep" / "er" / "b.db").exists()


def test_open_works_under_a_path_with_a_percent_sign(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / '100%' / 'b.db'}").close()


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u:secret@h/d", "postgresql://u:secret@127.0.0.1:1/d", "sqlite:////proc/none/b.db"]
)
def test_open_an_impossible_database_says_the_mend_and_no_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="BELLWETHER_DATABASE_URL") as caught:
        open_database(url)
    assert "secret" not in str(caught.value)


def test_open_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.db").write_text("not a database, only some text that is long enough" * 10)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_database(f"sqlite:///{tmp_path / 'b.db'}")


def test_open_a_database_of_a_later_version_is_refused(database_url: str) -> None:
    database = open_database(database_url)
    with database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    database.close()
    with pytest.raises(AppError, match="later"):
        open_database(database_url)
