"""Who is asking: session cookies, and what a request must show before it may change something."""

import hmac
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

from app.domain.accounts import Account, AccountRole
from app.domain.errors import AccessDenied, RequestRefused, RoleMissing
from app.services.accounts import AccountService, form_token

COOKIE = "bellwether_session"
FORM_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HasCookies(Protocol):
    """A request, FastAPI's or Gradio's."""

    @property
    def cookies(self) -> Mapping[str, str]: ...


class Sessions:
    """Finds the account behind a request's session cookie."""

    def __init__(self, accounts: AccountService, public_url: str = "") -> None:
        self._accounts, self._public_url = accounts, public_url

    def signed_in(self, request: HasCookies) -> Account:
        """The signed-in account, whatever its role. Raises AccessDenied."""
        account = self._accounts.account_of(request.cookies.get(COOKIE, ""))
        if account is None:
            raise AccessDenied("You are not signed in, or your session has ended. Sign in again at /sign-in.")
        return account

    def require(self, request: HasCookies, role: AccountRole) -> Account:
        """The signed-in account with this role or one above it.

        Raises AccessDenied, RoleMissing for a lesser role, RequestRefused while its password is a first one.
        """
        account = self.signed_in(request)
        if account.must_change:
            raise RequestRefused("Choose a password of your own first, at /password.")
        if not account.may(role):
            raise RoleMissing(f"This account may not do that; it needs the {role} role.")
        return account

    def analyst(self, request: HasCookies) -> Account:
        """The signed-in account, at least an analyst. Raises as `require` does."""
        return self.require(request, AccountRole.ANALYST)

    def form_token(self, request: HasCookies) -> str:
        """What the forms and scripts of this session's pages send along."""
        return form_token(request.cookies.get(COOKIE, ""))

    def check_origin(self, request: Request, token: str | None = None) -> None:
        """Raise RequestRefused for a request that changes something and was not made by one of our pages."""
        if not from_own_page(request.headers, self._public_url):
            raise RequestRefused("The request comes from another site and was refused.")
        given = (request.headers.get(FORM_HEADER, "") if token is None else token).encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.form_token(request).encode("ascii")):
            raise RequestRefused(
                "The request lacks its page's token. Reload the page; programs send the csrf_token of "
                "/api/v1/session as X-CSRF-Token, or use an API key."
            )


def signed_in_account(request: Request) -> Account:
    """FastAPI dependency: the signed-in account, whatever its role. Raises AccessDenied."""
    sessions: Sessions = request.app.state.sessions
    return sessions.signed_in(request)


def address_of(request: Request) -> str:
    """Where a request comes from. Behind a proxy the server puts the visitor's address in the proxy's place."""
    return request.client.host if request.client else ""


def from_own_page(headers: Headers, public_url: str = "") -> bool:
    """Whether a request that changes something comes from a page of this site, or from no page at all.

    Browsers name the page's origin; programs other than browsers send none and carry no one's cookies.
    """
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return urlsplit(origin).netloc in {headers.get("host"), urlsplit(public_url).netloc} - {"", None}
