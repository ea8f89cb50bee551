"""The outbox: every message that is due to somebody, until a server has taken or refused it."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from app.domain.alerts import Delivery, DeliveryState
from app.domain.errors import Conflict, NotFound
from app.domain.subscriptions import shown
from app.storage.audit import record
from app.storage.database import Database, affected_rows
from app.storage.tables import DeliveryRow


def write(
    session: Session,
    alert_id: int | None,
    kind: str,
    recipients: Iterable[str],
    key_suffix: str,
    now: datetime,
    not_before: datetime | None,
    sender_domain: str,
) -> int:
    """Note a message to each recipient in the caller's transaction; return how many were not there yet.

    One occasion (`kind`, alert, `key_suffix`) is written once to each recipient, however often this is called.
    The Message-ID follows from the occasion, so a message that goes out twice is known by mail programs.
    """
    keys: dict[str, str] = {}
    for recipient in recipients:
        occasion = (kind, str(alert_id or ""), key_suffix, recipient)
        keys.setdefault("-".join(part for part in occasion if part), recipient)
    known = set(session.scalars(select(DeliveryRow.key).where(DeliveryRow.key.in_(keys))))
    session.add_all(
        DeliveryRow(
            alert_id=alert_id,
            recipient=recipient,
            kind=kind,
            key=key,
            created_at=now,
            message_id=_message_id(kind, key, sender_domain),
            next_attempt_at=not_before or now,
        )
        for key, recipient in keys.items()
        if key not in known
    )
    return len(keys) - len(known)


class Outbox:
    """Deliveries. Each is one message to one recipient, and stays until the server has taken or refused it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime, limit: int = 50) -> list[Delivery]:
        """Pending deliveries whose time has come, those that are due longest first."""
        query = (
            select(DeliveryRow).where(*_due(now)).order_by(DeliveryRow.next_attempt_at, DeliveryRow.id).limit(limit)
        )
        with self._database.reading() as session:
            return [_delivery(row) for row in session.scalars(query)]

    def claim(self, delivery_id: int, now: datetime, until: datetime) -> bool:
        """Keep a due delivery from everybody else until then; False when it is no longer due.

        Whoever claims it and dies leaves it to be tried again at `until`.
        """
        take = update(DeliveryRow).where(DeliveryRow.id == delivery_id, *_due(now)).values(next_attempt_at=until)
        with self._database.session() as session:
            return affected_rows(session, take) == 1

    def record_sent(self, delivery_id: int, now: datetime) -> None:
        """Note that the server took the mail."""
        self._record_attempt(
            delivery_id, state=DeliveryState.SENT, sent_at=now, next_attempt_at=None, last_error=""
        )

    def record_failure(self, delivery_id: int, error: str, next_attempt_at: datetime | None) -> None:
        """Note a failure, to be tried again at `next_attempt_at`; None gives the delivery up."""
        state = DeliveryState.PENDING if next_attempt_at else DeliveryState.REFUSED
        self._record_attempt(delivery_id, state=state, last_error=error, next_attempt_at=next_attempt_at)

    def postpone(self, delivery_id: int, until: datetime, reason: str) -> None:
        """Wait for a better time without having tried."""
        change = update(DeliveryRow).where(
            DeliveryRow.id == delivery_id, DeliveryRow.state == DeliveryState.PENDING
        )
        with self._database.session() as session:
            session.execute(change.values(next_attempt_at=until, last_error=reason))

    def retry(self, delivery_id: int, now: datetime, by: str) -> Delivery:
        """Have a delivery that waits or was given up tried at once, with all its attempts before it again.

        Raises NotFound, and Conflict for one that was sent.
        """
        with self._database.session() as session:
            row = session.get(DeliveryRow, delivery_id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no delivery {delivery_id}; it may have been removed.")
            if row.state == DeliveryState.SENT:
                raise Conflict(
                    f"The message to {shown(row.recipient)} was sent already; it will not be sent twice."
                )
            row.state, row.attempts, row.next_attempt_at = DeliveryState.PENDING, 0, now
            record(session, now, by, "retry", "delivery", row.id, recipient=shown(row.recipient))
            return _delivery(row)

    def add(
        self,
        kind: str,
        recipients: Sequence[str],
        key_suffix: str,
        now: datetime,
        sender_domain: str,
        not_before: datetime | None = None,
        by: str = "",
    ) -> int:
        """Note a message that belongs to no alert, asked for `by` somebody; return how many were not there yet."""
        with self._database.session() as session:
            if by:
                for recipient in recipients:
                    record(session, now, by, kind, "delivery", recipient=shown(recipient))
            return write(session, None, kind, recipients, key_suffix, now, not_before, sender_domain)

    def find(self, kind: str, key_suffix: str, recipient: str) -> Delivery:
        """The message of one occasion that belongs to no alert. Raises NotFound."""
        query = select(DeliveryRow).where(DeliveryRow.key == f"{kind}-{key_suffix}-{recipient}")
        with self._database.reading() as session:
            row = session.scalar(query)
        if row is None:
            raise NotFound(f"There is no {kind} to {shown(recipient)} in the outbox; it may have been removed.")
        return _delivery(row)

    def get(self, delivery_id: int) -> Delivery:
        """One delivery. Raises NotFound."""
        with self._database.reading() as session:
            row = session.get(DeliveryRow, delivery_id)
        if row is None:
            raise NotFound(f"There is no delivery {delivery_id}; it may have been removed.")
        return _delivery(row)

    def for_alert(self, alert_id: int) -> list[Delivery]:
        """All deliveries of an alert."""
        query = select(DeliveryRow).where(DeliveryRow.alert_id == alert_id).order_by(DeliveryRow.id)
        with self._database.reading() as session:
            return [_delivery(row) for row in session.scalars(query)]

    def recent(self, limit: int = 50, state: DeliveryState | None = None) -> list[Delivery]:
        """The latest deliveries, newest first; all, or those in one state."""
        query = select(DeliveryRow).order_by(DeliveryRow.id.desc()).limit(limit)
        if state is not None:
            query = query.where(DeliveryRow.state == state)
        with self._database.reading() as session:
            return [_delivery(row) for row in session.scalars(query)]

    def counts(self) -> dict[str, int]:
        """How many deliveries are in each state."""
        query = select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)
        with self._database.reading() as session:
            found = {str(state): count for state, count in session.execute(query)}
        return {state.value: found.get(state, 0) for state in DeliveryState}

    def _record_attempt(self, delivery_id: int, **values: object) -> None:
        change = update(DeliveryRow).where(DeliveryRow.id == delivery_id)
        with self._database.session() as session:
            session.execute(change.values(attempts=DeliveryRow.attempts + 1, **values))


def _due(now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    time_has_come = or_(DeliveryRow.next_attempt_at.is_(None), DeliveryRow.next_attempt_at <= now)
    return DeliveryRow.state == DeliveryState.PENDING, time_has_come


def _message_id(kind: str, key: str, sender_domain: str) -> str:
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"<{kind}-{digest}@{sender_domain}>"


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery(
        alert_id=row.alert_id,
        recipient=row.recipient,
        message_id=row.message_id,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        last_error=row.last_error,
        sent_at=row.sent_at,
        id=row.id,
        kind=row.kind,
        key=row.key,
        created_at=row.created_at,
    )
