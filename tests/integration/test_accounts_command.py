"""python -m pipelines.accounts: one action each, on the database of the settings."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.errors import AccessDenied, Conflict, NotFound
from app.services.accounts import AccountService
from app.storage.accounts import Accounts
from app.storage.audit import Audit
from app.storage.database import open_database
from pipelines.accounts import main

Command = Callable[..., str]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'accounts.db'}"
    monkeypatch.setenv("BELLWETHER_DATABASE_URL", url)
    monkeypatch.setenv("BELLWETHER_DATA_DIR", str(tmp_path))
    return url


@pytest.fixture
def command(url: str, capsys: pytest.CaptureFixture[str]) -> Command:
    def command(*arguments: str) -> str:
        main(list(arguments))
        return capsys.readouterr().out

    return command


@pytest.fixture
def service(url: str) -> AccountService:
    from app.bootstrap import utc_now

    return AccountService(Accounts(open_database(url)), utc_now)


def password_in(output: str) -> str:
    found = re.search(r"shown this once:  (\S+)", output)
    assert found
    return found[1]


def test_add_and_reset_print_passwords_that_work_once(command: Command, service: AccountService) -> None:
    first = password_in(command("add", "Root", "administrator"))
    assert service.account_of(service.sign_in("root", first))
    second = password_in(command("reset", "root"))
    with pytest.raises(AccessDenied):
        service.sign_in("root", first)
    assert service.sign_in("root", second)
    [shown] = [json.loads(line) for line in command("list").splitlines()]
    assert (shown["username"], shown["role"], shown["must_change"]) == ("root", "administrator", True)
    assert "hash" not in str(shown)


def test_lock_role_sign_out_and_remove(command: Command, service: AccountService, url: str) -> None:
    command("add", "root", "administrator")
    password = password_in(command("add", "mei", "agent"))
    command("role", "mei", "analyst")
    assert service.find("mei").role == "analyst"
    token = service.sign_in("mei", password)
    command("sign-out", "mei")
    assert service.account_of(token) is None
    command("lock", "mei")
    with pytest.raises(AccessDenied):
        service.sign_in("mei", password)
    command("unlock", "mei")
    assert service.sign_in("mei", password)
    command("remove", "mei")
    with pytest.raises(NotFound):
        command("reset", "mei")
    with pytest.raises(Conflict, match="last administrator"):
        command("remove", "root")
    actors = {entry.actor for entry in Audit(open_database(url)).entries("account") if "account" in entry.action}
    assert actors == {"operator"}


def test_unknown_role_is_refused_by_the_command_line(command: Command) -> None:
    with pytest.raises(SystemExit):
        command("add", "mei", "king")
