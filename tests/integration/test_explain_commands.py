"""The commands that explain, compare explanations and measure speed, on the tiny backbone."""

import json
import random
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.news import Sentiment
from app.ml.backbone import Backbone
from app.ml.explain import Explanation, Span, explain
from app.ml.sentiment import SentimentClassifier
from pipelines.benchmark_sentiment import Speed, Task, as_table, bert_tokenizer, make_texts
from pipelines.compare_explanations import faithfulness, with_only_first, without_first

Command = Callable[..., tuple[str, str, int]]


@pytest.fixture
def command(
    tiny_backbone_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Command:
    """Runs a command in this process: its standard output, its standard error, its code."""
    for name, value in {"CACHE_DIR": str(tmp_path), "DTYPE": "float32", "SENTIMENT_ADAPTER": "none"}.items():
        monkeypatch.setenv(f"BELLWETHER_{name}", value)

    def run(name: str, *arguments: object) -> tuple[str, str, int]:
        common = ["--backbone", str(tiny_backbone_folder), "--threads", "1"]
        monkeypatch.setattr(sys, "argv", [name, *common, *map(str, arguments)])
        code = 0
        try:
            runpy.run_module(f"pipelines.{name}", run_name="__main__")
        except SystemExit as stop:
            code = int(stop.code or 0)
        return *capsys.readouterr(), code

    return run


def test_explain_prints_the_words_of_each_text(command: Command, tmp_path: Path) -> None:
    texts = ["Profit rose 12%.", "公司净利润增长。"]
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(texts), "utf-8")
    whole, towards = (command("explain", "--input", path, *more)[0] for more in ([], ["--entity", "Acme"]))
    rows = [json.loads(line) for line in whole.splitlines()]
    assert [row["text"] for row in rows] == texts
    for row in rows:
        assert list(row) == ["text", "sentiment", "words"]
        assert row["sentiment"] in set(Sentiment)
        for word in row["words"]:
            assert list(word) == ["text", "start", "end", "score"]
            assert word["text"] == row["text"][word["start"] : word["end"]]
    assert [word["text"] for word in rows[0]["words"]] == ["Profit", "rose", "12%"]
    assert whole != towards


def test_explain_of_an_empty_file_says_so(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("\n")
    out, err, code = command("explain", "--input", path)
    assert (out, code) == ("", 2)
    assert "holds no text" in err


def test_compare_explanations_prints_a_row_for_each_method(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": f"Profit rose {i} times."}) + "\n" for i in range(4)), "utf-8")
    out, _, _ = command(
        "compare_explanations", "--data", path, "--limit", 3, "--methods", "leave_one_out", "gradient_times_input"
    )
    lines = out.splitlines()
    assert lines[0] == "3 texts of rows.jsonl, 1 threads"
    assert [line.split(" | ")[0] for line in lines[4:]] == [
        "| leave_one_out", "| gradient_times_input", "| random order",
    ]  # fmt: skip


def test_deleting_follows_the_scores() -> None:
    text = "Costs fell, profit rose by a lot in May this year."
    words = text.removesuffix(".").replace(",", "").split()
    spans = [Span(w, text.index(w), text.index(w) + len(w), float(w == "rose") or len(w) / 99) for w in words]
    found = Explanation(text, Sentiment.POSITIVE, 0.9, "own", tuple(spans))
    assert without_first(found)[0].split() == text.replace("rose ", "").removesuffix(".").split()
    assert with_only_first(found)[0].replace(",", "").split() == ["rose"]
    assert with_only_first(found)[-1].replace(",", "").split() == [
        "Costs",
        "fell",
        "profit",
        "rose",
        "this",
        "year",
    ]


def test_faithful_scores_beat_their_opposite(tiny_backbone: Backbone) -> None:
    classifier = SentimentClassifier(tiny_backbone, None)
    texts = [
        "The bank reported a record profit, and its shares rose.",
        "Customers could not pay for hours on Friday.",
    ]
    right = [explain(classifier, text, method="leave_one_out") for text in texts]
    wrong = [
        Explanation(e.text, e.sentiment, e.probability, "wrong",
                    tuple(Span(s.text, s.start, s.end, -s.score) for s in e.tokens))
        for e in right
    ]  # fmt: skip
    a, b = faithfulness(classifier, right), faithfulness(classifier, wrong)
    assert a.comprehensiveness > b.comprehensiveness


def test_benchmark_measures_three_engines_on_two_kinds_of_text(command: Command) -> None:
    small = [
        "--headlines", 3, "--articles", 2, "--article-tokens", 30, "--headline-tokens", 5, "--rounds", 2,
        "--layers", 1,
    ]  # fmt: skip
    out, _, code = command("benchmark_sentiment", *small, "--json")
    assert code == 0
    report = json.loads(out)
    assert (report["threads"], report["dtype"]) == (1, "float32")
    assert [(row["texts"], row["tokens"]) for row in report["results"]] == [("headlines", 5)] * 3 + [
        ("articles", 30)
    ] * 3
    for row in report["results"]:
        assert len(row["rounds"]) == 2
        assert min(row["rounds"]) > 0
    assert [report["results"][i]["ratio"] for i in (0, 3)] == [1.0, 1.0]
    assert command("benchmark_sentiment", "--rounds", 0)[2] == 2


def test_benchmark_table_shows_median_and_ratio() -> None:
    task = Task("headlines", 25, 128)
    lines = as_table([Speed("slow", task, (9.0, 10.0, 12.0)), Speed("fast", task, (30.0, 20.0, 41.0))]).splitlines()
    assert lines[2] == "| 128 headlines of 25 tokens | slow | 10.0 | 9.0 to 12.0 | 1.00 |"
    assert lines[3] == "| 128 headlines of 25 tokens | fast | 30.0 | 20.0 to 41.0 | 3.00 |"


def test_benchmark_texts_have_the_tokens_they_claim_and_never_repeat() -> None:
    texts = make_texts(Task("articles", 400, 5), random.Random(1), 5)
    assert len(set(texts)) == 5
    tokenizer = bert_tokenizer()
    assert {len(tokenizer(text)["input_ids"]) for text in texts} == {402}
    assert all(tokenizer.unk_token_id not in tokenizer(text)["input_ids"] for text in texts)
