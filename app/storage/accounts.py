"""Accounts and their sessions. Each change that comes with an entry is recorded in the same transaction."""

from datetime import datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.accounts import Account, AccountRole, SignedIn, lock_time
from app.domain.audit import AuditEntry
from app.domain.errors import Conflict, NotFound
from app.storage.audit import record
from app.storage.database import Database, affected_rows
from app.storage.tables import AccountRow, SessionRow

_ID_CHARS = 16  # of a token's hash: enough to name one of a person's sessions


class Accounts:
    """Accounts by user name, in which case and surrounding space do not count; sessions by their token's hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        username: str,
        password_hash: str,
        role: AccountRole | str,
        must_change: bool = False,
        entry: AuditEntry | None = None,
    ) -> Account:
        """Add an account. Raises Conflict when the user name is taken."""
        row = AccountRow(
            username=_key(username), password_hash=password_hash, role=AccountRole(role), must_change=must_change
        )
        try:
            with self._database.session() as session:
                session.add(row)
                session.flush()
                _note(session, entry, row.id)
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
            raise _unknown(account_id)
        return stored

    def set_password_hash(self, account_id: int, password_hash: str) -> None:
        """Replace the hash of the same password. Raises NotFound."""
        change = update(AccountRow).where(AccountRow.id == account_id).values(password_hash=password_hash)
        with self._database.session() as session:
            if not affected_rows(session, change):
                raise _unknown(account_id)

    def replace_password(self, account_id: int, password_hash: str, must_change: bool, entry: AuditEntry) -> None:
        """Set another password, forget failures and end every session of the account. Raises NotFound."""
        change = update(AccountRow).where(AccountRow.id == account_id)
        values = {"password_hash": password_hash, "must_change": must_change}
        with self._database.session() as session:
            if not affected_rows(session, change.values(failed_attempts=0, locked_until=None, **values)):
                raise _unknown(account_id)
            session.execute(delete(SessionRow).where(SessionRow.account_id == account_id))
            _note(session, entry, account_id)

    def change(
        self,
        account_id: int,
        entry: AuditEntry,
        role: AccountRole | None = None,
        disabled: bool | None = None,
    ) -> Account:
        """Set the role or the access of an account; one that is disabled loses its sessions.

        Raises NotFound, and Conflict when no administrator with access would be left.
        """
        with self._database.session() as session:
            row = _locked(session, account_id)
            row.role = role or row.role
            if disabled is not None:
                row.disabled, row.failed_attempts, row.locked_until = disabled, 0, None
            if row.disabled:
                session.execute(delete(SessionRow).where(SessionRow.account_id == account_id))
            _require_administrator(session)
            _note(session, entry, account_id)
            return _account(row)

    def remove(self, account_id: int, entry: AuditEntry) -> None:
        """Forget an account with its sessions. Raises NotFound, Conflict for the last administrator."""
        with self._database.session() as session:
            session.delete(_locked(session, account_id))
            _require_administrator(session)
            _note(session, entry, account_id)

    def record_failure(self, account_id: int | None, now: datetime, entry: AuditEntry | None = None) -> None:
        """Count a wrong password, and lock the account for the time that the count earns. None is nobody's."""
        with self._database.session() as session:
            row = session.get(AccountRow, account_id, with_for_update=True) if account_id is not None else None
            if row is not None:
                row.failed_attempts += 1
                wait = lock_time(row.failed_attempts)
                row.locked_until = now + wait if wait else None
            _note(session, entry, account_id)

    def record_success(self, account_id: int) -> None:
        """Forget earlier failures."""
        change = update(AccountRow).where(AccountRow.id == account_id)
        with self._database.session() as session:
            session.execute(change.values(failed_attempts=0, locked_until=None))

    def record(self, entry: AuditEntry, account_id: int | None = None) -> None:
        """Note what changes nothing here."""
        with self._database.session() as session:
            _note(session, entry, account_id)

    # -- sessions ----------------------------------------------------------------------------------

    def add_session(self, token_hash: str, account_id: int, of: SignedIn, entry: AuditEntry | None = None) -> None:
        """Keep a session; its id comes from the hash."""
        row = SessionRow(token_hash=token_hash, account_id=account_id, expires_at=of.expires_at)
        row.started_at, row.address, row.browser = of.started_at, of.address, of.browser
        with self._database.session() as session:
            session.add(row)
            _note(session, entry, account_id)

    def session_account(self, token_hash: str, now: datetime) -> Account | None:
        """The account that a session belongs to; None for an unknown or expired one, or a disabled account."""
        query = (
            select(AccountRow)
            .join(SessionRow, SessionRow.account_id == AccountRow.id)
            .where(SessionRow.token_hash == token_hash, SessionRow.expires_at > now, ~AccountRow.disabled)
        )
        with self._database.reading() as session:
            row = session.scalar(query)
        return _account(row) if row else None

    def sessions(self, account_id: int, now: datetime) -> list[SignedIn]:
        """The account's sessions that have not expired, the latest first."""
        query = select(SessionRow).where(SessionRow.account_id == account_id, SessionRow.expires_at > now)
        with self._database.reading() as session:
            rows = session.scalars(query.order_by(SessionRow.expires_at.desc(), SessionRow.token_hash))
            return [
                SignedIn(row.token_hash[:_ID_CHARS], row.started_at, row.expires_at, row.address, row.browser)
                for row in rows
            ]

    def remove_session(self, token_hash: str, entry: AuditEntry | None = None) -> None:
        """End a session; nothing is recorded when there is none."""
        self._end(SessionRow.token_hash == token_hash, entry)

    def remove_session_by_id(self, account_id: int, session_id: str, entry: AuditEntry) -> bool:
        """End one of the account's sessions; False when it has none of this id."""
        same = SessionRow.token_hash.startswith(session_id, autoescape=True)
        usable = len(session_id) == _ID_CHARS
        return usable and self._end((SessionRow.account_id == account_id) & same, entry, account_id)

    def remove_sessions(self, account_id: int, entry: AuditEntry | None = None) -> None:
        """End every session of an account."""
        self._end(SessionRow.account_id == account_id, entry, account_id)

    def remove_expired_sessions(self, now: datetime) -> None:
        self._end(SessionRow.expires_at <= now, None)

    def _end(self, which: ColumnElement[bool], entry: AuditEntry | None, account_id: int | None = None) -> bool:
        with self._database.session() as session:
            ended = affected_rows(session, delete(SessionRow).where(which)) > 0
            if ended:
                _note(session, entry, account_id)
        return ended

    # Last, since the name hides the type in what follows it.
    def list(self) -> list[Account]:
        """All accounts by user name."""
        with self._database.reading() as session:
            return [_account(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.username))]


def _key(username: str) -> str:
    return username.strip().casefold()


def _unknown(account_id: int) -> NotFound:
    return NotFound(f"There is no account {account_id}; it may have been removed.")


def _locked(session: Session, account_id: int) -> AccountRow:
    """The row, with those of all administrators: two who take each other's role away do so one after the other."""
    rank = AccountRow.role == AccountRole.ADMINISTRATOR
    rows = session.scalars(
        select(AccountRow).where(rank | (AccountRow.id == account_id)).order_by(AccountRow.id).with_for_update()
    ).all()
    found = next((row for row in rows if row.id == account_id), None)
    if found is None:
        raise _unknown(account_id)
    return found


def _require_administrator(session: Session) -> None:
    session.flush()
    query = select(AccountRow.id).where(AccountRow.role == AccountRole.ADMINISTRATOR, ~AccountRow.disabled)
    if session.scalars(query).first() is None:
        raise Conflict("This is the last administrator with access. Give another account that role first.")


def _note(session: Session, entry: AuditEntry | None, account_id: int | None) -> None:
    if entry is not None:
        subject = entry.subject_id or ("" if account_id is None else str(account_id))
        record(session, entry.at, entry.actor, entry.action, entry.subject, subject, entry.comment, **entry.details)


def _account(row: AccountRow) -> Account:
    return Account(
        row.id,
        row.username,
        AccountRole(row.role),
        row.failed_attempts,
        row.locked_until,
        row.disabled,
        row.must_change,
    )
