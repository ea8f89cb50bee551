"""What a request to the API may do: an API key by its scopes, a signed-in person by the role."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from app.api.access import COOKIE, SAFE_METHODS, Sessions
from app.domain.accounts import AccountRole
from app.domain.errors import AccessDenied, RoleMissing
from app.services.limits import Limits

# The least role with which a signed-in person may do what a scope allows to a key.
SCOPES: dict[str, AccountRole] = {
    "chat": AccountRole.AGENT,
    "classify": AccountRole.ANALYST,
    "articles:read": AccountRole.ANALYST,
    "articles:write": AccountRole.ANALYST,
    "alerts:read": AccountRole.ANALYST,
    "alerts:write": AccountRole.ANALYST,
    "sources:read": AccountRole.ANALYST,
    "sources:write": AccountRole.ADMINISTRATOR,
    "metrics:read": AccountRole.ADMINISTRATOR,
}


class Key(Protocol):
    """An API key in force."""

    @property
    def name(self) -> str: ...
    @property
    def scopes(self) -> Sequence[str]: ...


class Keys(Protocol):
    """Finds the key that a token is of; None for a token of none, or of one that was revoked."""

    def check(self, token: str) -> Any: ...


@dataclass(frozen=True)
class Caller:
    """Who asks. `name` is what the record of changes says: the user name, or "key NAME"."""

    name: str


class Gate:
    """Decides who may pass, and counts how often."""

    def __init__(self, sessions: Sessions, keys: Keys, limits: Limits) -> None:
        self._sessions, self._keys, self._limits = sessions, keys, limits

    def admit(self, request: Request, token: str | None, scope: str) -> Caller:
        """The caller. Raises AccessDenied, RoleMissing, RequestRefused, TooManyRequests."""
        if token is not None:
            caller = self._key(token, scope)
        else:
            caller = Caller(self._sessions.require(request, SCOPES[scope]).username)
            if request.method not in SAFE_METHODS:
                self._sessions.check_origin(request)
        self._limits.call(caller.name)
        return caller

    def _key(self, token: str, scope: str) -> Caller:
        key: Key | None = self._keys.check(token)
        if key is None:
            raise AccessDenied("This API key is not known here, or was revoked. An administrator can make another.")
        if scope not in key.scopes:
            raise RoleMissing(f"The key {key.name!r} lacks the scope {scope}.")
        return Caller(f"key {key.name}")


BEARER = HTTPBearer(
    auto_error=False, scheme_name="API key", description="An API key, sent as `Authorization: Bearer KEY`"
)
SESSION = APIKeyCookie(
    name=COOKIE, auto_error=False, scheme_name="Session", description="Signed in; to write, send X-CSRF-Token too"
)


def needs(scope: str) -> Callable[..., Caller]:
    """FastAPI dependency: the caller, who may do what `scope` allows."""
    assert scope in SCOPES, scope

    def admit(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
        _session: Annotated[str | None, Depends(SESSION)],
    ) -> Caller:
        gate: Gate = request.app.state.gate
        if bearer is None and "authorization" in request.headers:
            raise AccessDenied("The Authorization header is not understood. Send: Authorization: Bearer KEY.")
        return gate.admit(request, bearer.credentials if bearer else None, scope)

    return admit
