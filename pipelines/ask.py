"""Ask the knowledge base, as a customer would; one JSON line an answer.

`--input` takes JSON Lines with "question" and, where there is one, "history": [{"role", "content"}].
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.bootstrap import build_chat, build_judge, build_responder, load_backbone, quicken
from app.config import Settings
from app.domain.conversations import Message, Reply, Role
from app.domain.errors import InvalidInput
from app.ml.backbone import Backbone
from app.ml.embedder import load_embedder
from app.services.chat import Chat, Finished
from app.services.retrieval import Retrieval
from app.storage.conversations import Conversations
from app.storage.database import open_database
from app.storage.knowledge_index import KnowledgeIndex
from pipelines import command_line

Question = tuple[str, list[Message]]


@dataclass(frozen=True)
class OpenChat:
    """A chat to put questions to, with what it searches and computes with."""

    chat: Chat
    retrieval: Retrieval
    backbone: Backbone


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--input", metavar="FILE", help="JSON Lines, or - for standard input")
    parser.add_argument("question", nargs="?")
    arguments = parser.parse_args()
    if (arguments.question is None) == (arguments.input is None):
        raise InvalidInput("Give either a question or --input FILE.")
    questions = list(read_questions(arguments.input)) if arguments.input else [(arguments.question, [])]
    chat = open_chat(command_line.settings_of(arguments), KnowledgeIndex.load(arguments.index)).chat
    for question, history in questions:
        command_line.print_json(answer(chat, question, history))


def open_chat(settings: Settings, index: KnowledgeIndex) -> OpenChat:
    """Compose the chat as the application does, over an index; nothing that is asked in it is kept."""
    backbone = load_backbone(settings, command_line.show_progress)
    retrieval = Retrieval(index, load_embedder(settings.embedder, backbone, settings.threads))
    responder = build_responder(settings, backbone, settings.responder_adapter)
    quicken(responder)
    judge = build_judge(settings, backbone)
    chat = build_chat(settings, Conversations(open_database("sqlite://")), retrieval, responder, judge)
    return OpenChat(chat, retrieval, backbone)


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
    return {
        "question": question,
        "answer": text_of(reply),
        "outcome": reply.outcome.value,
        "citations": [{"source": p.source, "score": round(p.score, 4), "text": p.text} for p in reply.citations],
        "seconds_to_first_token": round(finished.seconds_to_first_token, 3),
        "seconds": round(finished.seconds, 3),
    }


def text_of(reply: Reply) -> str:
    """What the customer reads: the text, and the readings to choose from."""
    return "\n".join([reply.text, *(f"- {option}" for option in reply.options)])


if __name__ == "__main__":
    command_line.run(main)
