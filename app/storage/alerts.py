"""Alerts, each stored together with the messages that tell of it and with the record of what became of it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.alerts import Alert, AlertState, Kind, Notice, next_state, series_of
from app.domain.audit import SYSTEM
from app.domain.errors import InvalidInput, NotFound
from app.domain.spikes import SEVERITIES
from app.storage import outbox
from app.storage.audit import record
from app.storage.database import Database
from app.storage.tables import AlertRow

SUBJECT = "alert"  # in the audit


class Alerts:
    """Alerts, one for each burst. Every change leaves an entry in the audit, in the same transaction."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database, self._clock = database, clock

    def latest(self, since: datetime, sample: bool = False) -> dict[str, Alert]:
        """The last alert of each series, of those detected from `since` on or still on; of the sample or not."""
        query = select(AlertRow).where(
            AlertRow.sample.is_(sample), or_(AlertRow.detected_at >= since, AlertRow.ended_at.is_(None))
        )
        with self._database.reading() as session:
            rows = session.scalars(query.order_by(AlertRow.detected_at, AlertRow.id))
            return {series_of(alert): alert for alert in map(_alert, rows)}

    def unsettled(self) -> list[Alert]:
        """Alerts that are not resolved, oldest first, without those of the sample."""
        query = select(AlertRow).where(AlertRow.sample.is_(False), AlertRow.state != AlertState.RESOLVED)
        with self._database.reading() as session:
            return [_alert(row) for row in session.scalars(query.order_by(AlertRow.detected_at, AlertRow.id))]

    def create(
        self,
        alert: Alert,
        notices: Sequence[Notice],
        now: datetime,
        sender_domain: str,
        sample: bool = False,
        silence_id: int | None = None,
    ) -> Alert | None:
        """Store an alert with its messages, all or nothing; None when it is already there.

        One that a silence holds back (`silence_id`) has no notices, and counts as not told yet.
        """
        row = AlertRow(
            topic=alert.topic,
            entity=alert.entity,
            detected_at=alert.detected_at,
            state=alert.state,
            acknowledged_by=alert.acknowledged_by,
            comment=alert.comment,
            sample=sample,
            opened_at=now,
            notified_at=None if silence_id else now,
        )
        _measure(row, alert)
        try:
            with self._database.session() as session:
                session.add(row)
                session.flush()
                told: dict[str, Any] = {name: getattr(row, name) for name in ("severity", "negatives", "stories")}
                record(session, now, SYSTEM, "create", SUBJECT, row.id, **told)
                if silence_id:
                    record(session, now, SYSTEM, "silence", SUBJECT, row.id, silence=silence_id)
                self._write(session, row, notices, now, sender_domain)
        except IntegrityError:
            if not self._exists(alert):
                raise
            return None
        return _alert(row)

    def grow(self, alert: Alert, now: datetime) -> Alert:
        """Store what has joined an alert, and whether its burst is still on. Raises NotFound.

        Nothing leaves it and its severity never falls, whatever `alert` says. One that was resolved is open again
        when it has become severer than anybody knew.
        """
        with self._database.session() as session:
            row = _locked(session, alert.id)
            before = _alert(row)
            joined = [i for i in alert.article_ids if i not in set(before.article_ids)]
            severity = max(before.severity, alert.severity, key=SEVERITIES.index)
            _measure(row, alert)
            row.article_ids, row.severity = [*before.article_ids, *joined], severity
            row.negatives, row.stories = max(row.negatives, before.negatives), len(row.article_ids)
            if joined or row.negatives > before.negatives:
                row.grown_at = now
                more = row.negatives - before.negatives
                record(session, now, SYSTEM, "grow", SUBJECT, row.id, stories=len(joined), articles=more)
            if severity != before.severity:
                record(session, now, SYSTEM, "raise", SUBJECT, row.id, before=before.severity, after=severity)
                if row.state == AlertState.RESOLVED:
                    _reopen(row, now)
                    row.notified_at = None
                    record(session, now, SYSTEM, "reopen", SUBJECT, row.id)
            if (row.ended_at is None) != (before.ended_at is None):
                record(session, now, SYSTEM, "end" if row.ended_at else "go on", SUBJECT, row.id)
            return _alert(row)

    def notify(self, alert: Alert, notice: Notice, now: datetime, sender_domain: str) -> bool:
        """Write messages about an alert; False if it changed since it was read, so that nobody is told twice."""
        with self._database.session() as session:
            row = _locked(session, alert.id)
            seen = (row.state, row.notified_at, row.escalated_at)
            if seen != (alert.state, alert.notified_at, alert.escalated_at):
                return False
            if notice.kind == Kind.ESCALATION:
                row.escalated_at = now
            else:
                row.notified_at = now
            self._write(session, row, [notice], now, sender_domain)
            return True

    def get(self, alert_id: int) -> Alert:
        """One alert. Raises NotFound."""
        with self._database.reading() as session:
            row = session.get(AlertRow, alert_id)
        if row is None:
            raise _unknown(alert_id)
        return _alert(row)

    def change(self, alert_id: int, action: str, by: str, comment: str = "") -> Alert:
        """Acknowledge, resolve or reopen an alert. All comments are kept in the audit, the last one here, too.

        The first who takes an open alert on is kept as `acknowledged_by` until it is reopened.
        Raises NotFound, InvalidInput for an unknown action, Conflict for one that does not fit the state.
        """
        now = self._clock()
        with self._database.session() as session:
            row = _locked(session, alert_id)
            row.state = next_state(AlertState(row.state), action)
            if row.state == AlertState.OPEN:
                _reopen(row, now)
            else:
                row.acknowledged_by = row.acknowledged_by or by
            row.comment = comment or row.comment
            record(session, now, by, action, SUBJECT, row.id, comment)
            return _alert(row)

    def comment(self, alert_id: int, by: str, text: str) -> Alert:
        """Add a comment. Raises NotFound, and InvalidInput for an empty one."""
        if not text.strip():
            raise InvalidInput("The comment is empty; write what is to be kept.")
        with self._database.session() as session:
            row = _locked(session, alert_id)
            row.comment = text.strip()
            record(session, self._clock(), by, "comment", SUBJECT, row.id, text.strip())
            return _alert(row)

    def _write(
        self, session: Session, row: AlertRow, notices: Sequence[Notice], now: datetime, sender_domain: str
    ) -> None:
        for notice in notices:
            outbox.write(
                session, row.id, notice.kind, notice.recipients, notice.key, now, notice.not_before, sender_domain
            )
            record(session, now, SYSTEM, "notify", SUBJECT, row.id, kind=notice.kind, to=len(notice.recipients))

    def _exists(self, alert: Alert) -> bool:
        same = {"topic": alert.topic, "entity": alert.entity, "detected_at": alert.detected_at}
        with self._database.reading() as session:
            return session.scalar(select(AlertRow.id).filter_by(**same)) is not None

    def counts(self, since: datetime) -> dict[str, int]:
        """How many alerts there are in each state, of those detected from `since` on."""
        query = select(AlertRow.state, func.count()).where(AlertRow.detected_at >= since).group_by(AlertRow.state)
        with self._database.reading() as session:
            found = {str(state): count for state, count in session.execute(query)}
        return {state.value: found.get(state, 0) for state in AlertState}

    # Last, since the name hides the type in what follows it.
    def list(
        self, limit: int = 50, state: str | None = None, topic: str | None = None, entity: str | None = None
    ) -> list[Alert]:
        """Alerts that meet every condition given, newest first."""
        query = select(AlertRow).order_by(AlertRow.detected_at.desc(), AlertRow.id.desc()).limit(limit)
        wanted = {"state": state, "topic": topic, "entity": entity}
        query = query.filter_by(**{name: value for name, value in wanted.items() if value})
        with self._database.reading() as session:
            return [_alert(row) for row in session.scalars(query)]


def _locked(session: Session, alert_id: int | None) -> AlertRow:
    row = session.get(AlertRow, alert_id, with_for_update=True) if alert_id is not None else None
    if row is None:
        raise _unknown(alert_id)
    return row


def _unknown(alert_id: int | None) -> NotFound:
    return NotFound(f"There is no alert {alert_id}; it may have been removed.")


def _reopen(row: AlertRow, now: datetime) -> None:
    """Open an alert anew: nobody has it in hand, and the time until it is escalated begins again."""
    row.state, row.acknowledged_by = AlertState.OPEN, ""
    row.opened_at, row.escalated_at = now, None


def _measure(row: AlertRow, alert: Alert) -> None:
    """What the detector knows of an alert."""
    row.started_at, row.severity = alert.started_at, alert.severity
    row.negatives, row.stories = alert.negatives, alert.stories
    row.expected, row.p_value, row.window_hours = alert.expected, alert.p_value, alert.window_hours
    row.article_ids, row.decisive = list(alert.article_ids), list(alert.decisive)
    row.ended_at = alert.ended_at


def _alert(row: AlertRow) -> Alert:
    values: dict[str, Any] = {name: getattr(row, name) for name in _PLAIN}
    return Alert(
        **values, article_ids=tuple(row.article_ids), decisive=tuple(row.decisive), state=AlertState(row.state)
    )


_PLAIN = (
    "id",
    "topic",
    "entity",
    "started_at",
    "detected_at",
    "severity",
    "negatives",
    "stories",
    "expected",
    "p_value",
    "window_hours",
    "acknowledged_by",
    "comment",
    "opened_at",
    "grown_at",
    "ended_at",
    "notified_at",
    "escalated_at",
)
