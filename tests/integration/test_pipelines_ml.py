"""The commands that train and measure, as they are typed, on the tiny backbone."""

import io
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.domain.news import TOPICS, Sentiment
from app.ml.backbone import METADATA

ROOT = Path(__file__).resolve().parents[2]
LABELLED = "text,label,topic\n" + "".join(
    f"{who} {what} in week {i}.,{label},{topic}\n"
    for i in range(8)
    for who, what, label, topic in [
        ("The bank", "was fined", "negative", "regulation"),
        ("公司", "净利润增长", "positive", "earnings"),
        ("Customers", "saw no change", "neutral", "other"),
    ]
)
DIALOGUE = {
    "messages": [{"role": "user", "content": "What is the fee?"}],
    "passages": [{"source": "fees.csv#0", "text": "It costs £4."}, "Nothing else."],
    "reply": "It costs £4. [1]",
}


@dataclass(frozen=True)
class Outcome:
    code: int
    rows: list[dict[str, Any]]
    errors: list[str]  # lines of standard error that begin with "error:"


@pytest.fixture
def command(
    tiny_backbone_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., Outcome]:
    """Runs a command in this process, since the imports of each would take seconds."""
    monkeypatch.setenv("BELLWETHER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("BELLWETHER_DTYPE", "float32")
    monkeypatch.setenv("BELLWETHER_SENTIMENT_ADAPTER", "none")

    def run(name: str, *arguments: object) -> Outcome:
        common = ["--backbone", str(tiny_backbone_folder), "--threads", "1"]
        monkeypatch.setattr(sys, "argv", [name, *common, *map(str, arguments)])
        code = 0
        try:
            runpy.run_module(f"pipelines.{name}", run_name="__main__")
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        lines = [line for line in err.splitlines() if line.startswith("error:")]
        return Outcome(code, [json.loads(line) for line in out.splitlines()], lines)

    return run


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, "utf-8")
    return path


def assert_adapter(folder: Path, task: str, rows: int) -> dict[str, Any]:
    metadata = json.loads((folder / METADATA).read_text("utf-8"))
    assert (metadata["task"], metadata["rows"]) == (task, rows)
    assert len(metadata["data_fingerprint"]) == len(metadata["backbone_revision"]) == 64
    assert (folder / "adapter_model.safetensors").is_file()
    assert (folder / "adapter_config.json").is_file()
    return metadata


def test_train_evaluate_and_classify_sentiment(
    command: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, output = written(tmp_path, "rows.csv", LABELLED), tmp_path / "new" / "adapter"
    dev = written(tmp_path, "dev.csv", LABELLED[:300].rsplit("\n", 1)[0])
    trained = command(
        "train_sentiment", "--train", data, "--dev", dev,
        "--output", output, "--epochs", 1,
    )  # fmt: skip
    assert trained.code == 0
    (summary,) = trained.rows
    assert summary["output"] == str(output)
    assert {"rows", "seconds", "epoch", "loss", "accuracy", "macro_f1", "topic_accuracy"} <= set(summary)
    metadata = assert_adapter(output, "sentiment", summary["rows"])
    assert list(metadata["label_map"]) == [*Sentiment]
    assert list(metadata["topic_map"]) == [*TOPICS]
    assert metadata["data"] == ["rows.csv"]

    evaluated = command("evaluate_sentiment", "--data", data, "--adapter", output, "--json")
    (report,) = evaluated.rows
    assert report["n"] == 24
    assert 0 <= report["accuracy"] <= 1
    assert 0 <= report["macro_f1"] <= 1
    assert report["texts_per_second"] > 0
    assert list(report["per_class"]) == [*Sentiment]
    assert all(set(row) == {"precision", "recall", "f1", "support"} for row in report["per_class"].values())

    monkeypatch.setenv("BELLWETHER_SENTIMENT_ADAPTER", str(output))
    texts = ["The bank was fined.", "公司净利润增长。", '"Quoted"', "{braces} in json"]
    lines = f"{texts[0]}\n\n  {texts[1]}\r\n{texts[2]}\n" + json.dumps({"text": texts[3], "id": 7}) + "\n"
    classified = command("classify", "--input", written(tmp_path, "texts.txt", lines))
    assert [row["text"] for row in classified.rows] == texts
    for row in classified.rows:
        assert list(row) == ["text", "sentiment", "scores", "topic", "topic_scores", "topics"]
        assert row["topics"][0] == row["topic"]
        assert list(row["scores"]) == [*Sentiment]
        assert list(row["topic_scores"]) == [*TOPICS]
        assert row["sentiment"] == max(row["scores"], key=row["scores"].get)
        assert sum(row["scores"].values()) == pytest.approx(1, abs=2e-3)


def test_train_sentiment_without_a_dev_set_holds_some_rows_out(command: Callable, tmp_path: Path) -> None:
    data = written(tmp_path, "rows.csv", LABELLED)
    trained = command("train_sentiment", "--train", data, "--output", tmp_path / "a", "--epochs", 1, "--resume")
    assert trained.code == 0
    assert_adapter(tmp_path / "a", "sentiment", 16)  # 24 less 5 %, less what says nearly the same


def test_train_responder(command: Callable, tmp_path: Path) -> None:
    data = written(tmp_path, "rows.jsonl", f"{json.dumps(DIALOGUE)}\n" * 6)
    arguments = ["--train", data, "--dev", data, "--output", tmp_path / "a", "--epochs", 1]
    trained = command("train_responder", *arguments)
    assert trained.code == 0
    assert {"output", "rows", "seconds", "loss", "dev_loss"} <= set(trained.rows[0])
    assert_adapter(tmp_path / "a", "responder", 6)


def test_train_embedder(command: Callable, tmp_path: Path) -> None:
    table = "text,group\n" + "".join(f"Question {i},{i % 3}\n" for i in range(9))
    data = written(tmp_path, "rows.csv", table)
    arguments = ["--train", data, "--dev", data, "--output", tmp_path / "a", "--epochs", 1]
    trained = command("train_embedder", *arguments)
    assert trained.code == 0
    assert {"output", "seconds", "loss", "accuracy_at_1"} <= set(trained.rows[0])
    assert assert_adapter(tmp_path / "a", "embedder", 9)["data"] == ["rows.csv"]


TRAIN = ("--output", "adapter", "--train")
BAD = [
    ("train_sentiment", TRAIN, "a.csv", "", "a.csv is empty"),
    ("train_sentiment", TRAIN, "a.csv", "text,label\nGood,great\n", "a.csv, line 2: label 'great' is not one of"),
    ("train_sentiment", TRAIN, "a.jsonl", '{"text": "Good"\n', "a.jsonl, line 1: not JSON"),
    ("train_sentiment", TRAIN, "a.csv", None, "There is no file"),
    ("train_sentiment", TRAIN, "a.csv", "text,label\nGood,positive\nGood!,positive\n", "fewer than two"),
    ("train_sentiment", ("--epochs", "0", *TRAIN), "a.csv", LABELLED, "at least 1"),
    ("train_sentiment", ("--output", __file__, "--train"), "a.csv", LABELLED, "File exists"),
    ("train_responder", TRAIN, "a.jsonl", "", "a.jsonl is empty"),
    ("train_responder", TRAIN, "a.jsonl", "\n{", "a.jsonl, line 2: not JSON"),
    ("train_responder", TRAIN, "a.jsonl", '{"messages": []}', "a.jsonl, line 1: expected messages"),
    ("train_responder", TRAIN, "a.jsonl", None, "There is no file"),
    ("train_embedder", TRAIN, "a.csv", "", "a.csv is empty"),
    ("train_embedder", TRAIN, "a.csv", "text,group\n", "no training rows"),
    ("train_embedder", TRAIN, "a.csv", "text\nGood\n", "a.csv, line 2: expected text and group"),
    ("train_embedder", TRAIN, "a.csv", None, "There is no file"),
    ("evaluate_sentiment", ("--json", "--data"), "a.csv", "", "a.csv is empty"),
    (
        "evaluate_sentiment",
        ("--json", "--data"),
        "a.csv",
        "text,label\nGood,1\n",
        "line 2: label '1' is not one of",
    ),
    ("evaluate_sentiment", ("--json", "--data"), "a.csv", None, "There is no file"),
    ("evaluate_sentiment", ("--adapter", "none", "--data"), "a.csv", LABELLED, "There is no adapter in none"),
    ("classify", ("--input",), "a.txt", " \n", "holds no text"),
    ("classify", ("--input",), "a.txt", 'Good\n{"text": \n', "a.txt, line 2: not a JSON object"),
    ("classify", ("--input",), "a.txt", '{"body": "Good"}\n', "a.txt, line 1: not a JSON object"),
    ("classify", ("--input",), "a.txt", '{"text": null}\n', 'a.txt, line 1: "text" is not a string'),
    (
        "classify",
        ("--input",),
        "a.txt",
        '{"text": "Good", "entity": 1}\n',
        'a.txt, line 1: "entity" is not a string',
    ),
    ("classify", ("--input",), "a.txt", '{"text": "Good", "style": "ode"}\n', "the style 'ode' is not one of"),
    ("classify", ("--input",), "a.txt", None, "There is no file"),
]


@pytest.mark.parametrize(("name", "options", "file", "content", "message"), BAD)
def test_a_command_ends_with_one_clear_line_for_bad_input(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, options: tuple[str, ...], file: str, content: str | None, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if content is not None:
        written(tmp_path, file, content)
    outcome = command(name, *options, file)
    assert outcome.code == 2
    assert outcome.rows == []
    assert len(outcome.errors) == 1
    assert message in outcome.errors[0]
    assert not (tmp_path / "adapter" / METADATA).exists()


def test_train_sentiment_refuses_to_resume_on_other_data(
    command: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.ml import training

    output, rows = tmp_path / "a", LABELLED.splitlines(keepends=True)
    arguments = ["--output", output, "--epochs", 1, "--batch-size", 4, "--resume", "--train"]
    with monkeypatch.context() as patch:  # killed once the last batch is kept
        patch.setattr(training._Run, "_finish", lambda _run: sys.exit(9))
        assert command("train_sentiment", *arguments, written(tmp_path, "a.csv", LABELLED)).code == 9
    other = command(
        "train_sentiment", *arguments, written(tmp_path, "b.csv", "".join(rows[:-1]) + "New.,neutral,\n")
    )
    assert other.code == 2
    assert "belongs to other data or settings" in other.errors[0]
    assert command("train_sentiment", *arguments, tmp_path / "a.csv").code == 0


def test_classify_towards_a_company(command: Callable[..., Outcome], tmp_path: Path) -> None:
    text = "Acme sues Bolt."
    lines = [text, {"text": text, "entity": "Bolt"}, {"text": text, "entity": "", "style": "headline"}]
    data = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path = written(tmp_path, "texts.txt", data)
    named = command("classify", "--input", path, "--entity", " Acme ").rows
    assert [row["entity"] for row in named] == ["Acme", "Bolt", "Acme"]
    plain = command("classify", "--input", path).rows
    assert [row.get("entity") for row in plain] == [None, "Bolt", None]
    assert named[1] == plain[1]
    assert len({json.dumps(row["scores"]) for row in (*named, *plain)}) == 5


def test_classify_reads_standard_input(command: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("The bank was fined.\n公司净利润增长。"))
    assert [row["text"] for row in command("classify", "--input", "-").rows] == [
        "The bank was fined.", "公司净利润增长。"
    ]  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Good\n\xff\n"), "utf-8"))
    assert command("classify", "--input", "-").errors == ["error: standard input is not UTF-8 text (byte 5)."]


def test_classify_as_a_process_of_its_own_prints_json_lines_only(
    tiny_backbone_folder: Path, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pipelines.classify", "--backbone", str(tiny_backbone_folder), "--input", "-"],
        input="The bank was fined.\n公司净利润增长。\n".encode(),
        cwd=ROOT,
        env=os.environ | {"BELLWETHER_SENTIMENT_ADAPTER": "none", "BELLWETHER_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        timeout=120,
        check=True,
    )
    rows = [json.loads(line) for line in ran.stdout.decode().splitlines()]
    assert [row["text"] for row in rows] == ["The bank was fined.", "公司净利润增长。"]
