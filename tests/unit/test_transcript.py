from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.conversations import Outcome, Passage, Reply, Role, StoredMessage
from app.ui.browser_key import browser_key
from app.ui.transcript import TranscriptView, Turn, TurnState, alert, render_markdown, turns_of

AT = datetime(2025, 11, 24, tzinfo=UTC)
FEES = Passage("fees.md", "CHAPS costs £22.", title='Fees "abroad" <b>')


def stored(number: int, role: Role, content: str, outcome: str = "", *citations: Passage) -> StoredMessage:
    return StoredMessage(number, AT, role, content, outcome, citations, feedback=1 if outcome else 0)


def test_turns_of_pairs_questions_with_answers() -> None:
    turns = turns_of(
        [
            stored(1, Role.CUSTOMER, "What does CHAPS cost?"),
            stored(2, Role.ASSISTANT, "£22 [1]", "generated", FEES),
            stored(3, Role.CUSTOMER, "And SWIFT?"),
        ]
    )
    assert [(t.question, t.state) for t in turns] == [
        ("What does CHAPS cost?", TurnState.FINISHED),
        ("And SWIFT?", TurnState.UNANSWERED),
    ]
    assert (turns[0].message_id, turns[0].feedback, turns[0].citations) == (2, 1, (FEES,))


def test_turns_of_shows_a_question_tried_again_once() -> None:
    messages = [stored(1, Role.CUSTOMER, "Hello?"), stored(2, Role.CUSTOMER, "Hello?")]
    assert len(turns_of(messages)) == 1


def test_turns_of_clarify_takes_readings_from_the_passages() -> None:
    readings = [Passage("c.csv#0", "…", question="Order a card?"), Passage("c.csv#1", "…", question="Cancel it?")]
    turns = turns_of([stored(1, Role.CUSTOMER, "card"), stored(2, Role.ASSISTANT, "Which?", "clarify", *readings)])
    assert turns[0].options == ("Order a card?", "Cancel it?")


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "![x](https://foreign.example/x.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,1)",
        "<https://foreign.example>",
        '[1]: https://foreign.example "x"',
    ],
)
def test_render_markdown_neither_runs_nor_loads_anything(hostile: str) -> None:
    markup = render_markdown(hostile, "en")
    assert not any(tag in markup for tag in ("<script", "<img", "<a "))


def test_render_markdown_links_outside_in_a_new_tab() -> None:
    markup = render_markdown("[site](https://larkmoor.example/fees?a=1&b=2)", "en")
    assert 'href="https://larkmoor.example/fees?a=1&amp;b=2"' in markup
    assert 'rel="noopener noreferrer nofollow"' in markup


def test_render_markdown_makes_buttons_of_marks_that_have_a_passage() -> None:
    markup = render_markdown("£22 [1], £18 [2].", "en", [FEES], message_id=7)
    assert 'data-opens="source-7-1"' in markup
    assert "Open source 1: Fees &quot;abroad&quot; &lt;b&gt;" in markup
    assert "[2]" in markup


def test_transcript_offers_another_try_for_the_last_question_only() -> None:
    turns = [Turn("first", TurnState.STOPPED), Turn("second", TurnState.STOPPED)]
    view = TranscriptView()
    assert view.transcript(turns, "en").count('data-event="retry"') == 1
    assert 'data-event="retry"' not in view.transcript(turns, "en", retry=False)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_transcript_shows_every_outcome(outcome: Outcome, language: str) -> None:
    turn = Turn("<q>")
    turn.finish(Reply("Answer [1]", outcome, (FEES,), options=("This?",) if outcome == "clarify" else ()), 3)
    markup = TranscriptView().transcript([turn], language)
    assert f'class="answer {outcome.value}"' in markup
    assert "&lt;q&gt;" in markup
    assert ('data-question="This?"' in markup) == (outcome is Outcome.CLARIFY)
    assert ('data-event="select"' in markup) == (outcome is Outcome.HANDOFF)


def test_alert_escapes_and_is_empty_without_a_message() -> None:
    assert "&lt;b&gt;" in alert("<b>")
    assert alert("") == ""


def test_browser_key_outlives_a_restart_and_is_private(tmp_path: Path) -> None:
    key = browser_key(tmp_path / "new")
    assert browser_key(tmp_path / "new") == key
    assert browser_key(tmp_path / "other") != key
    assert (tmp_path / "new" / "browser-storage.key").stat().st_mode & 0o077 == 0
