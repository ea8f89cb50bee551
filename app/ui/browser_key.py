"""The key with which a visitor's browser keeps the conversation's id."""

import secrets
from pathlib import Path

_NAME = "browser-storage.key"


def browser_key(data_dir: Path) -> str:
    """This installation's key, made once and kept in `data_dir`, so that conversations outlive a restart.

    The page needs the key itself, so it only keeps the id unreadable at rest; what protects a conversation
    is that its id (128 random bits) cannot be guessed.
    """
    file = data_dir / _NAME
    if not file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(24), encoding="ascii")
        draft.replace(file)
    return file.read_text(encoding="ascii")
