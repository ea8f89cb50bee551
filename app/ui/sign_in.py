"""The pages to sign in, to change a password and to end sessions: plain HTML forms, in the look of the others."""

from collections.abc import Sequence
from typing import Any

from app.domain.accounts import Account, SignedIn
from app.ui.theme import HEAD, PAGE_CSS
from app.ui.views import Views


class SignInPages:
    """Renders the forms. `message` says what went wrong at the last try, `notice` what went well.

    `token` goes with the form, so that no other site can send it (see app.api.access).
    """

    def __init__(self, views: Views) -> None:
        self._views = views

    def sign_in(self, target: str, username: str = "", message: str = "", notice: str = "") -> str:
        """The form to sign in; `target` is where to go afterwards, empty for the account's first page."""
        return self._page(
            "sign_in.html", "Sign in", target=target, username=username, message=message, notice=notice
        )

    def password(self, account: Account, token: str, message: str = "") -> str:
        """The form to change a password, by choice or because the first one must be replaced."""
        values = {"username": account.username, "first": account.must_change, "token": token}
        return self._page("password.html", "Change password", message=message, notice="", **values)

    def sessions(self, account: Account, token: str, sessions: Sequence[SignedIn], message: str = "") -> str:
        """Where the account is signed in, with a button to end each, and one for all."""
        values = {"username": account.username, "sessions": sessions, "token": token}
        return self._page("sessions.html", "Your sessions", message=message, notice="", **values)

    def _page(self, template: str, title: str, **values: Any) -> str:
        return self._views.render(template, head=HEAD, css=PAGE_CSS, title=title, **values)
