"""Accounts and their sessions."""

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from app.domain.accounts import Account, AccountRole, lock_time
from app.domain.errors import Conflict, NotFound
from app.storage.database import Database, affected_rows
from app.storage.tables import AccountRow, SessionRow


class Accounts:
    """Accounts by user name, in which case and surrounding space do not count; sessions by their token's hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, username: str, password_hash: str, role: AccountRole | str) -> Account:
        """Add an account. Raises Conflict when the user name is taken."""
        row = AccountRow(username=_key(username), password_hash=password_hash, role=AccountRole(role))
        try:
            with self._database.session() as session:
                session.add(row)
        except IntegrityError as error:
            raise Conflict(f"The user name {row.username!r} is taken.") from error
        return _account(row)

    def find(self, username: str) -> Account | None:
        with self._database.reading() as session:
            row = session.scalar(select(AccountRow).where(AccountRow.username == _key(username)))
        return _account(row) if row else None

    def any(self) -> bool:
        """Whether there is an account at all."""
        with self._database.reading() as session:
            return session.scalar(select(AccountRow.id).limit(1)) is not None

    def password_hash(self, account_id: int) -> str:
        """The hash that a password is verified against. Raises NotFound."""
        with self._database.reading() as session:
            stored = session.scalar(select(AccountRow.password_hash).where(AccountRow.id == account_id))
        if stored is None:
            raise NotFound(f"There is no account {account_id}; it may have been removed.")
        return stored

    def set_password_hash(self, account_id: int, password_hash: str) -> None:
        """Replace the hash. Raises NotFound."""
        change = update(AccountRow).where(AccountRow.id == account_id).values(password_hash=password_hash)
        with self._database.session() as session:
            if not affected_rows(session, change):
                raise NotFound(f"There is no account {account_id}; it may have been removed.")

    def record_failure(self, account_id: int, now: datetime) -> None:
        """Count a wrong password, and lock the account for the time that the count earns."""
        with self._database.session() as session:
            row = session.get(AccountRow, account_id, with_for_update=True)
            if row is not None:
                row.failed_attempts += 1
                wait = lock_time(row.failed_attempts)
                row.locked_until = now + wait if wait else None

    def record_success(self, account_id: int) -> None:
        """Forget earlier failures."""
        change = update(AccountRow).where(AccountRow.id == account_id)
        with self._database.session() as session:
            session.execute(change.values(failed_attempts=0, locked_until=None))

    def add_session(self, token_hash: str, account_id: int, expires_at: datetime) -> None:
        with self._database.session() as session:
            session.add(SessionRow(token_hash=token_hash, account_id=account_id, expires_at=expires_at))

    def session_account(self, token_hash: str, now: datetime) -> Account | None:
        """The account that a session belongs to; None when the session is unknown or has expired."""
        query = (
            select(AccountRow)
            .join(SessionRow, SessionRow.account_id == AccountRow.id)
            .where(SessionRow.token_hash == token_hash, SessionRow.expires_at > now)
        )
        with self._database.reading() as session:
            row = session.scalar(query)
        return _account(row) if row else None

    def remove_session(self, token_hash: str) -> None:
        with self._database.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == token_hash))

    def remove_sessions(self, account_id: int) -> None:
        """End every session of an account."""
        with self._database.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.account_id == account_id))

    def remove_expired_sessions(self, now: datetime) -> None:
        with self._database.session() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires_at <= now))


def _key(username: str) -> str:
    return username.strip().casefold()


def _account(row: AccountRow) -> Account:
    return Account(row.id, row.username, AccountRole(row.role), row.failed_attempts, row.locked_until)
