"""Silences and the audit in the database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import Conflict, InvalidInput, NotFound
from app.domain.silences import Silence
from app.storage.audit import Audit, record
from app.storage.database import Database
from app.storage.silences import Silences

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SILENCE = Silence(NOW, NOW + HOUR, "mei", topic="cyber", max_severity="medium", comment="the drill")


@pytest.fixture
def silences(database: Database) -> Silences:
    return Silences(database)


def test_create_stores_a_silence_with_a_record(silences: Silences, database: Database) -> None:
    stored = silences.create(SILENCE, NOW)
    assert stored == replace(SILENCE, id=stored.id)
    assert silences.active(NOW) == silences.list() == [stored]
    (entry,) = Audit(database).entries("silence", stored.id)
    assert (entry.at, entry.actor, entry.action, entry.comment) == (NOW, "mei", "create", "the drill")
    assert entry.details["topic"] == "cyber"
    assert entry.details["ends_at"] == (NOW + HOUR).isoformat()


def test_create_refuses_what_is_over_or_senseless(silences: Silences, database: Database) -> None:
    for senseless in (replace(SILENCE, ends_at=NOW - HOUR), replace(SILENCE, max_severity="awful")):
        with pytest.raises(InvalidInput):
            silences.create(senseless, NOW)
    with pytest.raises(InvalidInput, match="later end"):
        silences.create(SILENCE, NOW + HOUR)
    assert (silences.list(), Audit(database).entries()) == ([], [])


def test_active_are_those_in_force_the_first_to_end_first(silences: Silences) -> None:
    day = silences.create(replace(SILENCE, ends_at=NOW + 24 * HOUR), NOW)
    hour = silences.create(SILENCE, NOW)
    to_come = silences.create(replace(SILENCE, starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR), NOW)
    assert silences.active(NOW) == [hour, day]
    assert silences.active(NOW + HOUR) == [day]
    assert silences.active(NOW + 2 * HOUR) == [to_come, day]
    assert silences.list() == [day, to_come, hour]
    assert silences.list(limit=1) == [day]
    assert silences.between(NOW - HOUR, NOW) == []
    assert silences.between(NOW + HOUR, NOW + 3 * HOUR) == [day, to_come]


def test_expire_ends_a_silence_early_and_once(silences: Silences, database: Database) -> None:
    stored = silences.create(SILENCE, NOW)
    ended = silences.expire(stored.id or 0, "tom", NOW + HOUR / 2, "drill is over")
    assert ended == replace(stored, ends_at=NOW + HOUR / 2)
    assert silences.active(NOW + HOUR / 2) == []
    entry = Audit(database).entries("silence", stored.id)[0]
    assert (entry.actor, entry.action, entry.comment) == ("tom", "expire", "drill is over")
    with pytest.raises(Conflict, match="over already"):
        silences.expire(stored.id or 0, "tom", NOW + HOUR)
    with pytest.raises(NotFound):
        silences.expire(99, "tom", NOW)


def test_expire_before_it_begins_leaves_none(silences: Silences) -> None:
    stored = silences.create(replace(SILENCE, starts_at=NOW + HOUR, ends_at=NOW + 2 * HOUR), NOW)
    silences.expire(stored.id or 0, "tom", NOW)
    assert all(silences.active(NOW + n * HOUR / 2) == [] for n in range(5))


def test_audit_entries_are_newest_first_and_by_subject(database: Database) -> None:
    with database.session() as session:
        record(session, NOW, "mei", "pause", "job", "fetch")
        record(session, NOW, "system", "create", "alert", 7, severity="high")
        record(session, NOW, "mei", "comment", "alert", 7, "calling IT")
        record(session, NOW, "mei", "comment", "alert", 8, "another")
    audit = Audit(database)
    assert [e.subject_id for e in audit.entries()] == ["8", "7", "7", "fetch"]
    assert [e.action for e in audit.entries("alert", 7)] == ["comment", "create"]
    assert [e.details for e in audit.entries("alert", 7)] == [{}, {"severity": "high"}]
    assert len(audit.entries("alert", limit=2)) == 2


def test_audit_is_undone_with_what_it_records(database: Database) -> None:
    def fail() -> None:
        with database.session() as session:
            record(session, NOW, "mei", "pause", "job", "fetch")
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Audit(database).entries() == []
