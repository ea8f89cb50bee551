"""The engine, its migrations, and one transaction as a context."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, CursorResult, Delete, Engine, Update, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from app.domain.errors import ConfigurationError, InvalidInput, StorageUnavailable
from app.storage.search import TextSearch

_MIGRATION_LOCK = 8_240_715  # any number that no other program uses on the same PostgreSQL database
_check: ContextVar[Callable[[Session], None] | None] = ContextVar("check", default=None)


class Database:
    """A migrated database, safe to share between threads.

    Both contexts are one transaction, undone on any error. They raise StorageUnavailable when the database
    does not answer, and InvalidInput for a value that it cannot hold. SQLite has one writer at a time:
    `session()` waits for its turn at its first statement, so that what a block reads is still true when it
    writes; `reading()` never waits and must not write.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.texts = TextSearch(engine)
        self._readers = engine.execution_options(reads_only=True)

    @contextmanager
    def session(self) -> Iterator[Session]:
        with _transaction(self.engine) as session:
            if check := _check.get():
                check(session)
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with _transaction(self._readers) as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def guarded(check: Callable[[Session], None]) -> Iterator[None]:
    """Begin every writing transaction of this block with `check`, which raises to forbid it.

    It holds for the thread that runs the block; a thread that this one starts needs a copy of its context.
    """
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def open_database(url: str) -> Database:
    """Connect and bring the schema up to date. Raises ConfigurationError when that is impossible."""
    parsed = _parse(url)
    engine: Engine | None = None
    try:
        engine = create_engine(parsed, pool_pre_ping=True)
        if parsed.get_backend_name() == "sqlite":
            if parsed.database not in (None, "", ":memory:"):
                Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            event.listen(engine, "connect", _tune_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        _migrate(engine)
        return Database(engine)
    except (SQLAlchemyError, CommandError, ImportError, OSError) as error:
        if engine is not None:
            engine.dispose()
        raise ConfigurationError(
            f"The database {parsed.render_as_string(hide_password=True)} cannot be opened: "
            f"{str(error).splitlines()[0]}. Check BELLWETHER_DATABASE_URL."
        ) from error


def open_existing(url: str, mend: str = "Set BELLWETHER_DATA_DIR or BELLWETHER_DATABASE_URL.") -> Database:
    """Connect to what must be there: no new database by a slip of the pen. Raises InvalidInput where none is."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise InvalidInput(f"There is no database {parsed.database}. {mend}".rstrip())
    return open_database(url)


def affected_rows(session: Session, statement: Update | Delete) -> int:
    """Execute an UPDATE or DELETE and count the rows that it met."""
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


@contextmanager
def _transaction(engine: Engine) -> Iterator[Session]:
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
    except (OperationalError, PoolTimeoutError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise StorageUnavailable(
            f"The database did not answer: {reason}. Nothing was changed; try again in a moment."
        ) from error
    except (DataError, OverflowError, UnicodeEncodeError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise InvalidInput(f"The database cannot hold this value: {reason}.") from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError("BELLWETHER_DATABASE_URL is not a database address.") from error
    if parsed.drivername in ("postgres", "postgresql"):  # the first is what hosting companies hand out
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"BELLWETHER_DATABASE_URL names {parsed.drivername!r}; use sqlite:///PATH or postgresql://..."
        )
    return parsed


def _tune_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin too late: see _begin_sqlite
    connection.execute("PRAGMA busy_timeout=15000")
    if not connection.execute("PRAGMA page_count").fetchone()[0]:
        # The file's space can be given back in small steps only if that was said before anything was in it.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock first; a reader that turns writer cannot wait for it and would fail at once."""
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _migrate(engine: Engine) -> None:
    """Upgrade in one transaction, while other processes that start at the same time wait for it."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # SQLite alters a table by replacing it, and dropping the old one would cascade.
            _switch_foreign_keys(connection, "OFF")
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        if engine.dialect.name == "sqlite":
            _switch_foreign_keys(connection, "ON")


def _switch_foreign_keys(connection: Connection, state: str) -> None:
    """Outside of a transaction, where alone SQLite obeys."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute(f"PRAGMA foreign_keys={state}")
