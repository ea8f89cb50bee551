"""Accounts and sessions: who gets in, who is kept out, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest
from concurrency import in_threads
from sqlalchemy import select

from app.domain.accounts import Account, AccountRole, lock_time
from app.domain.errors import AccessDenied, Conflict, InvalidInput, NotFound
from app.services.accounts import AccountService, form_token
from app.storage.accounts import Accounts
from app.storage.audit import Audit
from app.storage.database import Database
from app.storage.tables import AccountRow, SessionRow

PASSWORD = "correct horse 电池"
MINUTE = timedelta(minutes=1)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database)


@pytest.fixture
def service(accounts: Accounts, clock: Clock) -> AccountService:
    return AccountService(accounts, clock)


@pytest.fixture
def mei(service: AccountService) -> Account:
    return service.create_account("Mei", PASSWORD, AccountRole.ANALYST)


def fail_to_sign_in(service: AccountService, times: int) -> None:
    for _ in range(times):
        with pytest.raises(AccessDenied):
            service.sign_in("mei", "wrong password")


def test_first_account_is_made_once_and_works(service: AccountService) -> None:
    password = service.ensure_first_account()
    assert password is not None
    assert len(password) >= 16
    account = service.account_of(service.sign_in("analyst", password))
    assert account is not None
    assert (account.username, account.role) == ("analyst", "administrator")
    assert service.ensure_first_account() is None


def test_first_account_by_several_at_once_is_made_once(service: AccountService) -> None:
    passwords = [p for p in in_threads(4, lambda _: service.ensure_first_account()) if p]
    assert len(passwords) == 1
    assert service.sign_in("analyst", passwords[0])


def test_sign_in_ignores_case_and_space_of_the_user_name(service: AccountService, mei: Account) -> None:
    assert service.account_of(service.sign_in(" MEI ", PASSWORD)) == mei


def test_sign_in_is_denied_in_the_same_words_for_every_reason(service: AccountService, mei: Account) -> None:
    said = set()
    for name, password in [("mei", "wrong"), ("nobody", PASSWORD), ("", ""), ("mei", "\ud800\x00"), ("\x00", "x")]:
        with pytest.raises((AccessDenied, InvalidInput)) as caught:
            service.sign_in(name, password)
        said.add(str(caught.value))
    fail_to_sign_in(service, 5)
    with pytest.raises(AccessDenied) as locked:
        service.sign_in("mei", PASSWORD)
    assert str(locked.value) in said


def test_sign_in_is_locked_after_five_failures_and_opens_again(
    service: AccountService, clock: Clock, mei: Account
) -> None:
    fail_to_sign_in(service, 4)
    assert service.sign_in("mei", PASSWORD)
    fail_to_sign_in(service, 5)
    with pytest.raises(AccessDenied, match="locked"):
        service.sign_in("mei", PASSWORD)
    clock.now += MINUTE
    fail_to_sign_in(service, 1)
    clock.now += MINUTE
    with pytest.raises(AccessDenied):
        service.sign_in("mei", PASSWORD)
    clock.now += MINUTE
    assert service.sign_in("mei", PASSWORD)


def test_failures_while_locked_do_not_lengthen_the_lock(
    service: AccountService, clock: Clock, mei: Account
) -> None:
    fail_to_sign_in(service, 9)
    clock.now += MINUTE
    assert service.sign_in("mei", PASSWORD)


def test_failures_at_once_are_all_counted(accounts: Accounts, clock: Clock, mei: Account) -> None:
    in_threads(8, lambda _: accounts.record_failure(mei.id, clock.now))
    account = accounts.find("mei")
    assert account is not None
    assert account.failed_attempts == 8
    assert account.locked_until == clock.now + 8 * MINUTE


@pytest.mark.parametrize(("failures", "minutes"), [(0, 0), (4, 0), (5, 1), (6, 2), (8, 8), (9, 15), (10_000, 15)])
def test_lock_time_doubles_up_to_a_quarter_of_an_hour(failures: int, minutes: int) -> None:
    assert lock_time(failures) == minutes * MINUTE


def test_session_ends_after_twelve_hours(service: AccountService, clock: Clock, mei: Account) -> None:
    token = service.sign_in("mei", PASSWORD)
    clock.now += timedelta(hours=12) - timedelta(seconds=1)
    assert service.account_of(token) == mei
    clock.now += timedelta(seconds=1)
    assert service.account_of(token) is None


def test_expired_sessions_are_swept_at_the_next_sign_in(
    service: AccountService, clock: Clock, mei: Account, database: Database
) -> None:
    service.sign_in("mei", PASSWORD)
    clock.now += timedelta(hours=13)
    service.sign_in("mei", PASSWORD)
    with database.reading() as session:
        assert len(session.scalars(select(SessionRow)).all()) == 1


def test_sign_out_ends_this_session_only(service: AccountService, mei: Account) -> None:
    one, other = service.sign_in("mei", PASSWORD), service.sign_in("mei", PASSWORD)
    service.sign_out(one)
    service.sign_out(one)
    assert service.account_of(one) is None
    assert service.account_of(other) == mei


@pytest.mark.parametrize("token", ["", "forged", "\x00", "\ud800"])
def test_account_of_a_forged_token_is_none(service: AccountService, token: str) -> None:
    assert service.account_of(token) is None


def test_change_password_ends_every_session(service: AccountService, mei: Account) -> None:
    token = service.sign_in("mei", PASSWORD)
    service.change_password("mei", PASSWORD, "another long one")
    assert service.account_of(token) is None
    with pytest.raises(AccessDenied):
        service.sign_in("mei", PASSWORD)
    assert service.sign_in("mei", "another long one")


def test_change_password_needs_the_current_and_a_long_new_one(service: AccountService, mei: Account) -> None:
    with pytest.raises(AccessDenied):
        service.change_password("mei", "wrong", "another long one")
    with pytest.raises(InvalidInput, match="10 to 256"):
        service.change_password("mei", PASSWORD, "short")
    assert service.sign_in("mei", PASSWORD)


def test_create_account_refuses_unusable_values(service: AccountService, mei: Account) -> None:
    with pytest.raises(Conflict, match="'mei' is taken"):
        service.create_account("MEI", PASSWORD, "agent")
    with pytest.raises(InvalidInput, match="user name"):
        service.create_account(" ", PASSWORD, "agent")
    with pytest.raises(InvalidInput, match="agent, analyst, administrator"):
        service.create_account("tom", PASSWORD, "king")
    with pytest.raises(InvalidInput, match="password"):
        service.create_account("tom", "short", "agent")


def test_secrets_are_stored_only_as_hashes(service: AccountService, mei: Account, database: Database) -> None:
    token = service.sign_in("mei", PASSWORD)
    with database.reading() as session:
        account, stored = session.scalars(select(AccountRow)).one(), session.scalars(select(SessionRow)).one()
    assert account.password_hash.startswith("$argon2id$")
    assert PASSWORD not in account.password_hash
    assert token not in stored.token_hash
    assert "argon2" not in repr(mei)


def test_weak_hash_is_renewed_at_sign_in(service: AccountService, accounts: Accounts, mei: Account) -> None:
    from argon2 import PasswordHasher

    accounts.set_password_hash(mei.id, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD))
    service.sign_in("mei", PASSWORD)
    assert "m=65536" in accounts.password_hash(mei.id)


def test_password_hash_of_nobody_is_not_found(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        accounts.password_hash(99)
    with pytest.raises(NotFound):
        accounts.set_password_hash(99, "x")


def test_roles_include_those_below(mei: Account) -> None:
    assert mei.may("agent")
    assert mei.may(AccountRole.ANALYST)
    assert not mei.may("administrator")


def recorded(database: Database) -> list[tuple[str, str, str]]:
    return [(e.actor, e.action, e.details.get("reason", "")) for e in reversed(Audit(database).entries("account"))]


def test_sign_ins_and_refusals_are_recorded_without_unknown_names(
    service: AccountService, mei: Account, database: Database
) -> None:
    for name in ("mei", "a password typed here"):
        with pytest.raises(AccessDenied):
            service.sign_in(name, "wrong password", "10.0.0.1")
    service.sign_out(service.sign_in("mei", PASSWORD, "10.0.0.1", "Browser"))
    fail_to_sign_in(service, 6)
    entries = recorded(database)
    assert entries[:5] == [
        ("system", "create account", ""),
        ("mei", "sign-in refused", "wrong password"),
        ("", "sign-in refused", "unknown user name"),
        ("mei", "sign in", ""),
        ("mei", "sign out", ""),
    ]
    assert entries[-1] == ("mei", "sign-in refused", "locked")
    assert "typed here" not in repr(Audit(database).entries())
    assert Audit(database).entries("account", mei.id)[-2].details["address"] == "10.0.0.1"


def test_disabled_account_is_out_at_once_until_it_is_enabled(service: AccountService, mei: Account) -> None:
    service.create_account("root", PASSWORD, "administrator")
    token = service.sign_in("mei", PASSWORD)
    service.set_disabled("mei", True, by="root")
    assert service.account_of(token) is None
    with pytest.raises(AccessDenied, match="wrong, or"):
        service.sign_in("mei", PASSWORD)
    service.set_disabled("mei", False, by="root")
    assert service.account_of(token) is None
    assert service.sign_in("mei", PASSWORD)


def test_role_counts_from_the_next_request(service: AccountService, mei: Account) -> None:
    service.create_account("root", PASSWORD, "administrator")
    token = service.sign_in("mei", PASSWORD)
    service.set_role("mei", "agent", by="root")
    account = service.account_of(token)
    assert account
    assert not account.may("analyst")
    with pytest.raises(InvalidInput, match="agent, analyst, administrator"):
        service.set_role("mei", "king")


def test_last_administrator_stays(service: AccountService, mei: Account) -> None:
    service.create_account("root", PASSWORD, "administrator")
    for change in (
        lambda: service.remove("root"),
        lambda: service.set_disabled("root", True),
        lambda: service.set_role("root", "agent"),
    ):
        with pytest.raises(Conflict, match="last administrator"):
            change()
    assert service.find("root").may("administrator")
    service.create_account("second", PASSWORD, "administrator")
    service.remove("root")
    with pytest.raises(NotFound):
        service.find("root")


def test_administrators_who_demote_each_other_leave_one(service: AccountService) -> None:
    for name in ("one", "two"):
        service.create_account(name, PASSWORD, "administrator")

    def demote(number: int) -> bool:
        try:
            service.set_role(("one", "two")[number], "agent")
        except Conflict:
            return False
        return True

    assert sorted(in_threads(2, demote)) == [False, True]


def test_reset_password_ends_sessions_and_must_be_changed(service: AccountService, mei: Account) -> None:
    token = service.sign_in("mei", PASSWORD)
    first = service.reset_password("mei", by="root")
    assert service.account_of(token) is None
    account = service.account_of(service.sign_in("mei", first))
    assert account
    assert account.must_change
    with pytest.raises(InvalidInput, match="another one"):
        service.change_password("mei", first, first)
    service.change_password("mei", first, PASSWORD)
    assert not service.find("mei").must_change


def test_form_token_follows_from_the_session_and_does_not_open_it(service: AccountService, mei: Account) -> None:
    one, other = service.sign_in("mei", PASSWORD), service.sign_in("mei", PASSWORD)
    assert form_token(one) == form_token(one) != form_token(other)
    assert service.account_of(form_token(one)) is None
