"""The conversation as a visitor sees it: its turns, and their markup. Everything that arrives is escaped."""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from app.domain.conversations import Outcome, Passage, Reply, Role, StoredMessage
from app.ui.texts import text

TEMPLATES = Path(__file__).parent / "templates" / "chat"
_CITATION_MARK = re.compile(r"\[(\d{1,2})\]")


class TurnState(Enum):
    """How far the answer of a turn has come."""

    ANSWERING = "answering"
    FINISHED = "finished"
    STOPPED = "stopped"  # by the visitor
    FAILED = "failed"  # `Turn.error` says why
    UNANSWERED = "unanswered"  # found so in the stored conversation


@dataclass(eq=False)
class Turn:
    """A question and what became of it. It grows while the answer is streamed."""

    question: str
    state: TurnState = TurnState.ANSWERING
    text: str = ""
    error: str = ""
    outcome: Outcome = Outcome.GENERATED
    citations: Sequence[Passage] = ()
    options: Sequence[str] = ()
    message_id: int | None = None
    feedback: int = 0
    by_person: bool = False  # an agent's reply
    position: int = 0  # in the line of visitors, while others are answered first

    def finish(self, reply: Reply, message_id: int) -> None:
        """Take the whole reply, which may differ from the pieces that were streamed."""
        self.state, self.message_id = TurnState.FINISHED, message_id
        self.text, self.outcome = reply.text, reply.outcome
        self.citations, self.options = reply.citations, reply.options

    def fail(self, reason: str) -> None:
        """End without an answer."""
        self.state, self.error = TurnState.FAILED, reason


def turns_of(messages: Iterable[StoredMessage]) -> list[Turn]:
    """The turns of a stored conversation, oldest first; a question that was tried again is one turn."""
    turns: list[Turn] = []
    for message in messages:
        if message.role == Role.CUSTOMER:
            if turns and turns[-1].state is TurnState.UNANSWERED and turns[-1].question == message.content:
                turns.pop()
            turns.append(Turn(message.content, TurnState.UNANSWERED))
            continue
        if not turns or turns[-1].state is TurnState.FINISHED or message.author:
            turns.append(Turn("", by_person=bool(message.author)))
        outcome = Outcome(message.outcome) if message.outcome else Outcome.GENERATED
        readings = message.citations if outcome is Outcome.CLARIFY else ()
        options = tuple(passage.question for passage in readings if passage.question)
        turns[-1].finish(Reply(message.content, outcome, message.citations, options=options), message.id)
        turns[-1].feedback = message.feedback
    return turns


class TranscriptView:
    """Renders turns, and the few sentences around them, in the visitor's language."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(prose=render_markdown, title=passage_title)
        self._environment = environment

    def welcome(self, language: str, examples: Sequence[str]) -> str:
        """What an empty conversation shows: a greeting and example questions."""
        return self._render("welcome.html", language, examples=examples)

    def transcript(self, turns: Sequence[Turn], language: str, retry: bool = True) -> str:
        """Turns that are over. The last one offers another try if it has no answer and `retry` is set."""
        return self._render("transcript.html", language, turns=turns, retry=retry, live=False)

    def live(self, turn: Turn, language: str) -> str:
        """The turn that is being answered."""
        return self._render("transcript.html", language, turns=[turn], retry=False, live=True)

    def brand(self, name: str, language: str) -> str:
        """The bank's name as the page's heading."""
        return self._render("brand.html", language, name=name)

    def disclosure(self, language: str) -> str:
        """The notice that a machine answers, and what is kept."""
        return self._render("disclosure.html", language)

    def _render(self, template: str, language: str, **values: Any) -> str:
        translate = partial(text, language=language)
        return self._environment.get_template(template).render(language=language, t=translate, **values)


def alert(message: str) -> str:
    """A message that something went wrong, announced at once."""
    return f'<p class="alert" role="alert">{escape(message)}</p>' if message else ""


def confirmation(message: str) -> str:
    """A message that something was done."""
    return f'<p class="confirmation" role="status">{escape(message)}</p>'


def downloads(lead: str, links: Mapping[str, tuple[str, str, str]]) -> str:
    """Files that the browser saves without asking the server again: by label, name, media type and content."""
    items = (
        f'<a download="{escape(name)}" href="data:{media};base64,{b64encode(content.encode()).decode()}">'
        f"{escape(label)}</a>"
        for label, (name, media, content) in links.items()
    )
    return f'<p class="confirmation" role="status">{escape(lead)} {" · ".join(items)}</p>'


def heading(title: str, explanation: str) -> str:
    """The head of a form."""
    return f"<h2>{escape(title)}</h2><p>{escape(explanation)}</p>"


def passage_title(passage: Passage) -> str:
    """What a passage is called in a list of sources."""
    return passage.title or passage.question or passage.source.partition("#")[0]


def render_markdown(
    source: str, language: str, citations: Sequence[Passage] = (), message_id: int | None = None
) -> Markup:
    """Markdown as safe HTML: no raw HTML, no images, links to the web, mail and telephones only.

    A mark such as [1] that has a passage becomes a button that opens it.
    """
    environment = {"language": language, "citations": citations, "message_id": message_id}
    return Markup(_MARKDOWN.render(source, environment))


def _render_text(_renderer: Any, tokens: Sequence[Any], index: int, _options: Any, env: Any) -> str:
    def button(found: re.Match[str]) -> str:
        number = int(found[1])
        if not 1 <= number <= len(env["citations"]):
            return found[0]
        title = passage_title(env["citations"][number - 1])
        label = escape(text("source_mark", env["language"], number=number, title=title))
        target = f"source-{env['message_id']}-{number}"
        return f'<button type="button" class="mark" data-opens="{target}" aria-label="{label}">{number}</button>'

    return _CITATION_MARK.sub(button, escape(tokens[index].content))


def _render_link(renderer: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("target", "_blank")
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return str(renderer.renderToken(tokens, index, options, env))


def _render_image(_renderer: Any, tokens: Sequence[Any], index: int, *_: Any) -> str:
    return escape(tokens[index].content)  # its description only: the page loads nothing from elsewhere


def _is_outside_link(url: str) -> bool:
    return url.startswith(("https://", "http://", "mailto:", "tel:"))


def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")
    parser.disable(["reference", "code", "autolink", "html_block", "html_inline"])
    parser.validateLink = _is_outside_link  # type: ignore[method-assign]
    parser.add_render_rule("text", _render_text)
    parser.add_render_rule("link_open", _render_link)
    parser.add_render_rule("image", _render_image)
    # Headings of a passage would break the order of the page's own.
    parser.add_render_rule("heading_open", lambda *_: '<p class="subhead">')
    parser.add_render_rule("heading_close", lambda *_: "</p>")
    return parser


_MARKDOWN = _markdown()
