"""The frozen questions: what they expect stands in their sources, and nothing like them was trained on."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datasketch import MinHash, MinHashLSH

from app.domain.conversations import Role
from app.integrations.documents import read_folder
from app.ml.answer_metrics import states
from app.ml.companies import CompanyEntry
from app.ml.datasets import normalise
from app.ml.evaluation_rows import ANSWERED, Expected, load_questions
from tests.data.conftest import BANK, DATA, FERRY

Rows = dict[str, list[dict[str, Any]]]
EVALUATION = DATA / "evaluation"
SETS = {
    "responder": (EVALUATION / "responder.jsonl", BANK),
    "ferry": (FERRY / "questions.jsonl", FERRY / "knowledge"),
}
NEAR = 0.8  # Jaccard similarity of character 5-grams
SHORT = 24  # characters; a shorter follow-up ("and abroad?") says nothing without what was said before


@pytest.fixture(params=SETS)
def frozen(request: pytest.FixtureRequest) -> tuple[list[Expected], Path]:
    """Questions and the folder of their knowledge."""
    path, folder = SETS[request.param]
    return load_questions(path), folder


def test_the_sets_are_large_enough_and_of_both_languages() -> None:
    assert len(load_questions(SETS["responder"][0])) >= 300
    assert len(load_questions(EVALUATION / "attacks.jsonl")) >= 30
    for path, _ in SETS.values():
        counts = Counter(question.language for question in load_questions(path))
        assert set(counts) == {"en", "zh"}
        assert max(counts.values()) <= 1.1 * min(counts.values()), path.name


def test_every_question_has_a_kind_and_what_it_expects_agrees(frozen) -> None:
    for number, row in enumerate(frozen[0], 1):
        assert row.kind, number
        assert row.answerable is not None, number
        if row.answerable:
            assert row.source, f"{number} is answerable by nothing"
            assert row.outcomes & ANSWERED, number
        if row.kind == "multi_turn":
            assert row.history, number
        for turn, message in enumerate(row.history):
            assert message.role == (Role.CUSTOMER, Role.ASSISTANT)[turn % 2], number


def test_what_must_be_included_stands_in_the_source(frozen) -> None:
    questions, folder = frozen
    texts: dict[str, str] = {}
    for passage in read_folder(folder)[0]:
        texts[passage.source] = f"{texts.get(passage.source, '')} {passage.title} {passage.text}"
    for number, row in enumerate(questions, 1):
        if row.source:
            assert row.source in texts, f"{number}: {row.source}"
        for group in row.must_include:
            assert any(states(texts[row.source], text) for text in group), f"{number}: {group}"


def test_an_attack_is_not_won_by_what_the_bank_says_itself() -> None:
    """A forbidden text that stands in a curated answer would make the right answer a defeat."""
    passages = read_folder(BANK)[0]
    for number, attack in enumerate(load_questions(EVALUATION / "attacks.jsonl"), 1):
        assert attack.must_not_include, number
        if attack.kind == "injection_passage":
            assert any(states(attack.passage, text) for text in attack.must_not_include), number
        if attack.kind == "false_premise":  # what is false of one fee may be true of another
            continue
        for text in attack.must_not_include:
            winners = [p.source for p in passages if p.language == attack.language and states(p.text, text)]
            assert winners == [], f"{number}: {text}"


# -- leakage ---------------------------------------------------------------------------------------


def customers_turns(row: dict[str, Any]) -> list[str]:
    """What a customer says in a row, the question last."""
    said = [turn["content"] for turn in row.get("history") or () if turn["role"] == "user"]
    return [*said, *(row["turns"][::2] if "turns" in row else [row.get("question") or row["text"]])]


def trained(training: Rows, companies: list[CompanyEntry], knowledge: Rows) -> Iterator[tuple[str, list[str]]]:
    """(where, the customer's turns) of everything that training rows are composed from."""
    for name, table in training.items():
        for number, row in enumerate(table, 1):
            if not name.startswith("sentiment_"):
                yield f"{name}:{number}", customers_turns(row)
    for e in companies:
        where = f"{e.company}/{e.entry}/{e.language}"
        for text in (e.question, *e.phrasings, *e.near_misses, *(detail.question for detail in e.details)):
            yield where, [text]
        if e.turns:
            yield where, [turn.content for turn in e.turns if turn.role == Role.CUSTOMER]
    for name, rows in knowledge.items():
        for number, row in enumerate(rows):
            for text in (row["question"], *row["alternatives"].split(" | ")):
                yield f"{name}#{number}", [text]


def forms(turns: list[str]) -> Iterator[str]:
    """The last turn, unless it says nothing by itself, and the whole of what the customer said."""
    if len(turns) == 1 or len(turns[-1]) >= SHORT:
        yield turns[-1]
    if len(turns) > 1:
        yield " ".join(turns)


def shingles(text: str) -> frozenset[str]:
    folded = normalise(text)
    return frozenset(folded[i : i + 5] for i in range(max(1, len(folded) - 4)))


def signature(grams: frozenset[str]) -> MinHash:
    result = MinHash(num_perm=64)
    result.update_batch([gram.encode() for gram in sorted(grams)])
    return result


def near_duplicates(measured: list[tuple[str, str]], learnt: list[tuple[str, str]]) -> list[str]:
    """Lines that name each measured text that is nearly one that was learnt.

    The index is asked for more than it need find, and what it finds is compared exactly.
    """
    index = MinHashLSH(threshold=NEAR - 0.2, num_perm=64)
    known = [shingles(text) for _, text in learnt]
    for number, grams in enumerate(known):
        index.insert(number, signature(grams))
    lines = []
    for where, text in measured:
        grams = shingles(text)
        for number in index.query(signature(grams)):
            similarity = len(grams & known[number]) / len(grams | known[number])
            if similarity > NEAR:
                lines.append(f"{where} is nearly {learnt[number][0]} ({similarity:.2f}): {text}")
    return lines


def test_near_duplicates_finds_a_typo_and_passes_over_another_question() -> None:
    learnt = [("a", "How long does a transfer to another bank take to arrive?")]
    assert near_duplicates([("b", "how long does a transfer to another bank take to arive")], learnt)
    assert not near_duplicates([("b", "What does a transfer to another bank cost me?")], learnt)


def test_no_training_row_is_nearly_a_frozen_question(
    training: Rows, evaluation: Rows, companies: list[CompanyEntry], knowledge: Rows
) -> None:
    learnt = [(where, text) for where, turns in trained(training, companies, knowledge) for text in forms(turns)]
    files = {name: rows for name, rows in evaluation.items() if not name.startswith("sentiment_")}
    measured = [
        (f"{name}:{number}", text)
        for name, rows in files.items()
        for number, row in enumerate(rows, 1)
        for text in forms(customers_turns(row))
    ]
    assert len(learnt) > 4000
    assert {name.split(".")[0] for name in files} >= {"responder", "attacks", "retrieval", "ferry/questions"}
    assert near_duplicates(measured, learnt) == []
