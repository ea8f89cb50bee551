"""Sign people in and out, slow down those who guess, and keep the accounts."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.domain.accounts import Account, AccountRole, SignedIn
from app.domain.audit import SYSTEM, AuditEntry
from app.domain.errors import AccessDenied, Conflict, InvalidInput, NotFound
from app.storage.accounts import Accounts

SESSION_LENGTH = timedelta(hours=12)
MIN_PASSWORD, MAX_PASSWORD = 10, 256
FIRST_ACCOUNT = "analyst"
_DENIED = (
    "The user name or the password is wrong, or the account is locked for some minutes after repeated failures. "
    "Check both, and try again later."
)


class AccountService:
    """Accounts with Argon2id passwords and sessions whose tokens are stored as SHA-256 only.

    Every refusal costs one verification and has the same words, so that neither time nor text tells whether
    a user name exists. What is done to an account is recorded, `by` whom.
    """

    def __init__(self, accounts: Accounts, clock: Callable[[], datetime]) -> None:
        self._accounts = accounts
        self._clock = clock
        self._hasher = PasswordHasher()
        self._dummy_hash = self._hash(secrets.token_urlsafe(16))

    # -- signing in --------------------------------------------------------------------------------

    def sign_in(self, username: str, password: str, address: str = "", browser: str = "") -> str:
        """Begin a session of twelve hours and return its token. Raises AccessDenied."""
        account = self._verify(username, password, address)
        now, token = self._clock(), secrets.token_urlsafe(32)
        self._accounts.remove_expired_sessions(now)
        session = SignedIn("", now, now + SESSION_LENGTH, address, browser)
        entry = self._entry(account.username, "sign in", address=address)
        self._accounts.add_session(_token_hash(token), account.id, session, entry)
        return token

    def account_of(self, token: str) -> Account | None:
        """Whose session this is; None when there is no such session, or it has expired."""
        return self._accounts.session_account(_token_hash(token), self._clock()) if token else None

    def sign_out(self, token: str) -> None:
        """End a session; nothing happens if it has already ended."""
        account = self.account_of(token)
        entry = self._entry(account.username, "sign out", account) if account else None
        self._accounts.remove_session(_token_hash(token), entry)

    def change_password(self, username: str, current: str, new: str) -> None:
        """Replace the password and end all of the account's sessions. Raises AccessDenied, InvalidInput."""
        account = self._verify(username, current)
        if new == current:
            raise InvalidInput("That is the password you have. Choose another one.")
        entry = self._entry(account.username, "change password")
        self._accounts.replace_password(account.id, self._hash(_checked(new)), must_change=False, entry=entry)

    def sessions(self, account: Account) -> list[SignedIn]:
        """Where the account is signed in, the latest first."""
        return self._accounts.sessions(account.id, self._clock())

    def end_session(self, account: Account, session_id: str, by: str = "") -> None:
        """End one of the account's sessions. Raises NotFound."""
        entry = self._entry(by or account.username, "end session", ended=session_id)
        if not self._accounts.remove_session_by_id(account.id, session_id, entry):
            raise NotFound("There is no such session; it may have ended.")

    def end_sessions(self, account: Account, by: str = "") -> None:
        """Sign the account out everywhere."""
        self._accounts.remove_sessions(account.id, self._entry(by or account.username, "end all sessions"))

    # -- administration ----------------------------------------------------------------------------

    def ensure_first_account(self) -> str | None:
        """Create the administrator 'analyst' if there is no account; return its password this one time.

        It must be changed at the first sign-in.
        """
        if self._accounts.any():
            return None
        try:
            return self.invite(FIRST_ACCOUNT, AccountRole.ADMINISTRATOR)
        except Conflict:  # another process was first, and shows its password
            return None

    def create_account(
        self, username: str, password: str, role: AccountRole | str, by: str = SYSTEM, must_change: bool = False
    ) -> Account:
        """Add an account. Raises InvalidInput for an unusable name, password or role, Conflict for a taken name."""
        if not 1 <= len(username.strip()) <= 100 or not username.strip().isprintable():
            raise InvalidInput("A user name has 1 to 100 printable characters.")
        rank = _role(role)
        entry = self._entry(by, "create account", username=username.strip().casefold(), role=rank.value)
        return self._accounts.create(username, self._hash(_checked(password)), rank, must_change, entry)

    def invite(self, username: str, role: AccountRole | str, by: str = SYSTEM) -> str:
        """Add an account and return its first password, to be changed at the first sign-in.

        Raises InvalidInput, Conflict.
        """
        password = secrets.token_urlsafe(12)
        self.create_account(username, password, role, by, must_change=True)
        return password

    def accounts(self) -> list[Account]:
        """All accounts by user name."""
        return self._accounts.list()

    def find(self, username: str) -> Account:
        """One account. Raises NotFound."""
        account = self._accounts.find(username)
        if account is None:
            raise NotFound(f"There is no account {username.strip()!r:.120}.")
        return account

    def reset_password(self, username: str, by: str = SYSTEM) -> str:
        """Give an account a new password, to be changed at the next sign-in; return it. Raises NotFound."""
        account, password = self.find(username), secrets.token_urlsafe(12)
        entry = self._entry(by, "reset password", username=account.username)
        self._accounts.replace_password(account.id, self._hash(password), must_change=True, entry=entry)
        return password

    def set_role(self, username: str, role: AccountRole | str, by: str = SYSTEM) -> Account:
        """Give an account another role, at once. Raises NotFound, InvalidInput, Conflict (last administrator)."""
        account, rank = self.find(username), _role(role)
        before, after = account.role.value, rank.value
        entry = self._entry(by, "change role", username=account.username, before=before, after=after)
        return self._accounts.change(account.id, entry, role=rank)

    def set_disabled(self, username: str, disabled: bool, by: str = SYSTEM) -> Account:
        """Lock an account and end its sessions, or let it in again. Raises NotFound, Conflict (the last one)."""
        account = self.find(username)
        entry = self._entry(by, "lock account" if disabled else "unlock account", username=account.username)
        return self._accounts.change(account.id, entry, disabled=disabled)

    def remove(self, username: str, by: str = SYSTEM) -> None:
        """Remove an account with its sessions. Raises NotFound, Conflict (last administrator)."""
        account = self.find(username)
        self._accounts.remove(account.id, self._entry(by, "remove account", username=account.username))

    # -- steps -------------------------------------------------------------------------------------

    def _verify(self, username: str, password: str, address: str = "") -> Account:
        account, now = self._accounts.find(username), self._clock()
        if account is None or account.disabled or account.locked(now):
            self._matches(self._dummy_hash, password)
            self._accounts.record(self._refusal(account, address), account.id if account else None)
            raise AccessDenied(_DENIED)
        stored = self._accounts.password_hash(account.id)
        if not self._matches(stored, password):
            self._accounts.record_failure(account.id, now, self._refusal(account, address))
            raise AccessDenied(_DENIED)
        self._accounts.record_success(account.id)
        if self._hasher.check_needs_rehash(stored):
            self._accounts.set_password_hash(account.id, self._hash(password))
        return account

    def _refusal(self, account: Account | None, address: str) -> AuditEntry:
        """A name that nobody has is not kept: people type passwords there."""
        reason = "wrong password"
        if account is None:
            reason = "unknown user name"
        elif account.disabled or account.locked(self._clock()):
            reason = "locked"
        return self._entry(account.username if account else "", "sign-in refused", reason=reason, address=address)

    def _entry(self, by: str, action: str, account: Account | None = None, **details: Any) -> AuditEntry:
        subject_id = str(account.id) if account else ""
        return AuditEntry(self._clock(), by, action, "account", subject_id, details=details)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_encoded(password))

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _encoded(password))
        except (VerificationError, InvalidHashError):
            return False


def form_token(token: str) -> str:
    """The token that a page's requests carry beside the session's cookie, against forgery by other sites.

    It follows from the session's token, which no page can read, and ends with it.
    """
    return hmac.new(_encoded(token), b"form", hashlib.sha256).hexdigest()


def _role(role: AccountRole | str) -> AccountRole:
    if role not in list(AccountRole):
        raise InvalidInput(f"A role is one of {', '.join(AccountRole)}, not {role!r}.")
    return AccountRole(role)


def _checked(password: str) -> str:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidInput(f"Choose a password of {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    return password


def _encoded(text: str) -> bytes:
    """Bytes of any string that a browser can send, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def _token_hash(token: str) -> str:
    return hashlib.sha256(_encoded(token)).hexdigest()
