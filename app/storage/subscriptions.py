"""Subscriptions, and the one-time tokens that mails carry."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.errors import NotFound
from app.domain.subscriptions import Subscription, shown
from app.storage import outbox
from app.storage.audit import record
from app.storage.database import Database
from app.storage.tables import SubscriptionRow, UsedTokenRow


class StoredSubscriptions:
    """Subscriptions by recipient. Every change is recorded."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def any(self) -> bool:
        """Whether there is a subscription at all, enabled or not."""
        with self._database.reading() as session:
            return session.scalar(select(SubscriptionRow.id).limit(1)) is not None

    def find(self, recipient: str) -> Subscription | None:
        with self._database.reading() as session:
            row = _find(session, recipient)
        return _subscription(row) if row else None

    def save(self, subscription: Subscription, now: datetime, actor: str) -> Subscription:
        """Add a recipient's subscription, or replace it; when its last digest was is kept."""
        with self._database.session() as session:
            row = _find(session, subscription.recipient)
            before = _subscription(row) if row else None
            if row is None:
                row = SubscriptionRow(recipient=subscription.recipient)
                session.add(row)
            if before is None or not before.digest:
                row.last_digest_at = now  # the first digest is the one of the period that runs now
            for name, value in _values(subscription).items():
                setattr(row, name, value)
            session.flush()
            record(
                session,
                now,
                actor,
                "change" if before else "subscribe",
                "subscription",
                row.id,
                recipient=shown(row.recipient),
                **_changes(before, subscription),
            )
            return _subscription(row)

    def remove(self, recipient: str, now: datetime, actor: str) -> None:
        """Raises NotFound."""
        with self._database.session() as session:
            row = _find(session, recipient)
            if row is None:
                raise NotFound(f"There is no subscription of {shown(recipient)}.")
            record(session, now, actor, "remove", "subscription", row.id, recipient=shown(recipient))
            session.delete(row)

    def write_digest(self, subscription: Subscription, end: datetime, now: datetime, sender_domain: str) -> bool:
        """Note the digest of the period that ended then, once; False when it was written before."""
        with self._database.session() as session:
            row = session.get(SubscriptionRow, subscription.id, with_for_update=True)
            if row is None or (row.last_digest_at is not None and row.last_digest_at >= end):
                return False
            row.last_digest_at = now
            kind, recipients = subscription.digest, [subscription.recipient]
            suffix = digest_suffix(end)
            return outbox.write(session, None, kind, recipients, suffix, now, None, sender_domain) == 1

    # Last, since the name hides the type in what follows it.
    def list(self) -> list[Subscription]:
        """All subscriptions by recipient."""
        with self._database.reading() as session:
            rows = session.scalars(select(SubscriptionRow).order_by(SubscriptionRow.recipient))
            return [_subscription(row) for row in rows]


class UsedTokens:
    """One-time tokens, by their hash, that have done their work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, token_hash: str) -> bool:
        with self._database.reading() as session:
            return session.get(UsedTokenRow, token_hash) is not None

    def spend(self, token_hash: str, now: datetime, forget_before: datetime) -> bool:
        """Mark a token as used; False when it was already. Those used before `forget_before` are dropped."""
        try:
            with self._database.session() as session:
                session.execute(delete(UsedTokenRow).where(UsedTokenRow.used_at < forget_before))
                session.add(UsedTokenRow(token_hash=token_hash, used_at=now))
        except IntegrityError:
            return False
        return True

    def give_back(self, token_hash: str) -> None:
        """Let a token be used again, because what it was used for did not come about."""
        with self._database.session() as session:
            session.execute(delete(UsedTokenRow).where(UsedTokenRow.token_hash == token_hash))


def digest_suffix(end: datetime) -> str:
    """The part of a digest's idempotency key that names its period."""
    return f"{end:%Y%m%dT%H%MZ}"


def _find(session: Session, recipient: str) -> SubscriptionRow | None:
    return session.scalar(select(SubscriptionRow).where(SubscriptionRow.recipient == recipient))


def _values(subscription: Subscription) -> dict[str, object]:
    return {
        "topics": list(subscription.topics),
        "entities": list(subscription.entities),
        "min_severity": subscription.min_severity,
        "quiet_from": subscription.quiet_from,
        "quiet_until": subscription.quiet_until,
        "time_zone": subscription.time_zone,
        "language": subscription.language,
        "digest": subscription.digest,
        "escalation": subscription.escalation,
        "enabled": subscription.enabled,
    }


def _changes(before: Subscription | None, after: Subscription) -> dict[str, Any]:
    """What is different, for the record."""
    old = _values(before) if before else _values(replace(Subscription(after.recipient), enabled=False))
    return {name: value for name, value in _values(after).items() if value != old[name]}


def _subscription(row: SubscriptionRow) -> Subscription:
    return Subscription(
        recipient=row.recipient,
        topics=tuple(row.topics),
        entities=tuple(row.entities),
        min_severity=row.min_severity,
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
        time_zone=row.time_zone,
        language=row.language,
        digest=row.digest,
        escalation=row.escalation,
        enabled=row.enabled,
        last_digest_at=row.last_digest_at,
        id=row.id,
    )
