"""The outbox: one message for one occasion, never forgotten, claimed by one."""

from datetime import UTC, datetime, timedelta

import pytest
from concurrency import in_threads
from sqlalchemy import delete

from app.domain.alerts import DeliveryState
from app.domain.errors import Conflict, NotFound
from app.storage.audit import Audit
from app.storage.database import Database
from app.storage.outbox import Outbox
from app.storage.tables import DeliveryRow

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


def written(outbox: Outbox, *recipients: str, occasion: str = "first") -> list[int]:
    outbox.add("test", recipients, occasion, NOW, "bank.example")
    return [d.id or 0 for d in outbox.due(NOW, 1000)]


def test_one_occasion_is_written_once_to_each_recipient(outbox: Outbox) -> None:
    assert outbox.add("test", ["a@example.com", "b@example.com", "a@example.com"], "x", NOW, "bank.example") == 2
    assert outbox.add("test", ["b@example.com", "c@example.com"], "x", NOW, "bank.example") == 1
    assert outbox.add("test", ["a@example.com"], "y", NOW, "bank.example") == 1
    assert sorted(d.recipient[0] for d in outbox.recent()) == ["a", "a", "b", "c"]
    assert {d.key for d in outbox.recent()} >= {"test-x-a@example.com", "test-y-a@example.com"}


def test_message_id_follows_from_the_occasion(outbox: Outbox, database: Database) -> None:
    written(outbox, "a@example.com", "b@example.com")
    first = {d.recipient: d.message_id for d in outbox.recent()}
    assert len(set(first.values())) == 2
    assert all(i.startswith("<test-") and i.endswith("@bank.example>") for i in first.values())
    with database.session() as session:
        session.execute(delete(DeliveryRow))
    written(outbox, "a@example.com", "b@example.com")
    assert {d.recipient: d.message_id for d in outbox.recent()} == first


def test_due_gives_pending_deliveries_whose_time_has_come(outbox: Outbox) -> None:
    first, second, third = written(outbox, "a@example.com", "b@example.com", "c@example.com")
    assert outbox.due(NOW - MINUTE) == []
    outbox.record_sent(first, NOW)
    outbox.record_failure(second, "450 try later", NOW + MINUTE)
    outbox.record_failure(third, "550 no such user", None)
    assert outbox.due(NOW) == []
    assert [d.id for d in outbox.due(NOW + MINUTE)] == [second]
    assert outbox.counts() == {"pending": 1, "sent": 1, "refused": 1}
    sent, deferred, refused = (outbox.get(i) for i in (first, second, third))
    assert (sent.state, sent.sent_at, sent.attempts, sent.created_at) == (DeliveryState.SENT, NOW, 1, NOW)
    assert (deferred.state, deferred.attempts, deferred.last_error) == ("pending", 1, "450 try later")
    assert (refused.state, refused.last_error, refused.next_attempt_at) == ("refused", "550 no such user", None)
    assert [d.id for d in outbox.recent(state=DeliveryState.REFUSED)] == [third]


def test_due_takes_those_that_wait_longest_up_to_the_limit(outbox: Outbox) -> None:
    ids = written(outbox, *(f"{n}@example.com" for n in range(5)))
    outbox.record_failure(ids[0], "450", NOW + MINUTE)
    assert [d.recipient for d in outbox.due(NOW + MINUTE, limit=2)] == ["1@example.com", "2@example.com"]
    assert outbox.due(NOW + MINUTE)[-1].id == ids[0]


def test_claim_by_several_at_once_succeeds_for_one_until_it_lapses(outbox: Outbox) -> None:
    [delivery] = written(outbox, "a@example.com")
    claimed = in_threads(8, lambda _: outbox.claim(delivery, NOW, NOW + MINUTE))
    assert sorted(claimed) == [False] * 7 + [True]
    assert outbox.due(NOW) == []
    assert outbox.claim(delivery, NOW + MINUTE, NOW + 2 * MINUTE), "whoever claimed it has died"
    outbox.record_sent(delivery, NOW)
    assert not outbox.claim(delivery, NOW + 9 * MINUTE, NOW + 10 * MINUTE)


def test_postponed_delivery_says_why_and_has_not_been_tried(outbox: Outbox) -> None:
    [delivery] = written(outbox, "a@example.com")
    outbox.postpone(delivery, NOW + MINUTE, "quiet hours")
    kept = outbox.get(delivery)
    assert (kept.attempts, kept.last_error, kept.next_attempt_at) == (0, "quiet hours", NOW + MINUTE)


def test_retry_begins_anew_and_is_recorded(outbox: Outbox, database: Database) -> None:
    first, second = written(outbox, "slack://secret-token/x", "b@example.com")
    outbox.record_failure(first, "gave up", None)
    outbox.record_sent(second, NOW)
    again = outbox.retry(first, NOW + MINUTE, "mei")
    assert (again.state, again.attempts, again.next_attempt_at) == ("pending", 0, NOW + MINUTE)
    assert [d.id for d in outbox.due(NOW + MINUTE)] == [first]
    (entry,) = Audit(database).entries("delivery", first)
    assert (entry.actor, entry.action) == ("mei", "retry")
    assert "secret-token" not in str(entry.details)
    with pytest.raises(Conflict, match="sent already"):
        outbox.retry(second, NOW, "mei")
    with pytest.raises(NotFound):
        outbox.retry(999, NOW, "mei")
