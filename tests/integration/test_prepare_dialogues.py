"""Past conversations to training rows, as the command is typed."""

import json
import runpy
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.conversations import Message, Outcome, Passage, Role
from app.ml.datasets import load_dialogues
from app.storage.conversations import Conversations
from app.storage.database import open_database
from tests.knowledge import write_knowledge

HEAD = "conversation_id,role,text,timestamp\n"
THINGS = "ladders bicycles pianos kettles violins carpets lanterns anchors saddles windows"
NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., Any]:
    """Runs the command; gives its report, or the line of its error."""

    def run(*arguments: object) -> Any:
        argv = ["prepare_dialogues", "--output", tmp_path / "out", *arguments]
        monkeypatch.setattr(sys, "argv", [str(argument) for argument in argv])
        try:
            runpy.run_module("pipelines.prepare_dialogues", run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        if code == 0:
            return json.loads(out)
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        assert (code, out) == (2, "")
        return line

    return run


def export(path: Path, count: int = 10) -> Path:
    """Conversations of two questions each, none like another."""
    things = THINGS.split()
    rows = "".join(
        f'{n},customer,"What does insurance for {things[n]} cost, and how do I get it?",2025-01-01 10:00\n'
        f"{n},agent,Insurance for {things[n]} costs £{n + 3} a month.,2025-01-01 10:01\n"
        f"{n},customer,Where can I see {things[n]} that were insured before this year?,2025-01-01 10:02\n"
        f"{n},agent,The list of insured {things[n]} is in the app.,2025-01-01 10:03\n"
        for n in range(count)
    )
    path.write_text(HEAD + rows, "utf-8")
    return path


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / name).read_text("utf-8").splitlines()]


def test_rows_are_split_by_conversation_and_load_for_training(run: Callable, tmp_path: Path) -> None:
    report = run("--input", export(tmp_path / "a.csv"), "--dev-fraction", "0.2")
    assert (report["conversations"], report["questions"], report["rows"]) == (10, 20, 20)
    assert (report["train"], report["dev"], report["excluded"]) == (16, 4, {})
    train, dev = rows_of(tmp_path, "train.jsonl"), rows_of(tmp_path, "dev.jsonl")
    assert not {row["conversation"] for row in train} & {row["conversation"] for row in dev}
    assert len(load_dialogues([tmp_path / "out" / "train.jsonl", tmp_path / "out" / "dev.jsonl"])) == 20
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dev.jsonl", "train.jsonl"]


def test_the_same_seed_gives_the_same_files(run: Callable, tmp_path: Path) -> None:
    source, knowledge = export(tmp_path / "a.csv"), write_knowledge(tmp_path / "k")
    run("--input", source, "--knowledge", knowledge)
    first = (tmp_path / "out" / "train.jsonl").read_bytes()
    run("--input", source, "--knowledge", knowledge)
    assert (tmp_path / "out" / "train.jsonl").read_bytes() == first
    run("--input", source, "--knowledge", knowledge, "--seed", 5)
    assert (tmp_path / "out" / "train.jsonl").read_bytes() != first


def test_answers_get_the_passage_that_supports_them(run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        HEAD + "1,user,What does a copy of a paid cheque cost?,\n1,agent,A copy of a paid cheque costs £4.,\n"
        "2,user,What does a new garden gnome cost?,\n2,agent,Gnomes cost £7.,\n",
        "utf-8",
    )
    options = ("--input", path, "--knowledge", write_knowledge(tmp_path / "k"), "--dev-fraction", 0)
    report = run(*options)
    assert (report["rows"], report["with_passages"]) == (2, 1)
    supported, other = rows_of(tmp_path, "train.jsonl")
    number = int(supported["reply"].removeprefix("A copy of a paid cheque costs £4.").strip(" []"))
    assert supported["passages"][number - 1]["source"] == "fees.md"
    assert (other["passages"], other["reply"]) == ([], "Gnomes cost £7.")
    assert run(*options, "--supported-only")["excluded"] == {"without_passages": 1}
    assert len(rows_of(tmp_path, "train.jsonl")) == 1


def test_a_dev_file_of_an_earlier_run_does_not_stay(run: Callable, tmp_path: Path) -> None:
    source = export(tmp_path / "a.csv")
    run("--input", source)
    assert (tmp_path / "out" / "dev.jsonl").exists()
    run("--input", source, "--dev-fraction", "0")
    assert not (tmp_path / "out" / "dev.jsonl").exists()


def test_bad_rows_are_counted_and_named(run: Callable, tmp_path: Path) -> None:
    source = export(tmp_path / "a.csv", 2)
    with source.open("a", encoding="utf-8") as stream:
        stream.write("3,martian,hello,\n")
    report = run("--input", source)
    assert report["bad_rows"] == 1
    assert report["bad_row_examples"][0].startswith(f"{source}, line 10: unknown role 'martian'")
    assert report["rows"] == 4


def test_the_applications_own_conversations_are_read(run: Callable, tmp_path: Path) -> None:
    fees = Passage("fees.md", "A copy of a paid cheque costs £4.", title="Fees")
    url = f"sqlite:///{tmp_path / 'own.db'}"
    database = open_database(url)
    store = Conversations(database)

    def talk(question: str, reply: str, outcome: Outcome, thumb: int = 0, citations: tuple = (fees,)) -> str:
        key = store.start(NOW)
        store.append(key, Message(Role.CUSTOMER, question), NOW)
        message = store.append(key, Message(Role.ASSISTANT, reply), NOW + timedelta(seconds=1), outcome, citations)
        if thumb:
            store.set_feedback(message, thumb)
        return key

    talk("What does a copy of a cheque cost?", "It costs £4. [1]", Outcome.GENERATED)
    talk("Do you like the colour green?", "It is £9. [1]", Outcome.GENERATED, thumb=-1)
    talk("Will it rain in Oslo tomorrow?", "I could not find an answer.", Outcome.HANDOFF, citations=())
    talk("How long is a piece of string?", "Twice half its length. [1]", Outcome.GENERATED, thumb=1)
    key = talk("May I bring a friend to a branch?", "It costs £4. [1]", Outcome.GENERATED)
    store.add_handoff(key, "ann@example.com", "", NOW)
    database.close()
    report = run("--database", url, "--dev-fraction", "0")
    assert report["excluded"] == {"down_voted": 1, "fallback": 1, "handed_off": 1}
    assert report["answers"] == {"cited": 1, "upvoted": 1}
    by_answer = {row["answer"]: row for row in rows_of(tmp_path, "train.jsonl")}
    assert by_answer["cited"]["reply"] == "It costs £4. [1]"
    assert by_answer["cited"]["passages"][0]["text"] == fees.text


def test_questions_that_measure_are_left_out(run: Callable, tmp_path: Path) -> None:
    frozen = tmp_path / "frozen.jsonl"
    frozen.write_text(
        json.dumps({"question": "What does insurance for pianos cost, and how do I get it?"}), "utf-8"
    )
    report = run("--input", export(tmp_path / "a.csv"), "--exclude", frozen)
    assert report["excluded"] == {"in_evaluation": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Name at least one export"),
        (("--input", "absent.csv"), "There is no file absent.csv"),
        (("--database", "sqlite:///absent.db"), "There is no database absent.db"),
        (("--database", "nonsense"), "--database:"),
        (("--input", "thanks.csv"), "No answer was left to learn from"),
        (("--input", "thanks.csv", "--columns", "colour=x"), "--columns: expected NAME=VALUE"),
        (("--input", "thanks.csv", "--columns", "text=x"), "has no column for text"),
        (("--input", "thanks.csv", "--dev-fraction", "1"), "--dev-fraction is at least 0 and below 1"),
        (("--input", "thanks.csv", "--knowledge", "absent"), "There is no knowledge folder absent"),
    ],
)
def test_what_cannot_work_ends_with_one_clear_line(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thanks.csv").write_text(HEAD + "1,user,thanks,\n1,agent,you are welcome,\n", "utf-8")
    assert message in run(*options)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "absent.db").exists()
