"""A secret of this installation, kept in a file that only its owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from app.domain.errors import ConfigurationError

_BYTES = 32


def load_or_create_key(path: Path) -> bytes:
    """The key in `path`, made at random where there is none. Raises ConfigurationError when it cannot be used.

    It is written under another name and linked into place, so that two processes that start together agree on one.
    """
    try:
        if not path.exists():
            _create(path)
        key = path.read_text(encoding="ascii").strip()
        path.chmod(0o600)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"The key {path} cannot be read or made ({error}). Check the folder.") from error
    if len(key) < 2 * _BYTES:
        raise ConfigurationError(f"The key {path} is damaged. Remove it: a new one is made, and sent links end.")
    return key.encode("ascii")


def _create(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):  # another process was first; its key holds
            os.link(draft, path)
    finally:
        draft.unlink()
