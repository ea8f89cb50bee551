"""An adapter is promoted if a frozen set does not get worse, and taken back with one command."""

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.domain.errors import InvalidInput
from app.ml.registry import AdapterRegistry
from pipelines import command_line, promote_adapter

GOOD = {"correct_outcome": 0.9, "must_include_recall": 0.9, "unsupported_number_rate": 0.0, "n": 10.0}


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable:
    """Runs the command with a responder whose figures are written beside its adapter."""
    for task in ("RESPONDER", "SENTIMENT"):
        monkeypatch.delenv(f"BELLWETHER_{task}_ADAPTER", raising=False)
    monkeypatch.setenv("BELLWETHER_DATA_DIR", str(tmp_path / "data"))

    def evaluate_adapter(_settings: object, adapter: Path, questions: Path) -> dict[str, float]:
        assert questions.is_file()
        figures = adapter / "figures.json"
        return json.loads(figures.read_text()) if figures.is_file() else GOOD

    evaluator = SimpleNamespace(evaluate_adapter=evaluate_adapter)
    monkeypatch.setitem(sys.modules, "pipelines.evaluate_responder", evaluator)
    (tmp_path / "frozen.jsonl").write_text("{}")

    def run(*arguments: object, task: str = "responder") -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["promote_adapter", "--task", task, *map(str, arguments)])
        code = 0
        try:
            command_line.run(promote_adapter.main)
        except SystemExit as end:
            code = end.code
        return SimpleNamespace(code=code, **capsys.readouterr()._asdict())

    return run


def candidate(folder: Path, **figures: float) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_text(folder.name)
    (folder / "figures.json").write_text(json.dumps(GOOD | figures))
    return folder


def test_a_better_adapter_is_promoted_and_rolled_back(command: Callable, tmp_path: Path) -> None:
    registry = AdapterRegistry(tmp_path / "data" / "adapters")
    options = ("--questions", tmp_path / "frozen.jsonl")
    ran = command("--candidate", candidate(tmp_path / "one", correct_outcome=0.95), *options)
    assert ran.code == 0
    assert any(
        line.split()[:4] == ["correct_outcome", "0.9000", "0.9500", "0.0500"] for line in ran.out.splitlines()
    )
    first = registry.current("responder")
    ran = command("--candidate", candidate(tmp_path / "two", correct_outcome=0.946), *options)
    assert ran.code == 0  # worse by less than the tolerance
    assert registry.current("responder") != first
    listed = command("--list").out
    assert f"* {registry.current('responder').name}" in listed
    assert f"  {first.name}" in listed
    assert first.name in command("--rollback").out
    assert registry.current("responder") == first
    assert "the adapter that ships" in command("--rollback").out
    assert "nothing before it" in command("--rollback").err


@pytest.mark.parametrize(
    "figures", [{"correct_outcome": 0.89}, {"unsupported_number_rate": 0.001}, {"must_include_recall": math.nan}]
)
def test_a_worse_adapter_is_refused(command: Callable, tmp_path: Path, figures: dict[str, float]) -> None:
    ran = command("--candidate", candidate(tmp_path / "one", **figures), "--questions", tmp_path / "frozen.jsonl")
    assert ran.code == 3
    assert [line.split()[0] for line in ran.out.splitlines() if line.endswith("worse")] == list(figures)
    assert AdapterRegistry(tmp_path / "data" / "adapters").current("responder") is None


def test_the_tolerance_can_be_chosen(command: Callable, tmp_path: Path) -> None:
    options = ("--questions", tmp_path / "frozen.jsonl", "--tolerance", 0.02)
    assert command("--candidate", candidate(tmp_path / "one", correct_outcome=0.89), *options).code == 0


def test_rollback_works_though_the_promoted_adapter_is_gone(command: Callable, tmp_path: Path) -> None:
    options = ("--questions", tmp_path / "frozen.jsonl")
    command("--candidate", candidate(tmp_path / "one"), *options)
    registry = AdapterRegistry(tmp_path / "data" / "adapters")
    (registry.current("responder") / "adapter_config.json").unlink()
    assert "--rollback" in command("--candidate", candidate(tmp_path / "two"), *options).err
    assert command("--rollback").code == 0


def test_a_setting_that_wins_is_pointed_out(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELLWETHER_RESPONDER_ADAPTER", str(candidate(tmp_path / "by_hand")))
    ran = command("--candidate", candidate(tmp_path / "one"), "--questions", tmp_path / "frozen.jsonl")
    assert ran.code == 0
    assert "BELLWETHER_RESPONDER_ADAPTER is set and wins" in ran.out


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("responder", ("--candidate", "absent", "--questions", "frozen.jsonl"), "There is no adapter in absent"),
        ("responder", ("--candidate", "absent"), "Name the frozen set with --questions"),
        ("responder", ("--candidate", "absent", "--questions", "absent.jsonl"), "There is no file absent.jsonl"),
        ("embedder", ("--candidate", "absent", "--questions", "frozen.jsonl"), "no frozen evaluation of embedder"),
        ("responder", ("--candidate", "a", "--questions", "frozen.jsonl", "--tolerance", "nan"), "--tolerance is"),
        ("judge", ("--rollback",), "No judge adapter was promoted"),
    ],
)
def test_what_cannot_work_ends_with_one_clear_line(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, options: tuple, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = command(*options, task=task)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_compare_refuses_to_guard_nothing() -> None:
    with pytest.raises(InvalidInput, match="measured none of the guarded metrics"):
        promote_adapter.compare({"n": 1.0}, {"n": 1.0}, {"macro_f1": 1}, 0.005)


def test_sentiment_adapters_are_measured_on_the_backbone(
    command: Callable, tmp_path: Path, tiny_backbone_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter against a copy of itself whose configuration is written otherwise: no metric changes."""
    from tests.tiny_model import save_random_adapter

    in_use = save_random_adapter(tiny_backbone_folder, tmp_path / "in_use", seed=1)
    config = json.loads((in_use / "adapter_config.json").read_text("utf-8"))
    shutil.copytree(in_use, tmp_path / "new")
    (tmp_path / "new" / "adapter_config.json").write_text(json.dumps(config), "utf-8")
    monkeypatch.setenv("BELLWETHER_SENTIMENT_ADAPTER", str(in_use))
    monkeypatch.setenv("BELLWETHER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("BELLWETHER_DTYPE", "float32")
    data = tmp_path / "frozen.csv"
    data.write_text(
        "text,label\nThe bank was fined.,negative\n净利润增长。,positive\nNothing new.,neutral\n", "utf-8"
    )
    ran = command(
        "--backbone", tiny_backbone_folder, "--threads", 1, "--candidate", tmp_path / "new", "--data", data,
        task="sentiment",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    (line,) = [line.split() for line in ran.out.splitlines() if line.startswith("macro_f1")]
    assert line[1] == line[2]
    assert line[4] == "ok"
    assert AdapterRegistry(tmp_path / "data" / "adapters").current("sentiment") is not None
