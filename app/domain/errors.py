"""The one tree of errors that the application raises on purpose.

    AppError
    ├── ConfigurationError      a setting is unsafe or impossible
    ├── InvalidInput            a file, row or request that cannot be used
    ├── ModelError
    │   ├── BackboneUnavailable the base model cannot be found, verified or loaded
    │   └── AdapterMismatch     an adapter was trained on another backbone
    ├── KnowledgeError
    │   ├── IndexMissing        no knowledge index where one was expected
    │   └── UnreadableDocument  one document cannot be read; the others can
    ├── SourceError
    │   ├── AddressRefused      the address is private, or not http(s)
    │   ├── FetchFailed         no usable answer: status, timeout, network, size
    │   │   └── SourceBusy      away for the moment, or asks to wait
    │   └── NotAFeed            the answer is neither a feed nor a page with text
    ├── DeliveryError
    │   ├── DeliveryDeferred    worth trying again later
    │   │   └── ServerUnreachable  no mail or message of this server would fare better now
    │   └── DeliveryRefused     will not succeed by trying again
    ├── StorageUnavailable      the database did not answer
    ├── NotFound                nothing is stored under that id
    ├── Conflict                the change does not fit the present state
    │   └── LeaseLost           another process does this work by now
    ├── Busy                    too much is asked of the machine at this moment
    │   └── TooManyRequests     too much is asked by this visitor, key or account
    └── AccessDenied            not signed in, or not allowed
        ├── RoleMissing         signed in, but the account's role or the key's scopes do not reach
        └── RequestRefused      signed in, but not in this way: no token of a page, or a password to change first

The message of each says what happened and what to do; edges show it as it is.
"""


class AppError(Exception):
    """Base of every error that is meant to be read by a person."""


class ConfigurationError(AppError):
    """A setting is unsafe or impossible; the message names the mend."""


class InvalidInput(AppError):
    """A file, a row or a request cannot be used as it is."""


class ModelError(AppError):
    """Something about model weights."""


class BackboneUnavailable(ModelError):
    """The base model cannot be found, verified or loaded."""


class AdapterMismatch(ModelError):
    """An adapter does not fit the loaded backbone, or is not an adapter."""


class KnowledgeError(AppError):
    """Something about the knowledge base."""


class IndexMissing(KnowledgeError):
    """No knowledge index where one was expected."""


class UnreadableDocument(KnowledgeError):
    """One document of the knowledge base cannot be read."""


class SourceError(AppError):
    """A news source gave nothing usable."""


class AddressRefused(SourceError):
    """The address is private, link-local, or not http(s)."""


class FetchFailed(SourceError):
    """Status, timeout, network or size kept the answer from us."""


class SourceBusy(FetchFailed):
    """The server is away, or asks to wait: worth another try, not before `seconds` where they are known."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class NotAFeed(SourceError):
    """The answer is neither a feed nor a page with text."""


class DeliveryError(AppError):
    """A message was not delivered."""


class DeliveryDeferred(DeliveryError):
    """Worth trying again later."""


class ServerUnreachable(DeliveryDeferred):
    """The server itself is the trouble, so that nothing else it is asked now would fare better."""


class DeliveryRefused(DeliveryError):
    """Will not succeed by trying again."""


class StorageUnavailable(AppError):
    """The database did not answer, or could not write."""


class NotFound(AppError):
    """Nothing is stored under that id."""


class Conflict(AppError):
    """The change does not fit the present state."""


class LeaseLost(Conflict):
    """Another process does this work by now; what was begun is left to it."""


class AccessDenied(AppError):
    """Not signed in, or not allowed."""


class RoleMissing(AccessDenied):
    """Signed in, but the account's role or the key's scopes do not allow it."""


class RequestRefused(AccessDenied):
    """Signed in, but the request lacks its page's token, or the password must be changed first."""


class Busy(AppError):
    """Too much is asked at this moment; the same may work in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int = 10) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyRequests(Busy):
    """This visitor, key or account asks more often than it may."""


def reason_of(error: Exception) -> str:
    """What a record says of an error: its own words, or the name of a defect."""
    return str(error) if isinstance(error, AppError) else f"Unexpected {type(error).__name__}: {error}"
