"""Keys of the programming interface, by the hash of each."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from app.domain.api_keys import ApiKey
from app.domain.errors import Conflict, NotFound
from app.storage.audit import record
from app.storage.database import Database, affected_rows
from app.storage.tables import ApiKeyRow


class StoredApiKeys:
    """The keys that were made. Making and revoking one is recorded."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, key_hash: str, scopes: Sequence[str], now: datetime, by: str) -> ApiKey:
        """Keep a key. Raises Conflict for a name that is taken, by a revoked key as well."""
        row = ApiKeyRow(name=name, key_hash=key_hash, scopes=list(scopes), created_at=now)
        try:
            with self._database.session() as session:
                session.add(row)
                session.flush()
                record(session, now, by, "create", "api_key", row.id, name=name, scopes=list(scopes))
        except IntegrityError as error:
            raise Conflict(f"There is a key {name!r} already. Choose another name.") from error
        return _key(row)

    def find(self, key_hash: str) -> ApiKey | None:
        """The key with that hash, revoked or not."""
        with self._database.reading() as session:
            row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.key_hash == key_hash))
        return _key(row) if row else None

    def record_use(self, key_id: int, now: datetime) -> None:
        """Note when a key was last used."""
        with self._database.session() as session:
            session.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=now))

    def revoke(self, name: str, now: datetime, by: str) -> None:
        """End a key for good. Raises NotFound for one that is not in force."""
        with self._database.session() as session:
            change = update(ApiKeyRow).where(ApiKeyRow.name == name, ApiKeyRow.revoked_at.is_(None))
            if not affected_rows(session, change.values(revoked_at=now)):
                raise NotFound(f"There is no key {name!r} in force.")
            record(session, now, by, "revoke", "api_key", name)

    # Last, since the name hides the type in what follows it.
    def list(self) -> list[ApiKey]:
        """All keys by name."""
        with self._database.reading() as session:
            return [_key(row) for row in session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.name))]


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(row.id, row.name, tuple(row.scopes), row.created_at, row.last_used_at, row.revoked_at)
