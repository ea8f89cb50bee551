"""Sign people in and out, and slow down those who guess."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.domain.accounts import Account, AccountRole
from app.domain.errors import AccessDenied, Conflict, InvalidInput
from app.storage.accounts import Accounts

SESSION_LENGTH = timedelta(hours=12)
MIN_PASSWORD, MAX_PASSWORD = 10, 256
_DENIED = (
    "The user name or the password is wrong, or the account is locked for some minutes after repeated failures. "
    "Check both, and try again later."
)


class AccountService:
    """Accounts with Argon2id passwords and sessions whose tokens are stored as SHA-256 only.

    Every refusal costs one verification and has the same words, so that neither time nor text tells whether
    a user name exists.
    """

    def __init__(self, accounts: Accounts, clock: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._clock = clock
        self._hasher = PasswordHasher()
        self._dummy_hash = self._hash(secrets.token_urlsafe(16))

    def ensure_first_account(self) -> str | None:
        """Create the administrator 'analyst' if there is no account; return its password this one time."""
        if self._accounts.any():
            return None
        password = secrets.token_urlsafe(12)
        try:
            self._accounts.create("analyst", self._hasher.hash(password), AccountRole.ADMINISTRATOR)
        except Conflict:  # another process was first, and shows its password
            return None
        return password

    def create_account(self, username: str, password: str, role: AccountRole | str) -> Account:
        """Add an account. Raises InvalidInput for an unusable name, password or role, Conflict for a taken name."""
        if not 1 <= len(username.strip()) <= 100 or not username.strip().isprintable():
            raise InvalidInput("A user name has 1 to 100 printable characters.")
        if role not in list(AccountRole):
            raise InvalidInput(f"A role is one of {', '.join(AccountRole)}, not {role!r}.")
        return self._accounts.create(username, self._hash(_checked(password)), role)

    def sign_in(self, username: str, password: str) -> str:
        """Begin a session of twelve hours and return its token. Raises AccessDenied."""
        account = self._verify(username, password)
        now, token = self._clock(), secrets.token_urlsafe(32)
        self._accounts.remove_expired_sessions(now)
        self._accounts.add_session(_token_hash(token), account.id, now + SESSION_LENGTH)
        return token

    def account_of(self, token: str) -> Account | None:
        """Whose session this is; None when there is no such session, or it has expired."""
        return self._accounts.session_account(_token_hash(token), self._clock()) if token else None

    def sign_out(self, token: str) -> None:
        """End a session; nothing happens if it has already ended."""
        self._accounts.remove_session(_token_hash(token))

    def change_password(self, username: str, current: str, new: str) -> None:
        """Replace the password and end all of the account's sessions. Raises AccessDenied, InvalidInput."""
        account = self._verify(username, current)
        self._accounts.set_password_hash(account.id, self._hash(_checked(new)))
        self._accounts.remove_sessions(account.id)

    def _verify(self, username: str, password: str) -> Account:
        account, now = self._accounts.find(username), self._clock()
        if account is None or account.locked(now):
            self._matches(self._dummy_hash, password)
            raise AccessDenied(_DENIED)
        stored = self._accounts.password_hash(account.id)
        if not self._matches(stored, password):
            self._accounts.record_failure(account.id, now)
            raise AccessDenied(_DENIED)
        self._accounts.record_success(account.id)
        if self._hasher.check_needs_rehash(stored):
            self._accounts.set_password_hash(account.id, self._hash(password))
        return account

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_encoded(password))

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _encoded(password))
        except (VerificationError, InvalidHashError):
            return False


def _checked(password: str) -> str:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidInput(f"Choose a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    return password


def _encoded(text: str) -> bytes:
    """Bytes of any string that a browser can send, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def _token_hash(token: str) -> str:
    return hashlib.sha256(_encoded(token)).hexdigest()
