"""Make, check and revoke the keys of the programming interface."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from app.domain.api_keys import SCOPES, ApiKey
from app.domain.audit import SYSTEM
from app.domain.errors import AppError, InvalidInput
from app.storage.api_keys import StoredApiKeys

_PREFIX = "bw_"  # so that scanners for leaked secrets can tell what it is
_NOTED_EVERY = timedelta(minutes=5)
_MAX_NAME = 100


class ApiKeys:
    """Keys of 256 random bits, kept as SHA-256: a guess is hopeless, so no slow hash is needed."""

    def __init__(self, keys: StoredApiKeys, clock: Callable[[], datetime]) -> None:
        self._keys, self._clock = keys, clock

    def create(self, name: str, scopes: Sequence[str], by: str = SYSTEM) -> str:
        """A new key, which nobody can show again. Raises InvalidInput, Conflict for a name that is taken."""
        name = " ".join(name.split())
        if not name or len(name) > _MAX_NAME:
            raise InvalidInput(f"A key needs a name of at most {_MAX_NAME} characters.")
        wrong = [scope for scope in scopes if scope not in SCOPES]
        if wrong or not scopes:
            raise InvalidInput(f"A key has one or more of the scopes {', '.join(SCOPES)}{_not(wrong)}.")
        key = _PREFIX + secrets.token_urlsafe(32)
        self._keys.add(name, _hash(key), sorted(set(scopes)), self._clock(), by)
        return key

    def check(self, token: str) -> ApiKey | None:
        """The key that a token is; None for one that is unknown or revoked."""
        key = self._keys.find(_hash(token)) if token else None
        if key is None or key.revoked_at is not None:
            return None
        now = self._clock()
        if key.last_used_at is None or now - key.last_used_at >= _NOTED_EVERY:
            with suppress(AppError):  # a busy database is no reason to turn somebody away
                self._keys.record_use(key.id, now)
        return key

    def revoke(self, name: str, by: str = SYSTEM) -> None:
        """End a key for good. Raises NotFound."""
        self._keys.revoke(name, self._clock(), by)

    # Last, since the name hides the type in what follows it.
    def list(self) -> list[ApiKey]:
        """All keys by name, revoked ones among them."""
        return self._keys.list()


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _not(wrong: Sequence[str]) -> str:
    return f", not {wrong[0]!r}" if wrong else ""
