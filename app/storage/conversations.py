"""Conversations, their messages, and requests for a person."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from app.domain.conversations import Handoff, Message, Passage, Role, StoredMessage
from app.domain.errors import InvalidInput, NotFound
from app.storage.database import Database, affected_rows
from app.storage.tables import ConversationRow, HandoffRow, MessageRow

AGAINST_DELETION = {"read": True, "key_share": True}


class Conversations:
    """Conversations by an id that cannot be guessed, since to know it is to own the conversation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, now: datetime) -> str:
        """Begin a conversation and return its id."""
        conversation_id = secrets.token_hex(16)
        with self._database.session() as session:
            session.add(ConversationRow(id=conversation_id, started_at=now))
        return conversation_id

    def exists(self, conversation_id: str) -> bool:
        with self._database.reading() as session:
            return session.get(ConversationRow, conversation_id) is not None

    def append(
        self,
        conversation_id: str,
        message: Message,
        now: datetime,
        outcome: str = "",
        citations: Sequence[Passage] = (),
    ) -> int:
        """Store a message and return its id. Raises NotFound when the conversation was deleted."""
        row = MessageRow(
            conversation_id=conversation_id,
            at=now,
            role=message.role,
            content=message.content,
            outcome=outcome,
            citations=[asdict(passage) for passage in citations],
        )
        return self._add(row)

    def history(self, conversation_id: str) -> list[StoredMessage]:
        """The messages in the order in which they were said; none for an unknown conversation."""
        query = select(MessageRow).where(MessageRow.conversation_id == conversation_id).order_by(MessageRow.id)
        with self._database.reading() as session:
            return [message_of(row) for row in session.scalars(query)]

    def messages_after(self, conversation_id: str, message_id: int) -> list[StoredMessage]:
        """What was said after a message (0: everything), oldest first: how a page learns of an agent's reply."""
        query = select(MessageRow).where(MessageRow.conversation_id == conversation_id, MessageRow.id > message_id)
        with self._database.reading() as session:
            return [message_of(row) for row in session.scalars(query.order_by(MessageRow.id))]

    def everything(self) -> Iterator[tuple[str, list[StoredMessage]]]:
        """Every conversation in which something was said, by id, the oldest first."""
        with self._database.reading() as session:
            query = select(ConversationRow.id).order_by(ConversationRow.started_at, ConversationRow.id)
            ids = list(session.scalars(query))
        yield from ((key, messages) for key in ids if (messages := self.history(key)))

    def set_feedback(
        self, message_id: int, value: int, reason: str = "", comment: str = "", conversation_id: str | None = None
    ) -> None:
        """Keep the customer's opinion of a reply: 1 good, -1 bad, 0 none, with a reason and a comment.

        Message ids can be guessed: whoever takes one from outside names its conversation, too.
        Raises InvalidInput, NotFound.
        """
        if value not in (-1, 0, 1):
            raise InvalidInput(f"Feedback is -1, 0 or 1, not {value}.")
        change = update(MessageRow).where(MessageRow.id == message_id, MessageRow.role == Role.ASSISTANT)
        if conversation_id is not None:
            change = change.where(MessageRow.conversation_id == conversation_id)
        values = {"feedback": value, "feedback_reason": reason.strip(), "feedback_comment": comment.strip()}
        with self._database.session() as session:
            if not affected_rows(session, change.values(**values)):
                raise NotFound(f"There is no reply {message_id} to give feedback on.")

    def add_handoff(self, conversation_id: str, contact: str, note: str, now: datetime) -> int:
        """Keep a request for a person and return its id. Raises InvalidInput without a contact, NotFound."""
        if not contact.strip():
            raise InvalidInput("Give an e-mail address or a telephone number, so that a person can reach you.")
        row = HandoffRow(conversation_id=conversation_id, at=now, contact=contact.strip(), note=note.strip())
        return self._add(row)

    def handoffs(self, limit: int = 50) -> list[Handoff]:
        """The latest requests for a person, newest first."""
        query = select(HandoffRow).order_by(HandoffRow.id.desc()).limit(limit)
        with self._database.reading() as session:
            return [handoff_of(row) for row in session.scalars(query)]

    def delete(self, conversation_id: str) -> None:
        """Erase a conversation with its messages and requests; nothing happens if it is already gone."""
        with self._database.session() as session:
            session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))

    def _add(self, row: MessageRow | HandoffRow) -> int:
        with self._database.session() as session:
            if session.get(ConversationRow, row.conversation_id, with_for_update=AGAINST_DELETION) is None:
                raise NotFound("This conversation no longer exists. Start a new one.")
            session.add(row)
        return row.id


def passages_of(stored: Sequence[Mapping[str, Any]]) -> tuple[Passage, ...]:
    """Passages as they were before they became JSON."""
    return tuple(Passage(**{**fields, "alternatives": tuple(fields["alternatives"])}) for fields in stored)


def message_of(row: MessageRow) -> StoredMessage:
    """A message as the rest of the application knows it."""
    citations = passages_of(row.citations)
    return StoredMessage(
        row.id, row.at, Role(row.role), row.content, row.outcome, citations, row.feedback, row.author
    )


def handoff_of(row: HandoffRow) -> Handoff:
    """A request as the rest of the application knows it."""
    return Handoff(row.id, row.conversation_id, row.at, row.contact, row.note, row.assignee, row.resolved_at)
