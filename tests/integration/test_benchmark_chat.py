"""The benchmark of the chat: what it measures is counted and paired as it says."""

import json
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.benchmark_chat import Load, answer_rows, as_tables, measure_answers, percentile


def command(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    try:
        runpy.run_module(f"pipelines.{name}", run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def index(tiny_environment: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    assert command(monkeypatch, "build_index", "--knowledge", tmp_path / "knowledge_base", "--index", folder) == 0
    return folder


def test_benchmark_writes_all_tokens_for_all_visitors(
    index: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    code = command(
        monkeypatch, "benchmark_chat", "--index", index, "--visitors", 1, 3, "--replies", 2, "--rounds", 2,
        "--prompt-tokens", 80, "--new-tokens", 12, "--transformers", "--json",
    )  # fmt: skip
    assert code == 0
    report = json.loads(capfd.readouterr().out)
    assert [row["visitors"] for row in report["visitors"]] == [1, 3]
    for row in report["visitors"]:
        assert row["tokens_per_second"] / row["answers_per_minute"] == pytest.approx(12 / 60, rel=0.05)
        assert 0 < row["first_token_p50"] <= row["first_token_p95"]
    assert [row["engine"] for row in report["answers"]] == ["own", "own, no drafts", "transformers"]
    assert all(len(row["rounds"]) == 2 for row in report["answers"])
    assert report["engine"] == "packed"
    assert report["template"]["count"] > 0
    assert "| transformers |" in as_tables(report)


def test_benchmark_refuses_llama_cpp_without_a_gguf_file(
    index: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "benchmark_chat", "--index", index, "--llama-cpp") == 2
    assert "GGUF" in capfd.readouterr().err.splitlines()[-1]


def test_every_engine_writes_to_the_same_prompts_in_turn() -> None:
    prompts: Iterator[list[int]] = iter([[n] for n in range(9)])
    asked: list[tuple[str, list[int]]] = []
    engines = {name: lambda prompt, name=name: asked.append((name, prompt)) for name in ("a", "b")}
    seconds = measure_answers(engines, prompts, 2)
    assert asked == [(name, [n]) for n in range(3) for name in ("a", "b")]  # the first round warms up
    assert [len(values) for values in seconds.values()] == [2, 2]


def test_the_ratio_is_the_median_of_the_rounds_not_of_the_medians() -> None:
    rows = answer_rows({"llama.cpp": [1.0, 4.0, 2.0], "own": [0.5, 3.2, 1.8]})
    assert [row["ratio"] for row in rows] == [1.0, 0.8]
    assert rows[1]["seconds"] == 1.8


def test_load_counts_answers_and_tokens() -> None:
    row = Load(2, (0.1, 0.2, 0.3, 0.4), 240, 8.0).as_row()
    assert (row["tokens_per_second"], row["answers_per_minute"], row["first_token_p50"]) == (30.0, 30.0, 0.25)


def test_percentile_lies_between_neighbours() -> None:
    assert percentile([3.0], 95) == 3.0
    assert percentile([float(n) for n in range(101)], 95) == 95.0
