"""Which visitor it is: a signed cookie with a random number in it, and nothing that anybody could read."""

import hashlib
import hmac
import secrets

VISITOR_COOKIE = "bellwether_visitor"
VISITOR_SECONDS = 365 * 24 * 3600
_ID_CHARS, _SIGNATURE_CHARS = 32, 64


class Visitors:
    """Gives out visitors' tokens and tells its own from forged ones."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def new(self) -> str:
        """A token for the cookie of a new visitor."""
        visitor = secrets.token_hex(_ID_CHARS // 2)
        return visitor + self._signature(visitor)

    def read(self, token: str) -> str | None:
        """The visitor's id; None for a token that this installation did not give out."""
        if len(token) != _ID_CHARS + _SIGNATURE_CHARS or not token.isascii():
            return None
        visitor, signature = token[:_ID_CHARS], token[_ID_CHARS:]
        return visitor if hmac.compare_digest(signature, self._signature(visitor)) else None

    def _signature(self, visitor: str) -> str:
        return hmac.new(self._key, visitor.encode("ascii"), hashlib.sha256).hexdigest()
