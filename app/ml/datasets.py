"""Load, validate, de-duplicate, split and fingerprint training data."""

import csv
import hashlib
import io
import json
import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.domain.conversations import Message, Passage, Role
from app.domain.errors import InvalidInput
from app.domain.news import STYLES, TOPICS, Sentiment
from app.ml.near_duplicates import NearDuplicates, sketch

_LINK = re.compile(r"https?://\S+|www\.\S+")


@dataclass(frozen=True)
class LabelledText:
    """One row for the classifier. `topic` is empty when it is not known; several are joined by "|"."""

    text: str
    label: str
    topic: str = ""
    style: str = ""  # of STYLES
    entity: str = ""  # whom the label is about, when it is not the text as a whole


@dataclass(frozen=True)
class DialogueExample:
    """One row for the responder: the conversation up to the question, the passages, the best reply."""

    messages: tuple[Message, ...]
    passages: tuple[Passage, ...]
    reply: str


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a CSV or JSON Lines file with their line numbers. Raises InvalidInput."""
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start}).") from error
    if not text.strip():
        raise InvalidInput(f"{path} is empty.")
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            for row in reader:
                yield reader.line_num, dict(row)
        except csv.Error as error:
            raise InvalidInput(f"{path}, line {reader.line_num}: not CSV ({error}).") from error
        return
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InvalidInput(f"{path}, line {number}: not JSON ({error.msg}).") from error
        if not isinstance(row, dict):
            raise InvalidInput(f"{path}, line {number}: expected an object, got {type(row).__name__}.")
        yield number, row


def load_labelled(paths: Sequence[Path], topics: Sequence[str] = tuple(TOPICS)) -> list[LabelledText]:
    """Rows with text, label and, where there is one, topic. Raises InvalidInput naming file and line.

    A file without a label column may hold topics only; its rows then train the topic alone.
    """
    rows: list[LabelledText] = []
    for path in paths:
        before = len(rows)
        for number, row in read_rows(path):
            text, label = str(row.get("text") or "").strip(), str(row.get("label") or "").strip().lower()
            topic, style = (str(row.get(name) or "").strip().lower() for name in ("topic", "style"))
            entity = str(row.get("entity") or "").strip()
            where = f"{path}, line {number}"
            if "text" not in row:
                raise InvalidInput(f"{where}: no column 'text' (columns: {', '.join(map(str, row))}).")
            if not text:
                raise InvalidInput(f"{where}: the text is empty.")
            if label not in set(Sentiment) | {""}:
                raise InvalidInput(f"{where}: label {label!r} is not one of {', '.join(Sentiment)}.")
            if style not in {*STYLES, ""}:
                raise InvalidInput(f"{where}: style {style!r} is not one of {', '.join(STYLES)}.")
            if topic and not set(topic.split("|")) <= set(topics):
                raise InvalidInput(f"{where}: topic {topic!r} is not one of {', '.join(topics)}.")
            if not label and not topic:
                raise InvalidInput(f"{where}: neither label nor topic.")
            rows.append(LabelledText(text, label, topic, style, entity))
        if len(rows) == before:
            raise InvalidInput(f"{path} holds no rows.")
    return rows


def load_dialogues(paths: Sequence[Path]) -> list[DialogueExample]:
    """Rows with messages [{role, content}], passages [text or {source, text, ...}] and reply."""
    examples = []
    for path in paths:
        for number, row in read_rows(path):
            try:
                messages = tuple(Message(Role(m["role"]), str(m["content"])) for m in row["messages"])
                passages = tuple(passage_of(p) for p in row["passages"])
                reply = str(row["reply"]).strip()
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InvalidInput(
                    f"{path}, line {number}: expected messages [{{role, content}}], passages, reply ({error})."
                ) from error
            if not messages or messages[-1].role != Role.CUSTOMER or not reply:
                raise InvalidInput(f"{path}, line {number}: needs a reply and a last message of role 'user'.")
            examples.append(DialogueExample(messages, passages, reply))
    return examples


def passage_of(value: Any) -> Passage:
    """A passage from a text or an object with text[, source, title, question]."""
    if isinstance(value, str):
        return Passage(source="", text=value)
    return Passage(
        source=str(value.get("source", "")), text=str(value["text"]),
        title=str(value.get("title", "")), question=str(value.get("question", "")),
    )  # fmt: skip


def normalise(text: str) -> str:
    """A form in which copies are equal: NFKC, lower case, no links, letters and digits only."""
    folded = _LINK.sub(" ", unicodedata.normalize("NFKC", text)).casefold()
    return " ".join(re.findall(r"\w+", folded))


def without_duplicates(rows: Sequence[LabelledText], seen: Sequence[LabelledText] = ()) -> list[LabelledText]:
    """Drop rows whose normalised text was met before, in `rows` or in `seen` (another split)."""
    elsewhere = {normalise(row.text) for row in seen}
    known: set[tuple[str, str]] = set()
    kept = []
    for row in rows:
        key = normalise(row.text)
        if key not in elsewhere and (key, row.entity) not in known:
            known.add((key, row.entity))
            kept.append(row)
    return kept


def without_near_duplicates(rows: Sequence[LabelledText], seen: Sequence[LabelledText]) -> list[LabelledText]:
    """Drop rows that say nearly what a text of `seen` (another split) says, links left out."""
    others = NearDuplicates()
    for i, text in enumerate(sorted({_LINK.sub(" ", row.text) for row in seen})):
        others.add(i, sketch(text))
    return [row for row in rows if others.find(sketch(_LINK.sub(" ", row.text))) is None]


def split(rows: Sequence[Any], fraction: float, seed: int) -> tuple[list[Any], list[Any]]:
    """Shuffle by seed and cut off `fraction` of the rows: (rest, held out)."""
    order = list(rows)
    random.Random(seed).shuffle(order)
    cut = round(len(order) * fraction)
    return order[cut:], order[:cut]


def fingerprint(rows: Sequence[Any]) -> str:
    """SHA-256 over the rows in order, as hex: the same data gives the same fingerprint."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(asdict(row), ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()
