"""Conversations, their messages, and requests for a person."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, select, update

from app.domain.conversations import Handoff, Message, Passage, Role, StoredMessage
from app.domain.errors import InvalidInput, NotFound
from app.storage.database import Database, affected_rows
from app.storage.tables import ConversationRow, HandoffRow, MessageRow

_AGAINST_DELETION = {"read": True, "key_share": True}


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
            return [_message(row) for row in session.scalars(query)]

    def everything(self) -> Iterator[tuple[str, list[StoredMessage]]]:
        """Every conversation in which something was said, by id, the oldest first."""
        with self._database.reading() as session:
            query = select(ConversationRow.id).order_by(ConversationRow.started_at, ConversationRow.id)
            ids = list(session.scalars(query))
        yield from ((key, messages) for key in ids if (messages := self.history(key)))

    def set_feedback(self, message_id: int, value: int) -> None:
        """Keep the customer's opinion of a reply: 1 good, -1 bad, 0 none. Raises InvalidInput, NotFound."""
        if value not in (-1, 0, 1):
            raise InvalidInput(f"Feedback is -1, 0 or 1, not {value}.")
        change = update(MessageRow).where(MessageRow.id == message_id, MessageRow.role == Role.ASSISTANT)
        with self._database.session() as session:
            if not affected_rows(session, change.values(feedback=value)):
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
            return [Handoff(r.id, r.conversation_id, r.at, r.contact, r.note) for r in session.scalars(query)]

    def delete(self, conversation_id: str) -> None:
        """Erase a conversation with its messages and requests; nothing happens if it is already gone."""
        with self._database.session() as session:
            session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))

    def _add(self, row: MessageRow | HandoffRow) -> int:
        with self._database.session() as session:
            if session.get(ConversationRow, row.conversation_id, with_for_update=_AGAINST_DELETION) is None:
                raise NotFound("This conversation no longer exists. Start a new one.")
            session.add(row)
        return row.id


def _message(row: MessageRow) -> StoredMessage:
    citations = tuple(
        Passage(**{**fields, "alternatives": tuple(fields["alternatives"])}) for fields in row.citations
    )
    return StoredMessage(row.id, row.at, Role(row.role), row.content, row.outcome, citations, row.feedback)
