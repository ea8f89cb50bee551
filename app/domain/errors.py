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
    │   └── NotAFeed            the answer is neither a feed nor a page with text
    ├── DeliveryError
    │   ├── DeliveryDeferred    worth trying again later
    │   └── DeliveryRefused     will not succeed by trying again
    ├── StorageUnavailable      the database did not answer
    ├── NotFound                nothing is stored under that id
    ├── Conflict                the change does not fit the present state
    └── AccessDenied            not signed in, or not allowed
        └── RoleMissing         signed in, but the account's role does not reach

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


class NotAFeed(SourceError):
    """The answer is neither a feed nor a page with text."""


class DeliveryError(AppError):
    """A message was not delivered."""


class DeliveryDeferred(DeliveryError):
    """Worth trying again later."""


class DeliveryRefused(DeliveryError):
    """Will not succeed by trying again."""


class StorageUnavailable(AppError):
    """The database did not answer, or could not write."""


class NotFound(AppError):
    """Nothing is stored under that id."""


class Conflict(AppError):
    """The change does not fit the present state."""


class AccessDenied(AppError):
    """Not signed in, or not allowed."""


class RoleMissing(AccessDenied):
    """Signed in, but the account's role does not allow it."""
