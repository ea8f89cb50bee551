"""The knowledge base: sources that exist, and English and Chinese that say the same."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.integrations.documents import read_folder
from app.ml.datasets import normalise

KNOWLEDGE = Path(__file__).resolve().parents[2] / "data" / "knowledge"
Rows = dict[str, list[dict[str, Any]]]
MONTHS = {
    name: str(number)
    for number, name in enumerate(
        ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
         "November", "December"), 1,
    )
}  # fmt: skip


def numbers(text: str) -> set[str]:
    """The figures of a text; months count as figures where a day stands before or behind, as they do in Chinese."""
    for name, number in MONTHS.items():
        text = re.sub(rf"(?<=\d ){name}\b|\b{name}(?= \d)", number, text)
    return {figure.replace(",", "") for figure in re.findall(r"\d+(?:[.,:]\d+)*", text)}


def tables(knowledge: Rows, language: str) -> Rows:
    return {name.split("/")[1]: rows for name, rows in knowledge.items() if name.startswith(f"{language}/")}


@pytest.fixture(params=["knowledge", "ferry"])
def curated(request: pytest.FixtureRequest) -> Rows:
    """The tables of the bank, then those of the ferry company."""
    return request.getfixturevalue(request.param)


def test_every_table_exists_in_both_languages_row_by_row(curated: Rows) -> None:
    english, chinese = tables(curated, "en"), tables(curated, "zh")
    assert english
    assert {name: len(rows) for name, rows in english.items()} == {
        name: len(rows) for name, rows in chinese.items()
    }


@pytest.mark.parametrize(("base", "in_words"), [("knowledge", 0), ("ferry", 12)])
def test_answers_in_both_languages_give_the_same_numbers(
    base: str, in_words: int, request: pytest.FixtureRequest
) -> None:
    """The ferry company writes numbers up to twelve and months as each language has it: for 2, 双人; July, 7 月."""
    curated = request.getfixturevalue(base)
    chinese = tables(curated, "zh")
    for name, rows in tables(curated, "en").items():
        for number, (en, zh) in enumerate(zip(rows, chinese[name], strict=True)):
            odd = numbers(en["answer"]) ^ numbers(zh["answer"])
            assert odd <= {str(i) for i in range(1, in_words + 1)}, f"{name}#{number}: {odd}"


def test_every_row_is_complete_and_asked_once(curated: Rows) -> None:
    """Tables may share a short phrasing, between whose readings the customer then chooses; no table repeats one."""
    questions: dict[str, str] = {}
    for name, rows in curated.items():
        phrasings: dict[str, str] = {}
        for number, row in enumerate(rows):
            where = f"{name}#{number}"
            assert row["answer"].strip(), where
            question = normalise(row["question"])
            assert question not in questions, f"{where} asks what {questions[question]} asks: {row['question']}"
            questions[question] = where
            for phrasing in (row["question"], *row["alternatives"].split(" | ")):
                key = normalise(phrasing)
                assert key, where
                assert key not in phrasings, f"{where} asks what {phrasings[key]} asks: {phrasing}"
                phrasings[key] = where


def test_every_document_can_be_read_and_both_languages_have_the_same_metadata() -> None:
    passages, errors = read_folder(KNOWLEDGE)
    assert errors == {}
    known = {p.source: (p.product, p.valid_from, p.valid_until) for p in passages}
    english = {source: known[source] for source in known if source.startswith("en/")}
    assert english == {source: known[source.replace("en/", "zh/", 1)] for source in english}
    assert len({product for product, _, _ in english.values()}) > 10


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("evaluation", "retrieval.jsonl"),
        ("evaluation", "documents.jsonl"),
        ("training", "details.jsonl"),
        ("training", "dialogues.jsonl"),
    ],
)
def test_every_source_exists(part: str, name: str, request: pytest.FixtureRequest, sources: set[str]) -> None:
    for number, row in enumerate(request.getfixturevalue(part)[name], 1):
        assert row["source"] in sources, f"{name}:{number}"


def test_every_reply_of_the_training_data_takes_its_numbers_from_its_source(
    training: Rows, knowledge: Rows
) -> None:
    for name in ("details.jsonl", "dialogues.jsonl"):
        for number, row in enumerate(training[name], 1):
            table, _, index = row["source"].partition("#")
            assert numbers(row["reply"]) <= numbers(knowledge[table][int(index)]["answer"]), f"{name}:{number}"


def test_no_question_that_is_measured_stands_in_the_knowledge_base(evaluation: Rows, knowledge: Rows) -> None:
    known = {
        normalise(question)
        for rows in knowledge.values()
        for row in rows
        for question in (row["question"], *row["alternatives"].split(" | "))
    }
    for number, row in enumerate(evaluation["retrieval.jsonl"], 1):
        assert normalise(row["question"]) not in known or row.get("history"), f"retrieval.jsonl:{number}"
