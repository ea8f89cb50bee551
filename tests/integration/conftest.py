"""A fresh, migrated database for each test: SQLite always, PostgreSQL where there is one to use."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from app.storage.database import Database, open_database

POSTGRES = os.environ.get("BELLWETHER_TEST_POSTGRES", "")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of an empty database: a new file, or a new schema that is dropped after the test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bellwether.db'}"
        return
    if not POSTGRES:
        pytest.skip("BELLWETHER_TEST_POSTGRES holds no database address")
    schema = f"test_{secrets.token_hex(6)}"
    base = make_url(POSTGRES).set(drivername="postgresql+psycopg")
    engine = create_engine(base, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield base.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()
