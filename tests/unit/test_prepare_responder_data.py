"""What the responder learns from: a reply cites the passage that it was written from, or says that none answers."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from app.services.fixed_replies import unknown_reply
from pipelines import prepare_responder_data
from pipelines.prepare_responder_data import company_rows


def entry(name: str, language: str, **more: Any) -> dict[str, Any]:
    return {
        "entry": name, "language": language, "question": f"What is {name} ({language})?",
        "answer": f"All about {name} in {language}.", "phrasings": [f"{name}??"], "details": [],
        "near_misses": [f"How old is {name}?"],
    } | more  # fmt: skip


@pytest.fixture
def company(tmp_path: Path) -> Path:
    detail = {"question": "How long is the lease?", "reply": "A year."}
    follow_up = {"turns": ["What is lease?", "All about it.", "And for two?"], "reply": "The same."}
    rows = [entry(name, language) for name in ("tariff", "refund", "claim") for language in ("en", "zh")]
    rows.append(entry("lease", "en", details=[detail], follow_up=follow_up))
    path = tmp_path / "ferry.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def question_of(row: dict[str, Any]) -> str:
    return row["messages"][-1]["content"]


def test_company_rows_cite_the_passage_that_answers(company: Path) -> None:
    rows = {question_of(row): row for row in company_rows(company, random.Random(1))}
    for question, said in (("How long is the lease?", "A year."), ("And for two?", "The same.")):
        cited = [i for i, p in enumerate(rows[question]["passages"], 1) if p["source"] == "en/lease"]
        assert rows[question]["reply"] == f"{said} [{cited[0]}]"
    assert [m["role"] for m in rows["And for two?"]["messages"]] == ["user", "assistant", "user"]


def test_company_rows_answer_in_the_language_of_the_question(
    company: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_responder_data, "CROSSED", 1.0)
    crossed = [r for r in company_rows(company, random.Random(2)) if question_of(r) == "What is refund (zh)?"]
    from_english = [r for r in crossed if any(p["source"] == "en/refund" for p in r["passages"])]
    assert from_english
    assert all(r["reply"].startswith("All about refund in zh. [") for r in from_english)


def test_company_rows_refuse_what_a_passage_almost_answers(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_responder_data, "UNANSWERED", 1.0)
    rows = {question_of(row): row for row in company_rows(company, random.Random(3))}
    near_miss = rows["How old is lease?"]
    assert near_miss["reply"] == unknown_reply("en")
    assert "en/lease" in [p["source"] for p in near_miss["passages"]]
