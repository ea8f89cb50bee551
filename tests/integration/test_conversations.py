"""Conversations, feedback and requests for a person."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.conversations import Handoff, Message, Outcome, Passage, Role, StoredMessage
from app.domain.errors import InvalidInput, NotFound
from app.storage.conversations import Conversations
from app.storage.database import Database

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PASSAGE = Passage("cards/fees.csv#3", "A card costs 5.", "Fees", "What does a card cost?", "en", 0.91, ("Price?",))


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database)


def test_start_gives_ids_that_cannot_be_guessed(conversations: Conversations) -> None:
    ids = {conversations.start(NOW) for _ in range(20)}
    assert len(ids) == 20
    assert all(len(i) == 32 and conversations.exists(i) for i in ids)
    assert not conversations.exists("0" * 32)


def test_history_returns_what_was_appended_in_order(conversations: Conversations) -> None:
    one, other = conversations.start(NOW), conversations.start(NOW)
    first = conversations.append(one, Message(Role.CUSTOMER, "银行卡多少钱？"), NOW)
    conversations.append(other, Message(Role.CUSTOMER, "elsewhere"), NOW)
    later = NOW + timedelta(seconds=2)
    second = conversations.append(one, Message(Role.ASSISTANT, "5 [1]"), later, Outcome.TEMPLATE, [PASSAGE])
    assert conversations.history(one) == [
        StoredMessage(first, NOW, Role.CUSTOMER, "银行卡多少钱？"),
        StoredMessage(second, later, Role.ASSISTANT, "5 [1]", "template", (PASSAGE,)),
    ]


def test_history_of_an_unknown_conversation_is_empty(conversations: Conversations) -> None:
    assert conversations.history("unknown") == []


def test_append_keeps_a_message_with_characters_a_database_refuses(conversations: Conversations) -> None:
    one = conversations.start(NOW)
    conversations.append(one, Message(Role.CUSTOMER, "a\x00b\ud83d"), NOW)
    assert conversations.history(one)[0].content == "ab"


def test_append_to_a_deleted_conversation_is_not_found(conversations: Conversations) -> None:
    one = conversations.start(NOW)
    conversations.delete(one)
    with pytest.raises(NotFound, match="Start a new one"):
        conversations.append(one, Message(Role.CUSTOMER, "hello"), NOW)


def test_set_feedback_is_kept_and_can_be_taken_back(conversations: Conversations) -> None:
    one = conversations.start(NOW)
    reply = conversations.append(one, Message(Role.ASSISTANT, "hello"), NOW)
    for value in (1, -1, 0):
        conversations.set_feedback(reply, value)
        assert conversations.history(one)[0].feedback == value


def test_set_feedback_refuses_other_values_and_messages(conversations: Conversations) -> None:
    one = conversations.start(NOW)
    question = conversations.append(one, Message(Role.CUSTOMER, "hello"), NOW)
    with pytest.raises(InvalidInput, match="not 5"):
        conversations.set_feedback(question, 5)
    with pytest.raises(NotFound, match="no reply"):
        conversations.set_feedback(question, 1)
    with pytest.raises(NotFound):
        conversations.set_feedback(999, 1)


def test_handoffs_are_listed_newest_first(conversations: Conversations) -> None:
    one = conversations.start(NOW)
    first = conversations.add_handoff(one, " mei@example.com ", "call after six", NOW)
    second = conversations.add_handoff(one, "+44 20 7946 0000", "", NOW)
    assert conversations.handoffs(10) == [
        Handoff(second, one, NOW, "+44 20 7946 0000", ""),
        Handoff(first, one, NOW, "mei@example.com", "call after six"),
    ]
    assert [h.id for h in conversations.handoffs(1)] == [second]


def test_add_handoff_needs_a_contact_and_a_conversation(conversations: Conversations) -> None:
    with pytest.raises(InvalidInput, match="reach you"):
        conversations.add_handoff(conversations.start(NOW), "  ", "help", NOW)
    with pytest.raises(NotFound):
        conversations.add_handoff("unknown", "mei@example.com", "", NOW)


def test_delete_erases_everything_of_one_conversation(conversations: Conversations) -> None:
    one, other = conversations.start(NOW), conversations.start(NOW)
    for conversation in (one, other):
        conversations.append(conversation, Message(Role.CUSTOMER, "hello"), NOW)
        conversations.add_handoff(conversation, "mei@example.com", "", NOW)
    conversations.delete(one)
    conversations.delete(one)
    assert not conversations.exists(one)
    assert conversations.history(one) == []
    assert [h.conversation_id for h in conversations.handoffs(10)] == [other]
    assert len(conversations.history(other)) == 1
