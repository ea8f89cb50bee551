"""Schema, balance and leakage of data/training and data/evaluation."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from datasketch import MinHash, MinHashLSH

from app.domain.news import TOPICS, Sentiment
from app.ml.datasets import normalise

Rows = dict[str, list[dict[str, Any]]]
LANGUAGES = {"en", "zh"}
KINDS = {"unrelated", "other-bank", "advice", "account-specific", "person", "near-miss"}  # of out_of_scope
ASKED = {"question", "language", "kind"}
EXPECTED = {"source", "history", "reference", "must_include", "must_not_include"}
MAY_BE_EMPTY = {"source", "reference", "hard"}  # of a question that no entry answers
SCHEMAS = {  # by the beginning of the file name: required and optional keys
    "sentiment_": ({"text", "label", "topic"}, {"style"}),
    "needs": ({"text", "language", "need"}, {"history"}),
    "details": ({"language", "question", "reply", "source"}, set()),
    "dialogues": ({"language", "turns", "reply", "source"}, set()),
    "out_of_scope": ({"question", "language", "kind"}, set()),
    "retrieval": ({"question", "source", "language", "entry"}, {"history"}),
    "documents": ({"question", "source", "language", "must_include"}, set()),
    "responder": (ASKED | {"answerable", "outcome"}, EXPECTED),
    "ferry/questions": (ASKED | {"answerable", "outcome"}, EXPECTED),
    "stories": ({"story", "hard", "language", "title", "text"}, set()),
    "attacks": (ASKED | {"must_not_include", "note"}, {"passage", "history"}),
}
TEXTS = {"text", "label", "topic", "style", "language", "question", "reply", "source", "kind", "entry", "need"}
TEXTS |= {"reference", "note", "passage", "story", "title"}
NEAR = 0.8  # Jaccard similarity of character 5-grams


def texts(files: Rows) -> Iterator[tuple[str, str]]:
    """(where, text) of what a model reads in each row."""
    for name, rows in files.items():
        for number, row in enumerate(rows, 1):
            yield f"{name}:{number}", row.get("text") or row.get("question") or row["turns"][-1]


def asked_in(row: dict[str, Any]) -> str:
    """The text of a row behind what was said before: "and abroad?" may follow several questions."""
    said = [turn["content"] for turn in row.get("history") or ()]
    return " ".join([*said, *(row.get("turns") or [row.get("text") or row.get("question")])])


def test_every_row_has_the_keys_of_its_file(training: Rows, evaluation: Rows) -> None:
    assert training
    assert evaluation
    for name, rows in [*training.items(), *evaluation.items()]:
        required, optional = next(schema for start, schema in SCHEMAS.items() if name.startswith(start))
        for number, row in enumerate(rows, 1):
            assert required <= set(row) <= required | optional, f"{name}:{number}"
            for key in TEXTS & set(row):
                assert isinstance(row[key], str), f"{name}:{number}"
                assert row[key].strip() == row[key], f"{name}:{number}: {key}"
                assert row[key] or key in MAY_BE_EMPTY - required, f"{name}:{number}: {key}"


def test_labels_and_topics_are_of_the_product(training: Rows, evaluation: Rows) -> None:
    for name, rows in [*training.items(), *evaluation.items()]:
        for number, row in enumerate(rows, 1):
            where = f"{name}:{number}"
            assert row.get("label", "neutral") in set(Sentiment), where
            assert set(row.get("topic", "other").split("|")) <= set(TOPICS), where
            assert row.get("language", "en") in LANGUAGES, where
            assert name != "out_of_scope.jsonl" or row["kind"] in KINDS, where


def test_no_sentiment_file_leans_to_a_label(training: Rows, evaluation: Rows) -> None:
    files = {name: rows for name, rows in [*training.items(), *evaluation.items()] if name.startswith("sentiment_")}
    assert len(files) >= 10
    for name, rows in files.items():
        counts = Counter(row["label"] for row in rows)
        assert set(counts) == set(Sentiment), name
        assert all(0.2 <= count / len(rows) <= 0.5 for count in counts.values()), (name, counts)


def test_the_languages_and_kinds_of_questions_out_of_scope_are_balanced(training: Rows, evaluation: Rows) -> None:
    for files in (training, evaluation):
        rows = files["out_of_scope.jsonl"]
        languages = Counter(row["language"] for row in rows)
        assert max(languages.values()) <= 1.2 * min(languages.values())
        assert {row["kind"] for row in rows} == KINDS


def test_no_text_is_trained_on_twice(training: Rows) -> None:
    known: dict[str, str] = {}
    for where, text in texts(training):
        key = normalise(text)
        assert key not in known, f"{where} repeats {known[key]}: {text}"
        known[key] = where


def test_no_text_is_measured_twice_in_a_file(evaluation: Rows) -> None:
    """Files measure different things (retrieval, replies), so that they may share a question."""
    for name, rows in evaluation.items():
        known: dict[str, int] = {}
        for number, row in enumerate(rows, 1):
            key = normalise(asked_in(row))
            assert key not in known, f"{name}:{number} repeats {known[key]}: {key}"
            known[key] = number


def test_nothing_that_is_measured_was_trained_on(training: Rows, evaluation: Rows) -> None:
    trained = {normalise(text): where for where, text in texts(training)}
    for where, text in texts(evaluation):
        assert normalise(text) not in trained, f"{where} is also {trained[normalise(text)]}: {text}"


def shingles(text: str) -> set[str]:
    folded = normalise(text)
    return {folded[i : i + 5] for i in range(max(1, len(folded) - 4))}


def signature(grams: set[str]) -> MinHash:
    result = MinHash(num_perm=64)
    result.update_batch([gram.encode() for gram in grams])
    return result


def test_nothing_that_is_measured_is_nearly_what_was_trained_on(training: Rows, evaluation: Rows) -> None:
    """The index is asked for more than it need find, and what it finds is compared exactly."""
    index = MinHashLSH(threshold=NEAR - 0.2, num_perm=64)
    trained = {where: shingles(text) for where, text in texts(training)}
    for where, grams in trained.items():
        index.insert(where, signature(grams))
    for where, text in texts(evaluation):
        grams = shingles(text)
        for other in index.query(signature(grams)):
            similarity = len(grams & trained[other]) / len(grams | trained[other])
            assert similarity <= NEAR, f"{where} is nearly {other} ({similarity:.2f}): {text}"
