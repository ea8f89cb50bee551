"""The four outcomes, from hits and scores that are written down."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from app.domain.conversations import Outcome, Passage
from app.domain.errors import ConfigurationError
from app.services.decisions import (
    THRESHOLDS,
    Answerability,
    Candidate,
    Thresholds,
    decide,
    load_thresholds,
    prefer_language,
    template_of,
)
from app.storage.knowledge_index import Hit

LIMITS = Thresholds(template=0.9, answer=0.6, clarify_margin=0.02, answer_in={"zh": 0.7})


def curated(row: int, language: str = "en", table: str = "cards") -> Passage:
    return Passage(f"{language}/{table}.csv#{row}", f"Answer {row}", question=f"Question {row}?", language=language)


PROSE = Passage("documents/tariff.md", "A cheque costs £4.", title="Fees")


def hits(*found: tuple[Passage, float]) -> list[Hit]:
    return [Hit(passage, cosine, 0.0, passage.question or passage.text) for passage, cosine in found]


def judged(*found: tuple[Passage, float]) -> list[Candidate]:
    return [Candidate(passage, score) for passage, score in found]


def test_template_of_takes_the_approved_answer_of_a_near_question() -> None:
    decision = template_of(hits((curated(0), 0.95), (curated(1), 0.94)), "en", LIMITS)
    assert decision
    assert (decision.outcome, decision.passages) == (Outcome.TEMPLATE, (curated(0),))


def test_template_of_takes_the_translation_of_the_nearest_entry() -> None:
    found = hits((curated(0, "en"), 0.95), (curated(1, "zh"), 0.94), (curated(0, "zh"), 0.5))
    decision = template_of(found, "zh", LIMITS)
    assert decision
    assert decision.passages == (curated(0, "zh"),)


def test_template_of_is_none_for_a_far_question_for_prose_and_without_translation() -> None:
    assert template_of([], "en", LIMITS) is None
    assert template_of(hits((curated(0), 0.89)), "en", LIMITS) is None
    assert template_of(hits((PROSE, 0.99), (curated(0), 0.95)), "en", LIMITS) is None
    assert template_of(hits((curated(0, "en"), 0.95), (curated(1, "zh"), 0.94)), "zh", LIMITS) is None


def test_template_of_takes_an_exact_question_at_any_cosine() -> None:
    decision = template_of(hits((curated(0), 0.5), (curated(1), 0.5)), "en", LIMITS, exact=True)
    assert decision
    assert decision.passages == (curated(0),)


def test_decide_hands_off_when_nothing_answers_by_the_threshold_of_the_language() -> None:
    assert decide([], "en", LIMITS).outcome is Outcome.HANDOFF
    assert decide(judged((curated(0), 0.59)), "en", LIMITS).outcome is Outcome.HANDOFF
    assert decide(judged((curated(0, "zh"), 0.65)), "zh", LIMITS).outcome is Outcome.HANDOFF
    assert decide(judged((curated(0), 0.65)), "en", LIMITS).outcome is Outcome.TEMPLATE


def test_decide_takes_the_approved_answer_of_the_best_entry() -> None:
    decision = decide(judged((curated(0), 0.7), (curated(1), 0.9), (PROSE, 0.8)), "en", LIMITS)
    assert (decision.outcome, decision.passages) == (Outcome.TEMPLATE, (curated(1),))


def test_decide_composes_from_prose_and_from_the_other_language_with_all_that_answers() -> None:
    decision = decide(judged((curated(0), 0.8), (PROSE, 0.9), (curated(1), 0.3)), "en", LIMITS)
    assert (decision.outcome, decision.passages) == (Outcome.GENERATED, (PROSE, curated(0)))
    assert decide(judged((curated(0, "en"), 0.9)), "zh", LIMITS).outcome is Outcome.GENERATED


def test_decide_composes_below_the_score_of_whole_answers() -> None:
    limits = Thresholds(template=0.9, answer=0.6, clarify_margin=0.0, whole=0.8)
    assert decide(judged((curated(0), 0.79)), "en", limits).outcome is Outcome.GENERATED
    assert decide(judged((curated(0), 0.8)), "en", limits).outcome is Outcome.TEMPLATE


def test_decide_asks_which_when_two_entries_answer_as_well_but_never_on_a_follow_up() -> None:
    found = judged((curated(0), 0.80), (curated(1), 0.79))
    decision = decide(found, "en", LIMITS)
    assert decision.outcome is Outcome.CLARIFY
    assert decision.options == ("Question 0?", "Question 1?")
    assert decide(found, "en", LIMITS, follow_up=True).outcome is Outcome.TEMPLATE
    assert decide(judged((curated(0), 0.80), (curated(1), 0.5)), "en", LIMITS).outcome is Outcome.TEMPLATE


def test_probability_grows_with_the_odds_and_never_overflows() -> None:
    answerability = Answerability(intercept=-1.0, odds=0.8, cosine=2.0)
    values = [answerability.probability(odds, 0.5) for odds in (-1e9, -2.0, 0.0, 2.0, 1e9)]
    assert values == sorted(values)
    assert answerability.probability(0.0, 0.5) == 0.5
    assert 0 < values[0] < values[-1] < 1


def test_load_thresholds_reads_what_was_saved_and_names_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / THRESHOLDS
    assert load_thresholds(path) == {}
    path.write_text(json.dumps({"backbone": asdict(LIMITS)}), "utf-8")
    assert load_thresholds(path) == {"backbone": LIMITS}
    path.write_text('{"backbone": {"template": 1}}', "utf-8")
    with pytest.raises(ConfigurationError, match="calibrate_answers"):
        load_thresholds(path)


def test_prefer_language_keeps_the_order_and_one_of_each_entry() -> None:
    found = hits(
        *[
            (p, 0.5)
            for p in (
                curated(0, "en"),
                PROSE,
                curated(1, "zh"),
                curated(0, "zh"),
                curated(1, "en"),
                curated(2, "en"),
            )
        ]
    )
    chinese, english = ([h.passage for h in prefer_language(found, language)] for language in ("zh", "en"))
    assert chinese == [curated(0, "zh"), PROSE, curated(1, "zh"), curated(2, "en")]
    assert english == [curated(0, "en"), PROSE, curated(1, "en"), curated(2, "en")]


def test_prefer_language_keeps_rows_of_other_tables_and_pieces_of_one_document() -> None:
    piece = Passage(PROSE.source, "A banker's draft costs £20.", title="Fees")
    found = hits(*[(p, 0.5) for p in (curated(0), curated(0, table="fees"), PROSE, piece)])
    assert prefer_language(found, "zh") == found
