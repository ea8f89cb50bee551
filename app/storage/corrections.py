"""What agents would have answered: rows to learn from, and the record of answers that were made curated ones."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import select

from app.domain.conversations import Correction, Role
from app.domain.errors import InvalidInput, NotFound
from app.storage.audit import record
from app.storage.conversations import AGAINST_DELETION, passages_of
from app.storage.database import Database
from app.storage.tables import ConversationRow, CorrectionRow, MessageRow

_GONE = "There is no such reply; the customer may have erased the conversation."


class Corrections:
    """At most one for a reply: the last one counts, and the audit has them all by name and time."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database, self._clock = database, clock

    def put(self, message_id: int, question: str, answer: str, by: str) -> Correction:
        """Keep a better answer to a question, with the passages that the reply cited.

        Raises InvalidInput when either is empty, NotFound when there is no such reply.
        """
        question, answer = question.strip(), answer.strip()
        if not question or not answer:
            raise InvalidInput("A correction needs the question and the best answer.")
        with self._database.session() as session:
            key = session.scalar(
                select(MessageRow.conversation_id).where(
                    MessageRow.id == message_id, MessageRow.role == Role.ASSISTANT
                )
            )
            if key is None or session.get(ConversationRow, key, with_for_update=AGAINST_DELETION) is None:
                raise NotFound(_GONE)
            message = session.get(MessageRow, message_id, with_for_update=True)
            if message is None:
                raise NotFound(_GONE)
            row = session.scalar(select(CorrectionRow).where(CorrectionRow.message_id == message_id))
            if row is None:
                row = CorrectionRow(message_id=message_id, passages=message.citations)
                session.add(row)
            row.question, row.answer, row.corrected_by, row.at = question, answer, by, self._clock()
            record(session, row.at, by, "correct", "message", message_id)
            return _correction(row)

    def of(self, conversation_id: str) -> dict[int, Correction]:
        """The corrections in a conversation, by the id of the reply."""
        query = select(CorrectionRow).join(MessageRow).where(MessageRow.conversation_id == conversation_id)
        with self._database.reading() as session:
            return {row.message_id: _correction(row) for row in session.scalars(query)}

    def everything(self) -> dict[int, Correction]:
        """All corrections, by the id of the reply."""
        with self._database.reading() as session:
            return {row.message_id: _correction(row) for row in session.scalars(select(CorrectionRow))}

    def publish(self, message_id: int, question: str, by: str, write: Callable[[], str]) -> None:
        """Make an answer a curated one by `write`, which gives the file's name, and record it; both or neither."""
        with self._database.session() as session:
            where = write()
            details = {"question": question, "file": where}
            record(session, self._clock(), by, "make curated", "message", message_id, **details)


def _correction(row: CorrectionRow) -> Correction:
    return Correction(row.message_id, row.question, row.answer, passages_of(row.passages), row.corrected_by, row.at)
