"""The four outcomes, from hits that are written down."""

from app.domain.conversations import Outcome, Passage
from app.services.decisions import Thresholds, decide, prefer_language
from app.storage.knowledge_index import Hit

LIMITS = Thresholds(template=0.9, answer=0.6, clarify_margin=0.02)


def curated(row: int, language: str = "en", table: str = "cards") -> Passage:
    return Passage(f"{language}/{table}.csv#{row}", f"Answer {row}", question=f"Question {row}?", language=language)


PROSE = Passage("documents/tariff.md", "A cheque costs £4.", title="Fees")


def hits(*found: tuple[Passage, float]) -> list[Hit]:
    return [Hit(passage, cosine, 0.0, passage.question or passage.text) for passage, cosine in found]


def test_decide_hands_off_when_nothing_is_near() -> None:
    assert decide([], "en", LIMITS).outcome is Outcome.HANDOFF
    assert decide(hits((curated(0), 0.59)), "en", LIMITS).outcome is Outcome.HANDOFF


def test_decide_takes_the_approved_answer_of_a_near_question() -> None:
    decision = decide(hits((curated(0), 0.95), (curated(1), 0.94)), "en", LIMITS)
    assert decision.outcome is Outcome.TEMPLATE
    assert decision.passages == (curated(0),)


def test_decide_takes_the_translation_of_the_nearest_entry() -> None:
    found = hits((curated(0, "en"), 0.95), (curated(1, "zh"), 0.94), (curated(0, "zh"), 0.93))
    decision = decide(found, "zh", LIMITS)
    assert decision.outcome is Outcome.TEMPLATE
    assert decision.passages == (curated(0, "zh"),)


def test_decide_composes_when_the_near_entry_has_no_translation() -> None:
    found = hits((curated(0, "en"), 0.95), (curated(1, "zh"), 0.94))
    assert decide(found, "zh", LIMITS).outcome is Outcome.GENERATED


def test_decide_composes_between_the_thresholds_and_from_prose() -> None:
    assert decide(hits((curated(0), 0.8), (curated(1), 0.7)), "en", LIMITS).outcome is Outcome.GENERATED
    decision = decide(hits((PROSE, 0.99), (curated(1), 0.7)), "en", LIMITS)
    assert decision.outcome is Outcome.GENERATED
    assert decision.passages == (PROSE, curated(1))


def test_decide_asks_which_when_two_entries_are_as_near() -> None:
    decision = decide(hits((curated(0), 0.80), (PROSE, 0.795), (curated(1), 0.79)), "en", LIMITS)
    assert decision.outcome is Outcome.CLARIFY
    assert decision.options == ("Question 0?", "Question 1?")


def test_decide_never_asks_between_an_entry_and_its_translation() -> None:
    found = hits((curated(0, "en"), 0.80), (curated(0, "zh"), 0.795))
    assert decide(found, "en", LIMITS).outcome is Outcome.GENERATED


def test_decide_gives_a_close_follow_up_the_approved_answer_and_never_asks_back() -> None:
    close, between = hits((curated(0), 0.99), (curated(1), 0.5)), hits((curated(0), 0.80), (curated(1), 0.79))
    assert decide(close, "en", LIMITS, follow_up=True).outcome is Outcome.TEMPLATE
    assert decide(between, "en", LIMITS, follow_up=True).outcome is Outcome.GENERATED
    assert decide(hits((curated(0), 0.5)), "en", LIMITS, follow_up=True).outcome is Outcome.HANDOFF


def test_prefer_language_keeps_the_order_and_one_of_each_entry() -> None:
    found = [curated(0, "en"), PROSE, curated(1, "zh"), curated(0, "zh"), curated(1, "en"), curated(2, "en")]
    assert prefer_language(found, "zh") == (curated(0, "zh"), PROSE, curated(1, "zh"), curated(2, "en"))
    assert prefer_language(found, "en") == (curated(0, "en"), PROSE, curated(1, "en"), curated(2, "en"))


def test_prefer_language_keeps_rows_of_other_tables_and_pieces_of_one_document() -> None:
    piece = Passage(PROSE.source, "A banker's draft costs £20.", title="Fees")
    found = [curated(0), curated(0, table="fees"), PROSE, piece]
    assert prefer_language(found, "zh") == tuple(found)


def test_decide_takes_the_approved_answer_of_an_exact_question_at_any_cosine() -> None:
    found = hits((curated(0), 0.5), (curated(1), 0.5))
    decision = decide(found, "en", LIMITS, follow_up=True, exact=True)
    assert (decision.outcome, decision.passages) == (Outcome.TEMPLATE, (curated(0),))


def test_decide_never_asks_which_with_a_margin_of_nothing() -> None:
    never = Thresholds(template=0.9, answer=0.6, clarify_margin=0.0)
    found = hits((curated(0), 0.79), (curated(1), 0.80))  # the words have put the first before the second
    assert decide(found, "en", never).outcome is Outcome.GENERATED
    assert decide(found, "en", LIMITS).outcome is Outcome.CLARIFY
