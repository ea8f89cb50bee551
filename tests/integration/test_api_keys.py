"""Keys of the programming interface: made once, kept as hashes, revoked for good."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.api_keys import SCOPES
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.services.api_keys import ApiKeys
from app.storage.api_keys import StoredApiKeys
from app.storage.audit import Audit
from app.storage.database import Database, open_database
from app.storage.tables import ApiKeyRow
from pipelines import create_api_key
from tests.fakes import ManualClock

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def keys(database: Database, clock: ManualClock) -> ApiKeys:
    return ApiKeys(StoredApiKeys(database), clock)


def test_create_key_gives_one_that_is_known_and_not_kept(keys: ApiKeys, database: Database) -> None:
    key = keys.create(" the  wire ", ["articles:write", "chat", "chat"], by="ada")
    found = keys.check(key)
    assert found is not None
    assert (found.name, found.scopes) == ("the wire", ("articles:write", "chat"))
    with database.reading() as session:
        row = session.scalars(select(ApiKeyRow)).one()
    assert key not in (row.key_hash, row.name)
    entry = Audit(database).entries("api_key")[0]
    assert (entry.actor, entry.action) == ("ada", "create")
    assert key not in str(entry)


def test_check_unknown_key_is_none(keys: ApiKeys) -> None:
    keys.create("wire", ["chat"])
    for token in ("", "bw_", "bw_wrong", "\ud800"):
        assert keys.check(token) is None


def test_revoked_key_is_none_and_its_name_stays_taken(keys: ApiKeys) -> None:
    key = keys.create("wire", ["chat"])
    keys.revoke("wire")
    assert keys.check(key) is None
    with pytest.raises(NotFound):
        keys.revoke("wire")
    with pytest.raises(Conflict):
        keys.create("wire", ["chat"])


def test_use_of_a_key_is_noted_now_and_then(keys: ApiKeys, clock: ManualClock) -> None:
    key = keys.create("wire", ["chat"])
    for minutes, noted in ((0, 0), (4, 0), (6, 6)):
        clock.now = NOW + timedelta(minutes=minutes)
        keys.check(key)
        assert keys.list()[0].last_used_at == NOW + timedelta(minutes=noted)


@pytest.mark.parametrize(
    ("name", "scopes"), [("", ["chat"]), ("n" * 101, ["chat"]), ("wire", []), ("wire", ["everything"])]
)
def test_create_key_refuses_what_is_unusable(keys: ApiKeys, name: str, scopes: list[str]) -> None:
    with pytest.raises(InvalidInput):
        keys.create(name, scopes)
    assert keys.list() == []


def test_command_prints_a_key_once(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    def run(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["create_api_key", *words, "--data-dir", str(tmp_path)])
        create_api_key.main()
        return capsys.readouterr().out.strip()

    key = run("--name", "wire", "--scope", "articles:write")
    database = open_database(f"sqlite:///{tmp_path / 'bellwether.db'}")
    keys = ApiKeys(StoredApiKeys(database), lambda: NOW)
    assert keys.check(key) is not None
    assert '"name": "wire"' in (listing := run("--list"))
    assert key not in listing
    run("--name", "wire", "--revoke")
    assert keys.check(key) is None
    database.close()
    with pytest.raises(InvalidInput, match="--name"):
        run("--scope", SCOPES[0])
