"""Who may work with the product, and how long a guesser has to wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class AccountRole(StrEnum):
    """What an account is for. Each role may do all that those before it may."""

    AGENT = "agent"  # answers handoffs
    ANALYST = "analyst"  # watches the news, works on alerts
    ADMINISTRATOR = "administrator"  # changes sources and accounts


@dataclass(frozen=True)
class Account:
    """A person who can sign in. Its password never leaves the storage as part of it."""

    id: int
    username: str
    role: AccountRole
    failed_attempts: int = 0
    locked_until: datetime | None = None
    disabled: bool = False  # by an administrator, until one enables it again
    must_change: bool = False  # its password was chosen by the program: nothing else until it is replaced

    def locked(self, now: datetime) -> bool:
        """Whether sign-in is refused at `now` because of earlier failures."""
        return self.locked_until is not None and now < self.locked_until

    def may(self, role: AccountRole | str) -> bool:
        """Whether the account's role is `role` or one above it."""
        ranks = list(AccountRole)
        return ranks.index(self.role) >= ranks.index(AccountRole(role))


@dataclass(frozen=True)
class SignedIn:
    """A session as its owner sees it. `id` names it, and does not open it."""

    id: str
    started_at: datetime | None
    expires_at: datetime
    address: str = ""
    browser: str = ""


def lock_time(failures: int) -> timedelta:
    """Wait after `failures` wrong passwords in a row: none before the fifth, then 1, 2, 4 ... 15 minutes."""
    return timedelta(minutes=min(15, 2 ** min(failures - 5, 4))) if failures >= 5 else timedelta(0)
