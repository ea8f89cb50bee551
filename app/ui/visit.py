"""What one visitor's session holds, and the conversation as a file to take away."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.conversations import Role, StoredMessage
from app.ui.texts import LANGUAGES, text
from app.ui.transcript import Turn, TurnState, turns_of


@dataclass
class Visit:
    """One visitor's session. Shared by the handlers of that session, which change it in place."""

    language: str = LANGUAGES[0]
    conversation_id: str = ""
    turns: list[Turn] = field(default_factory=list)
    awaits_person: bool = False  # a person was asked for, whose replies are looked for
    seen: int = 0  # the last stored message that was looked at for a person's reply
    judged: int | None = None  # the reply of which the visitor may say why it did not help

    @property
    def answering(self) -> bool:
        return bool(self.turns) and self.turns[-1].state is TurnState.ANSWERING

    def stop(self) -> None:
        """End the running answer, if there is one, where it is."""
        if self.answering:
            self.turns[-1].state = TurnState.STOPPED

    def take_up(self, messages: Sequence[StoredMessage]) -> None:
        """Show a stored conversation."""
        self.turns = turns_of(messages)
        self.seen = max((message.id for message in messages), default=0)
        self.awaits_person = self.awaits_person or any(message.author for message in messages)

    def hear(self, messages: Sequence[StoredMessage]) -> bool:
        """Add what a person said since the last look; whether there was anything."""
        said = turns_of(message for message in messages if message.author)
        self.turns += said
        self.seen = max([self.seen, *(message.id for message in messages)])
        return bool(said)

    def forget(self) -> None:
        """Begin anew, in the same language."""
        self.conversation_id, self.turns, self.awaits_person, self.seen = "", [], False, 0

    def remembered(self) -> dict[str, Any]:
        """What the browser keeps of it."""
        return {
            "conversation": self.conversation_id,
            "language": self.language,
            "person": self.awaits_person,
        }

    def remember(self, saved: Any) -> None:
        """Take up what the browser has kept."""
        kept = saved if isinstance(saved, dict) else {}
        if kept.get("language") in LANGUAGES:
            self.language = kept["language"]
        self.conversation_id = str(kept.get("conversation") or "")
        self.awaits_person = bool(kept.get("person"))


def as_text(messages: Sequence[StoredMessage], language: str) -> str:
    """A conversation to read: who said what and when (UTC), with the titles of the sources."""
    parts = []
    for message in messages:
        lines = [
            f"{text(f'export_{_speaker(message)}', language)}, {message.at:%Y-%m-%d %H:%M} UTC",
            message.content,
        ]
        lines += [f"[{n}] {p.question or p.title or p.source}" for n, p in enumerate(message.citations, 1)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def as_json(messages: Sequence[StoredMessage]) -> str:
    """A conversation for programs: a list of messages, oldest first."""
    rows = [
        {
            "at": message.at.isoformat(),
            "from": _speaker(message),
            "text": message.content,
            "sources": [{"title": p.question or p.title, "text": p.text} for p in message.citations],
        }
        for message in messages
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"


def _speaker(message: StoredMessage) -> str:
    if message.role is Role.CUSTOMER:
        return "customer"
    return "agent" if message.author else "assistant"
