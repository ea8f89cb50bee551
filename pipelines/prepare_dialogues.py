"""Make training rows for the responder from past conversations: redacted, without copies, split by conversation.

Reads exports (CSV, JSON Lines) and this application's own database; writes train.jsonl and dev.jsonl for
`pipelines.train_responder`, and prints what was kept and why the rest was not.
"""

import argparse
import json
import logging
import math
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.domain.conversations import Passage, Role, StoredMessage
from app.domain.errors import InvalidInput
from app.domain.figures import figures_in
from app.domain.guardrails import language_of
from app.domain.redaction import published_in
from app.integrations.documents import read_folder
from app.ml.datasets import read_rows
from app.ml.dialogue_exports import COLUMNS, ROLES, ExportReader
from app.ml.dialogues import Exchange, PastConversation, Selection, Speaker, Turn
from app.services.past_answers import PassageFinder, cited
from app.storage.conversations import Conversations
from app.storage.corrections import Corrections
from app.storage.database import Database, open_existing
from pipelines import command_line

log = logging.getLogger(__name__)
SHOWN = 20  # bad rows that are named in the report


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument(
        "--input", nargs="+", type=Path, default=[], metavar="FILE", help="exports: CSV or JSON Lines"
    )
    parser.add_argument(
        "--database", metavar="URL", help="this application's own: sqlite:///FILE or postgresql://..."
    )
    parser.add_argument(
        "--knowledge", type=Path, metavar="DIR", help="where passages that support answers are found"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--columns", default="", metavar="NAME=COLUMN,...", help=f"names: {', '.join(COLUMNS)}")
    parser.add_argument("--roles", default="", metavar="ROLE=VALUE,...", help=f"roles: {', '.join(ROLES)}")
    parser.add_argument("--assistant-is", choices=["auto", "agent", "bot"], default="auto")
    parser.add_argument(
        "--exclude", nargs="+", type=Path, default=[], metavar="FILE", help="questions that measure"
    )
    parser.add_argument("--supported-only", action="store_true", help="leave out answers that no passage supports")
    parser.add_argument("--dev-fraction", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=17)
    prepare(parser.parse_args())


def prepare(arguments: argparse.Namespace) -> None:
    """Read, select, ground, split, write; prints the report."""
    if not arguments.input and not arguments.database:
        raise InvalidInput("Name at least one export with --input, or a database with --database.")
    if not 0 <= arguments.dev_fraction < 1:
        raise InvalidInput(f"--dev-fraction is at least 0 and below 1, not {arguments.dev_fraction}.")
    passages = read_folder(arguments.knowledge)[0] if arguments.knowledge else []
    reader = ExportReader(
        _pairs(arguments.columns, "columns", COLUMNS),
        {value: role for role, value in _pairs(arguments.roles, "roles", ROLES).items()},
        arguments.assistant_is,
    )
    conversations = [c for path in arguments.input for c in reader.read(path)]
    if arguments.database:
        conversations += stored_conversations(arguments.database)
    for where, why in reader.bad_rows[:SHOWN]:
        log.warning("%s left out: %s", where, why)
    selection = Selection(published_in(f"{p.question} {p.text}" for p in passages))
    exchanges = selection.without_frozen(selection.of(conversations), _questions(arguments.exclude))
    finder = PassageFinder(passages, random.Random(arguments.seed))
    rows = [(exchange.conversation, row_of(exchange, finder)) for exchange in exchanges]
    if arguments.supported_only:
        selection.excluded["without_passages"] = sum(not row["passages"] for _, row in rows)
        rows = [(conversation, row) for conversation, row in rows if row["passages"]]
    report = {
        "output": str(arguments.output),
        "conversations": len(conversations),
        "questions": selection.questions,
        "excluded": {reason: n for reason, n in selection.excluded.most_common() if n},
        "bad_rows": len(reader.bad_rows),
        "bad_row_examples": [f"{where}: {why}" for where, why in reader.bad_rows[:SHOWN]],
    }
    if not rows:
        raise InvalidInput(f"No answer was left to learn from: {json.dumps(report, ensure_ascii=False)}")
    train, dev = split_by_conversation(rows, arguments.dev_fraction, arguments.seed)
    write(arguments.output, train, dev)
    command_line.print_json(report | _counts([row for _, row in rows], len(train), len(dev)))


def stored_conversations(url: str) -> list[PastConversation]:
    """Everything in this application's database, with what agents wrote and corrected there."""
    database = _existing(url)
    try:
        store, corrections = Conversations(database), Corrections(database).everything()
        asked_for_person = {handoff.conversation_id for handoff in store.handoffs(limit=1_000_000)}
        return [
            PastConversation(
                key=f"database:{key}",
                turns=tuple(
                    Turn(
                        _speaker(message),
                        message.content,
                        corrections[message.id].answer if message.id in corrections else "",
                        feedback=message.feedback,
                        outcome=message.outcome,
                        citations=message.citations,
                    )
                    for message in messages
                ),
                began=messages[0].at.timestamp(),
                handed_off=key in asked_for_person,
            )
            for key, messages in store.everything()
        ]
    finally:
        database.close()


def _speaker(message: StoredMessage) -> Speaker:
    if message.role is Role.CUSTOMER:
        return Speaker.CUSTOMER
    return Speaker.AGENT if message.author else Speaker.BOT


def _existing(url: str) -> Database:
    """Open a database, but never make a new one by a slip of the pen."""
    try:
        make_url(url)
    except ArgumentError as error:
        raise InvalidInput(f"--database: {error}. Write sqlite:///FILE or postgresql://USER@HOST/NAME.") from error
    return open_existing(url, mend="")


def row_of(exchange: Exchange, finder: PassageFinder) -> dict[str, Any]:
    """A row as `load_dialogues` reads it, with where the answer came from."""
    passages, reply = cited(exchange.reply, exchange.passages)
    known = {figure for p in passages for figure in figures_in(f"{p.question} {p.text}")}
    if not passages or not figures_in(cited(reply, ())[1]) <= known | figures_in(exchange.question):
        passages, reply = finder.support(exchange.question, cited(exchange.reply, ())[1])
    messages = [*exchange.history]
    return {
        "messages": [{"role": m.role, "content": m.content} for m in messages]
        + [{"role": Role.CUSTOMER, "content": exchange.question}],
        "passages": [_passage(p) for p in passages],
        "reply": reply,
        "answer": exchange.rank.name.lower(),
        "conversation": exchange.conversation,
    }


def _passage(passage: Passage) -> dict[str, str]:
    return {"source": passage.source, "title": passage.title, "question": passage.question, "text": passage.text}


def split_by_conversation(
    rows: Sequence[tuple[str, dict[str, Any]]], fraction: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(train, dev): all rows of a conversation on one side; none in dev when there is one conversation only."""
    keys = sorted({conversation for conversation, _ in rows})
    random.Random(seed).shuffle(keys)
    held_out = set(keys[: min(math.ceil(fraction * len(keys)), len(keys) - 1)])
    return [row for key, row in rows if key not in held_out], [row for key, row in rows if key in held_out]


def write(folder: Path, train: Sequence[dict[str, Any]], dev: Sequence[dict[str, Any]]) -> None:
    """Both files are complete before either takes its name; a dev file of an earlier run never stays beside."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = {}
    try:
        for name, rows in (("train.jsonl", train), ("dev.jsonl", dev)):
            scratch[name] = folder / f".{name}.{os.getpid()}"
            with scratch[name].open("w", encoding="utf-8") as stream:
                stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        for name, path in scratch.items():
            os.replace(path, folder / name)
        if not dev:
            (folder / "dev.jsonl").unlink()
    finally:
        for path in scratch.values():
            path.unlink(missing_ok=True)


def _questions(paths: Sequence[Path]) -> list[str]:
    return [str(row["question"]) for path in paths for _, row in read_rows(path) if row.get("question")]


def _pairs(text: str, option: str, known: dict[str, tuple[str, ...]]) -> dict[str, str]:
    pairs = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in known or not value:
            raise InvalidInput(f"--{option}: expected NAME=VALUE with a name of {', '.join(known)}, got {part!r}.")
        pairs[name] = value
    return pairs


def _counts(rows: Sequence[dict[str, Any]], train: int, dev: int) -> dict[str, Any]:
    return {
        "rows": len(rows),
        "train": train,
        "dev": dev,
        "answers": dict(Counter(row["answer"] for row in rows)),
        "languages": dict(Counter(language_of(row["messages"][-1]["content"]) for row in rows)),
        "with_passages": sum(bool(row["passages"]) for row in rows),
    }


if __name__ == "__main__":
    command_line.run(main)
