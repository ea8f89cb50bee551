"""The topics of a classifier: a file of the user's, or the taxonomy that ships."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.domain.errors import InvalidInput
from app.domain.news import TOPICS


def load_topics(path: Path | None) -> dict[str, str]:
    """Titles by topic out of a CSV file with columns topic,title or a JSON object; None gives the default.

    Raises InvalidInput.
    """
    if path is None:
        return dict(TOPICS)
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {path}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start}).") from error
    pairs = _from_csv(path, text) if path.suffix.lower() == ".csv" else _from_json(path, text)
    topics: dict[str, str] = {}
    for where, key, title in pairs:
        name = key.strip().lower()
        if not name or "|" in name:
            raise InvalidInput(f"{where}: a topic is a name without '|', not {key!r}.")
        if name in topics:
            raise InvalidInput(f"{where}: the topic {name!r} is there twice.")
        topics[name] = title.strip() or name.capitalize()
    if len(topics) < 2:
        raise InvalidInput(f"{path}: there must be at least two topics.")
    return topics


def topics_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Titles by topic of a trained adapter, from its metadata; of an older one, the default titles."""
    return dict(
        metadata.get("topics") or {k: TOPICS.get(k, k.capitalize()) for k in metadata.get("topic_map", TOPICS)}
    )


def _from_csv(path: Path, text: str) -> list[tuple[str, str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if "topic" not in (reader.fieldnames or ()):
        raise InvalidInput(f"{path}: expected the columns topic,title.")
    return [(f"{path}, line {reader.line_num}", row["topic"] or "", row.get("title") or "") for row in reader]


def _from_json(path: Path, text: str) -> list[tuple[str, str, str]]:
    try:
        # Pairs, since an object would hide that a name is there twice.
        pairs = json.loads(text, object_pairs_hook=list)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from error
    if not text.lstrip().startswith("{") or not all(isinstance(title, str) for _, title in pairs):
        raise InvalidInput(f"{path}: expected a JSON object of topics with their titles.")
    return [(str(path), key, title) for key, title in pairs]
