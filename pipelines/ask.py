"""Ask the knowledge base, as a customer would; one JSON line an answer.

`--input` takes JSON Lines with "question" and, where there is one, "history": [{"role", "content"}].
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.bootstrap import build_chat, build_responder, load_backbone
from app.domain.conversations import Message, Role
from app.domain.errors import InvalidInput
from app.ml.embedder import load_embedder
from app.services.chat import Chat, Finished
from app.services.retrieval import Retrieval
from app.storage.conversations import Conversations
from app.storage.database import open_database
from app.storage.knowledge_index import KnowledgeIndex
from pipelines import command_line

Question = tuple[str, list[Message]]


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--input", metavar="FILE", help="JSON Lines, or - for standard input")
    parser.add_argument("question", nargs="?")
    arguments = parser.parse_args()
    if (arguments.question is None) == (arguments.input is None):
        raise InvalidInput("Give either a question or --input FILE.")
    index = KnowledgeIndex.load(arguments.index)
    questions = list(read_questions(arguments.input)) if arguments.input else [(arguments.question, [])]
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    retrieval = Retrieval(index, load_embedder(settings.embedder, backbone, settings.threads))
    chat = build_chat(
        settings,
        Conversations(open_database("sqlite://")),  # nothing that is asked here is kept
        retrieval,
        build_responder(settings, backbone, settings.responder_adapter),
    )
    for question, history in questions:
        command_line.print_json(answer(chat, question, history))


def read_questions(source: str) -> Iterator[Question]:
    """Rows with a question and perhaps a history. Raises InvalidInput naming the line."""
    for where, line in command_line.read_lines(source):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            history = [Message(Role(m["role"]), str(m["content"])) for m in row.get("history") or []]
            question = row["question"].strip()
        except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f'{where}: expected {{"question": ..., "history": [{{"role", "content"}}]}} ({error}).'
            ) from error
        if not question:
            raise InvalidInput(f"{where}: the question is empty.")
        yield question, history


def answer(chat: Chat, question: str, history: list[Message]) -> dict[str, Any]:
    """The finished reply as a row."""
    finished = next(e for e in chat.answer(question, history) if isinstance(e, Finished))
    reply = finished.reply
    text = reply.text if not reply.options else reply.text + "\n" + "\n".join(f"- {o}" for o in reply.options)
    return {
        "question": question,
        "answer": text,
        "outcome": reply.outcome.value,
        "citations": [{"source": p.source, "score": round(p.score, 4), "text": p.text} for p in reply.citations],
        "seconds_to_first_token": round(finished.seconds_to_first_token, 3),
        "seconds": round(finished.seconds, 3),
    }


if __name__ == "__main__":
    command_line.run(main)
