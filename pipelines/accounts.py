"""The accounts of the staff: list, add, give a new password, lock, remove, change roles, end sessions.

    python -m pipelines.accounts list
    python -m pipelines.accounts add NAME ROLE          # agent, analyst or administrator
    python -m pipelines.accounts reset NAME
    python -m pipelines.accounts lock NAME              # or: unlock NAME
    python -m pipelines.accounts role NAME ROLE
    python -m pipelines.accounts sign-out NAME          # everywhere
    python -m pipelines.accounts remove NAME

New passwords are printed once, and must be changed at the first sign-in. No model is loaded; the application may
be running. The record of changes names the operator of the machine ("operator") for what is done here.
"""

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime

from app.config import load_settings
from app.domain.accounts import AccountRole
from app.services.accounts import AccountService
from app.storage.accounts import Accounts
from app.storage.database import open_database
from pipelines.command_line import print_json, run

OPERATOR = "operator"


def main(arguments: list[str] | None = None) -> None:
    """Do the one thing that was asked for."""
    options = _parser().parse_args(arguments)
    settings = load_settings(promoted=False)
    with closing(open_database(settings.effective_database_url)) as database:
        _COMMANDS[options.command](AccountService(Accounts(database), lambda: datetime.now(UTC)), options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="one JSON line for each account")
    for name, text in (
        ("add", "add an account and print its first password"),
        ("reset", "replace a password and print the new one"),
        ("lock", "refuse an account and end its sessions"),
        ("unlock", "let a locked account in again, now"),
        ("role", "change a role"),
        ("sign-out", "end all sessions of an account"),
        ("remove", "remove an account"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("name", help="user name")
        if name in ("add", "role"):
            command.add_argument("role", choices=list(AccountRole))
    return parser


def _list(service: AccountService, _options: argparse.Namespace) -> None:
    for account in service.accounts():
        shown = {name: value for name, value in dataclasses.asdict(account).items() if name != "id"}
        print_json(shown | {"locked_until": account.locked_until and account.locked_until.isoformat()})


def _add(service: AccountService, options: argparse.Namespace) -> None:
    _print_password(options.name, service.invite(options.name, options.role, OPERATOR))


def _reset(service: AccountService, options: argparse.Namespace) -> None:
    _print_password(options.name, service.reset_password(options.name, OPERATOR))


def _print_password(name: str, password: str) -> None:
    print(f"Password of {name.strip()!r}, shown this once:  {password}")


_COMMANDS: Mapping[str, Callable[[AccountService, argparse.Namespace], object]] = {
    "list": _list,
    "add": _add,
    "reset": _reset,
    "lock": lambda service, options: service.set_disabled(options.name, True, OPERATOR),
    "unlock": lambda service, options: service.set_disabled(options.name, False, OPERATOR),
    "role": lambda service, options: service.set_role(options.name, options.role, OPERATOR),
    "sign-out": lambda service, options: service.end_sessions(service.find(options.name), OPERATOR),
    "remove": lambda service, options: service.remove(options.name, OPERATOR),
}


if __name__ == "__main__":
    run(main)
