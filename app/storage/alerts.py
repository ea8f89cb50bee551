"""Alerts, and the outbox that remembers who has yet to hear of them."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.alerts import Alert, AlertState, Delivery, DeliveryState, next_state
from app.domain.errors import NotFound
from app.storage.database import Database
from app.storage.tables import AlertRow, DeliveryRow


class Alerts:
    """Alerts, one for each finding."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_detected(self, topic: str, sample: bool | None = None) -> datetime | None:
        """When the latest alert on a topic was detected; only sample alerts, only others, or all (None)."""
        query = select(func.max(AlertRow.detected_at)).where(AlertRow.topic == topic)
        if sample is not None:
            query = query.where(AlertRow.sample.is_(sample))
        with self._database.reading() as session:
            return session.scalar(query)

    def create(
        self, alert: Alert, recipients: Iterable[str], now: datetime, sender_domain: str, sample: bool = False
    ) -> Alert | None:
        """Store an alert and a delivery to each recipient, all or nothing; None when it is already there."""
        row = _row(alert, sample)
        try:
            with self._database.session() as session:
                session.add(row)
                session.flush()
                session.add_all(
                    DeliveryRow(
                        alert_id=row.id,
                        recipient=recipient,
                        key=f"alert-{row.id}-{recipient}",
                        message_id=f"<alert-{row.id}-{secrets.token_hex(8)}@{sender_domain}>",
                        next_attempt_at=now,
                    )
                    for recipient in dict.fromkeys(recipients)
                )
        except IntegrityError:
            if not self._exists(alert):
                raise
            return None
        return _alert(row)

    def get(self, alert_id: int) -> Alert:
        """One alert. Raises NotFound."""
        with self._database.reading() as session:
            row = session.get(AlertRow, alert_id)
        if row is None:
            raise _unknown(alert_id)
        return _alert(row)

    def change(self, alert_id: int, action: str, by: str, comment: str = "") -> Alert:
        """Acknowledge, resolve or reopen an alert; a comment replaces the one before.

        The first who takes an open alert on is kept as `acknowledged_by` until it is reopened.
        Raises NotFound, InvalidInput for an unknown action, Conflict for one that does not fit the state.
        """
        with self._database.session() as session:
            row = session.get(AlertRow, alert_id, with_for_update=True)
            if row is None:
                raise _unknown(alert_id)
            row.state = next_state(AlertState(row.state), action)
            row.acknowledged_by = "" if row.state == AlertState.OPEN else row.acknowledged_by or by
            row.comment = comment or row.comment
            return _alert(row)

    def _exists(self, alert: Alert) -> bool:
        query = select(AlertRow.id).filter_by(topic=alert.topic, detected_at=alert.detected_at)
        with self._database.reading() as session:
            return session.scalar(query) is not None

    # Last, since the name hides the type in what follows it.
    def list(self, limit: int = 50, state: str | None = None) -> list[Alert]:
        """Alerts, newest first."""
        query = select(AlertRow).order_by(AlertRow.detected_at.desc(), AlertRow.id.desc()).limit(limit)
        if state:
            query = query.where(AlertRow.state == state)
        with self._database.reading() as session:
            return [_alert(row) for row in session.scalars(query)]


class Outbox:
    """Deliveries. Each is one mail to one recipient, and stays until the server has taken or refused it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime, limit: int = 50) -> list[Delivery]:
        """Pending deliveries whose time has come, oldest first."""
        time_has_come = or_(DeliveryRow.next_attempt_at.is_(None), DeliveryRow.next_attempt_at <= now)
        query = select(DeliveryRow).where(DeliveryRow.state == DeliveryState.PENDING, time_has_come)
        with self._database.reading() as session:
            return [_delivery(row) for row in session.scalars(query.order_by(DeliveryRow.id).limit(limit))]

    def record_sent(self, delivery_id: int, now: datetime) -> None:
        """Note that the server took the mail."""
        self._record_attempt(
            delivery_id, state=DeliveryState.SENT, sent_at=now, next_attempt_at=None, last_error=""
        )

    def record_failure(self, delivery_id: int, error: str, next_attempt_at: datetime | None) -> None:
        """Note a failure, to be tried again at `next_attempt_at`; None gives the delivery up."""
        state = DeliveryState.PENDING if next_attempt_at else DeliveryState.REFUSED
        self._record_attempt(delivery_id, state=state, last_error=error, next_attempt_at=next_attempt_at)

    def for_alert(self, alert_id: int) -> list[Delivery]:
        """All deliveries of an alert."""
        query = select(DeliveryRow).where(DeliveryRow.alert_id == alert_id).order_by(DeliveryRow.id)
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


def _unknown(alert_id: int) -> NotFound:
    return NotFound(f"There is no alert {alert_id}; it may have been removed.")


def _row(alert: Alert, sample: bool) -> AlertRow:
    return AlertRow(
        topic=alert.topic,
        started_at=alert.started_at,
        detected_at=alert.detected_at,
        severity=alert.severity,
        negatives=alert.negatives,
        expected=alert.expected,
        p_value=alert.p_value,
        window_hours=alert.window_hours,
        article_ids=list(alert.article_ids),
        state=alert.state,
        acknowledged_by=alert.acknowledged_by,
        comment=alert.comment,
        sample=sample,
    )


def _alert(row: AlertRow) -> Alert:
    return Alert(
        topic=row.topic,
        started_at=row.started_at,
        detected_at=row.detected_at,
        severity=row.severity,
        negatives=row.negatives,
        expected=row.expected,
        p_value=row.p_value,
        window_hours=row.window_hours,
        article_ids=tuple(row.article_ids),
        state=AlertState(row.state),
        acknowledged_by=row.acknowledged_by,
        comment=row.comment,
        id=row.id,
    )


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
    )
