import json
from pathlib import Path

import pytest

from app.domain.conversations import Role
from app.domain.errors import InvalidInput
from app.ml.datasets import (
    LabelledText,
    fingerprint,
    load_dialogues,
    load_labelled,
    normalise,
    split,
    without_duplicates,
)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_load_labelled_reads_csv_and_json_lines_alike(tmp_path: Path) -> None:
    table = written(tmp_path, "a.csv", '\ufefftext,label,topic\r\n"Profit, up",Positive,earnings\r\n')
    lines = written(tmp_path, "b.jsonl", '{"text": "Profit, up", "label": "positive", "topic": "earnings"}\n\n')
    assert load_labelled([table]) == load_labelled([lines]) == [LabelledText("Profit, up", "positive", "earnings")]


def test_load_labelled_keeps_line_breaks_of_every_kind_inside_a_text(tmp_path: Path) -> None:
    table = written(tmp_path, "a.csv", 'text,label\nOne\u2028two\x0bthree,neutral\n"Four\nfive",negative\n')
    assert [row.text for row in load_labelled([table])] == ["One\u2028two\x0bthree", "Four\nfive"]


def test_load_labelled_takes_rows_with_a_topic_alone(tmp_path: Path) -> None:
    table = written(tmp_path, "a.csv", "text,topic\nShares fell,markets\n")
    assert load_labelled([table]) == [LabelledText("Shares fell", "", "markets")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\nGood,positive\nBad,bad\n", r"a\.csv, line 3: label 'bad' is not one of negative, n"),
        ("a.csv", 'text,label\n"Two\nlines",positive\nBad,bad\n', r"a\.csv, line 4: label 'bad'"),
        ("a.csv", "text,label,topic\nGood,positive,weather\n", r"a\.csv, line 2: topic 'weather' is not one of"),
        ("a.csv", "body,label\nGood,positive\n", r"a\.csv, line 2: no column 'text' \(columns: body, label\)"),
        ("a.csv", "text,note\nGood,fine\n", r"a\.csv, line 2: neither label nor topic"),
        ("a.csv", "text,label\n ,positive\n", r"a\.csv, line 2: the text is empty"),
        ("a.csv", "text,label\n", r"a\.csv holds no rows"),
        ("a.csv", " \n", r"a\.csv is empty"),
        ("a.csv", "text,label\n" + "x" * 140_000 + ",positive\n", r"a\.csv, line 1: not CSV"),
        ("a.csv", b"text,label\n\xff\xfe,positive\n", r"a\.csv is not UTF-8 text \(byte 11\)"),
        ("a.jsonl", '{"text": "Good", "label": "positive"}\n{"text": \n', r"a\.jsonl, line 2: not JSON"),
        ("a.jsonl", '["Good", "positive"]\n', r"a\.jsonl, line 1: expected an object, got list"),
        ("a.jsonl", '{"text": "Good", "label": 1}\n', r"a\.jsonl, line 1: label '1' is not one of"),
    ],
)
def test_load_labelled_names_file_and_line_of_bad_rows(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_labelled([written(tmp_path, name, content)])


def test_load_labelled_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"There is no file .*none\.csv"):
        load_labelled([tmp_path / "none.csv"])


def test_load_dialogues_reads_messages_passages_and_reply(tmp_path: Path) -> None:
    row = {
        "messages": [
            {"role": "user", "content": "What does it cost?"},
            {"role": "assistant", "content": "Nothing. [1]"},
            {"role": "user", "content": "And abroad?"},
        ],
        "passages": ["Free at home.", {"source": "a.csv#0", "text": "2% abroad.", "question": "Abroad?"}],
        "reply": " It costs 2%. [2] ",
    }
    (example,) = load_dialogues([written(tmp_path, "a.jsonl", json.dumps(row))])
    assert [message.role for message in example.messages] == [Role.CUSTOMER, Role.ASSISTANT, Role.CUSTOMER]
    assert [passage.text for passage in example.passages] == ["Free at home.", "2% abroad."]
    assert example.passages[1].source == "a.csv#0"
    assert example.reply == "It costs 2%. [2]"


GOOD = {"messages": [{"role": "user", "content": "Hi"}], "passages": ["Free."], "reply": "Free."}


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "customer", "content": "Hi"}]},
        {"messages": [{"role": "assistant", "content": "Hi"}]},
        {"messages": []},
        {"messages": "Hi"},
        {"passages": [3]},
        {"passages": None},
        {"passages": [{"source": "a.csv#0"}]},
        {"reply": " "},
    ],
)
def test_load_dialogues_names_the_line_of_a_bad_row(tmp_path: Path, change: dict[str, object]) -> None:
    content = json.dumps(GOOD) + "\n" + json.dumps(GOOD | change)
    with pytest.raises(InvalidInput, match=r"a\.jsonl, line 2: "):
        load_dialogues([written(tmp_path, "a.jsonl", content)])


def test_normalise_makes_copies_equal() -> None:
    assert normalise("Profit UP — 5% https://t.co/x1") == normalise("profit up 5 %  www.example.com/a?b")
    assert normalise("Ｐｒｏｆｉｔ，上涨") == normalise("profit 上涨。")
    assert normalise("Profit up") != normalise("Profit down")


def test_without_duplicates_drops_copies_within_and_across_splits() -> None:
    rows = [LabelledText(text, "neutral") for text in ("Rates held", "Rates held!", "Oil up https://t.co/1", "New")]
    seen = [LabelledText("OIL UP https://t.co/2", "positive")]
    assert [row.text for row in without_duplicates(rows, seen)] == ["Rates held", "New"]


def test_split_is_a_function_of_the_seed() -> None:
    rows = list(range(40))
    rest, held_out = split(rows, 0.1, seed=3)
    assert (len(rest), len(held_out)) == (36, 4)
    assert sorted(rest + held_out) == rows
    assert split(rows, 0.1, seed=3) == (rest, held_out)
    assert split(rows, 0.1, seed=4) != (rest, held_out)


def test_fingerprint_changes_with_content_and_order() -> None:
    a, b = LabelledText("A", "neutral"), LabelledText("B", "neutral")
    assert fingerprint([a, b]) == fingerprint([a, b])
    assert len({fingerprint(rows) for rows in ([a, b], [b, a], [a], [], [a, LabelledText("B", "positive")])}) == 5
