"""Accounts: who may sign in, as what, and where they are signed in."""

from typing import Any

import gradio as gr

from app.domain.accounts import Account, AccountRole
from app.domain.errors import Conflict, NotFound
from app.ui.analyst.desk import Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.operations.room import QUIET, Room, secret_field, unknown_button

ROLES = {
    AccountRole.AGENT: "answers customers",
    AccountRole.ANALYST: "also watches the news and works on alerts",
    AccountRole.ADMINISTRATOR: "also changes sources, accounts and everything here",
}


def build_accounts(room: Room) -> Refresh:
    """The tab's content."""
    secret = secret_field()
    listing = fragment()
    with gr.Accordion("Add an account", open=False):
        with gr.Row():
            name = gr.Textbox("", label="User name", min_width=200, max_length=100)
            role = gr.Dropdown(
                [(f"{role.value}: {what}", role.value) for role, what in ROLES.items()],
                value=AccountRole.ANALYST.value,
                label="Role",
                min_width=200,
            )
        add = gr.Button("Add and show its first password", variant="primary", min_width=140)

    @shows_errors
    def refresh(request: gr.Request) -> str:
        return render_accounts(room, room.administrator(request))

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> tuple[str, Any]:
        shown = act_on_account(room, request, event.action, event.id)
        return render_accounts(room, room.account_of(request)), shown or gr.skip()

    @shows_errors
    def invite(name: str, role: str, request: gr.Request) -> tuple[str, str, str]:
        by = room.administrator(request)
        password = room.services.accounts.invite(name, role, by.username)
        return render_accounts(room, by), render_password(room, name.strip().casefold(), password), ""

    listing.click(act, None, [listing, secret], show_progress="minimal", api_visibility="private")
    add.click(invite, [name, role], [listing, secret, name], show_progress_on=[add], api_visibility="private")
    name.submit(invite, [name, role], [listing, secret, name], **QUIET)
    return Refresh(refresh, [], [listing])


def render_accounts(room: Room, viewer: Account) -> str:
    """Every account with its sessions; the viewer's own one cannot be changed here."""
    service, now = room.services.accounts, room.clock()
    rows = [(account, account.locked(now), service.sessions(account)) for account in service.accounts()]
    return room.render("accounts.html", rows=rows, roles=ROLES, own=viewer.id)


def render_password(room: Room, name: str, password: str) -> str:
    """A password that is shown once."""
    hint = "It must be changed at the first sign-in. It is not kept, and cannot be shown again."
    return room.render("secret.html", title=f"The first password of {name}", secret=password, hint=hint)


def act_on_account(room: Room, request: Any, action: str, account_id: int) -> str:
    """Carry out what a button of the list stands for; HTML of a new password, or nothing. Raises AppError."""
    by, service = room.administrator(request), room.services.accounts
    verb, _, what = action.partition(" ")
    account = _account(room, account_id)
    if account.id == by.id and verb not in ("end", "end-all"):
        raise Conflict(
            "That is your own account. Change your password at /password; the rest another administrator can."
        )
    name = account.username
    if verb == "role":
        service.set_role(name, what, by.username)
    elif verb in ("lock", "unlock"):
        service.set_disabled(name, verb == "lock", by.username)
    elif verb == "reset":
        return render_password(room, name, service.reset_password(name, by.username))
    elif verb == "remove":
        service.remove(name, by.username)
    elif verb == "end":
        service.end_session(account, what, by.username)
    elif verb == "end-all":
        service.end_sessions(account, by.username)
    else:
        raise unknown_button()
    return ""


def _account(room: Room, account_id: int) -> Account:
    """Raises NotFound."""
    for account in room.services.accounts.accounts():
        if account.id == account_id:
            return account
    raise NotFound("There is no such account; it may have been removed.")
