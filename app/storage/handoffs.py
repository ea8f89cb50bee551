"""Requests for a person as agents work on them. Every change is recorded in the transaction that makes it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from app.domain.conversations import Handoff, Passage, Role, StoredMessage
from app.domain.errors import Conflict, InvalidInput, NotFound
from app.storage.audit import record
from app.storage.conversations import AGAINST_DELETION, handoff_of, message_of
from app.storage.database import Database
from app.storage.tables import ConversationRow, HandoffRow, MessageRow

SUBJECT = "handoff"
VIEWS = ("waiting", "mine", "all", "resolved")


class Handoffs:
    """The list of an agent's inbox, and what may be done with an entry of it."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock

    def get(self, handoff_id: int) -> Handoff:
        """One request. Raises NotFound."""
        with self._database.reading() as session:
            row = session.get(HandoffRow, handoff_id)
        if row is None:
            raise _unknown()
        return handoff_of(row)

    def counts(self, agent: str) -> dict[str, int]:
        """How many requests each view of an agent holds."""
        with self._database.reading() as session:
            return {
                view: session.scalar(_in(view, agent, select(func.count(HandoffRow.id)))) or 0 for view in VIEWS
            }

    def messages(self, conversations: Iterable[str]) -> dict[str, list[StoredMessage]]:
        """What was said in each of some conversations, oldest first."""
        found: dict[str, list[StoredMessage]] = {key: [] for key in conversations}
        query = select(MessageRow).where(MessageRow.conversation_id.in_(found)).order_by(MessageRow.id)
        with self._database.reading() as session:
            for row in session.scalars(query):
                found[row.conversation_id].append(message_of(row))
        return found

    def take(self, handoff_id: int, by: str) -> Handoff:
        """Take a request that nobody has in hand. Raises NotFound, Conflict when another agent was first."""
        with self._database.session() as session:
            row = _open(session, handoff_id)
            if row.assignee not in ("", by):
                raise Conflict(f"{row.assignee} has taken this request meanwhile.")
            self._assign(session, row, by, by)
            return handoff_of(row)

    def assign(self, handoff_id: int, to: str, by: str) -> Handoff:
        """Give a request to an agent; to nobody: back into the line. Raises NotFound, Conflict when resolved."""
        with self._database.session() as session:
            row = _open(session, handoff_id)
            self._assign(session, row, to, by)
            return handoff_of(row)

    def reply(self, handoff_id: int, text: str, citations: Sequence[Passage], by: str) -> int:
        """Say something to the customer, and take the request if nobody has it; returns the message's id.

        Raises NotFound when the customer has erased the conversation, Conflict for a resolved request, and
        InvalidInput for an empty text.
        """
        if not text.strip():
            raise InvalidInput("The reply is empty; write what the customer is to read.")
        with self._database.session() as session:
            row = _open(session, handoff_id)
            message = MessageRow(
                conversation_id=row.conversation_id,
                at=self._clock(),
                role=Role.ASSISTANT,
                content=text.strip(),
                citations=[asdict(passage) for passage in citations],
                author=by,
            )
            session.add(message)
            if not row.assignee:
                self._assign(session, row, by, by)
            session.flush()
            record(session, self._clock(), by, "reply", SUBJECT, row.id, message=message.id)
            return message.id

    def resolve(self, handoff_id: int, by: str) -> Handoff:
        """Close a request; whoever closes one that nobody had is its agent. Raises NotFound, Conflict."""
        with self._database.session() as session:
            row = _open(session, handoff_id)
            row.resolved_at = self._clock()
            row.assignee = row.assignee or by
            record(session, self._clock(), by, "resolve", SUBJECT, row.id)
            return handoff_of(row)

    def reopen(self, handoff_id: int, by: str) -> Handoff:
        """Take a resolved request up again. Raises NotFound, Conflict when it is open."""
        with self._database.session() as session:
            row = _locked(session, handoff_id)
            if row.resolved_at is None:
                raise Conflict("This request is open already.")
            row.resolved_at, row.assignee = None, by
            record(session, self._clock(), by, "reopen", SUBJECT, row.id)
            return handoff_of(row)

    def _assign(self, session: Session, row: HandoffRow, to: str, by: str) -> None:
        if row.assignee != to:
            record(session, self._clock(), by, "assign", SUBJECT, row.id, before=row.assignee, to=to)
            row.assignee = to

    # Last, since the name hides the type in what follows it.
    def list(self, view: str, agent: str, limit: int = 100) -> list[Handoff]:
        """The requests of a view (see VIEWS): the longest waiting first, of resolved ones the latest."""
        latest = view == "resolved"
        order = (HandoffRow.resolved_at.desc(), HandoffRow.id.desc()) if latest else (HandoffRow.at, HandoffRow.id)
        query = _in(view, agent, select(HandoffRow)).order_by(*order).limit(limit)
        with self._database.reading() as session:
            return [handoff_of(row) for row in session.scalars(query)]


def _in(view: str, agent: str, query: Select[Any]) -> Select[Any]:
    conditions: dict[str, tuple[ColumnElement[bool], ...]] = {
        "waiting": (HandoffRow.resolved_at.is_(None), HandoffRow.assignee == ""),
        "mine": (HandoffRow.resolved_at.is_(None), HandoffRow.assignee == agent),
        "all": (HandoffRow.resolved_at.is_(None),),
        "resolved": (HandoffRow.resolved_at.is_not(None),),
    }
    if view not in conditions:
        raise InvalidInput(f"There is no list {view!r}; choose one of {', '.join(VIEWS)}.")
    return query.where(*conditions[view])


def _open(session: Session, handoff_id: int) -> HandoffRow:
    row = _locked(session, handoff_id)
    if row.resolved_at is not None:
        raise Conflict("This request is resolved. Reopen it first.")
    return row


def _locked(session: Session, handoff_id: int) -> HandoffRow:
    """The request, held. Its conversation first: who erases one takes the rows in that order, too."""
    key = session.scalar(select(HandoffRow.conversation_id).where(HandoffRow.id == handoff_id))
    if key is None or session.get(ConversationRow, key, with_for_update=AGAINST_DELETION) is None:
        raise _unknown()
    row = session.get(HandoffRow, handoff_id, with_for_update=True)
    if row is None:
        raise _unknown()
    return row


def _unknown() -> NotFound:
    return NotFound("This request is gone: the customer has erased the conversation.")
