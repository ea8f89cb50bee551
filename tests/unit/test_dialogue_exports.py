"""Exports as companies have them."""

import json
from pathlib import Path

import pytest

from app.domain.errors import InvalidInput
from app.ml.dialogue_exports import ExportReader
from app.ml.dialogues import Speaker


def read(path: Path, text: str | bytes, **options: object) -> tuple[list, ExportReader]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    reader = ExportReader(**options)
    return reader.read(path), reader


def said(conversations: list) -> list[list[tuple[str, str]]]:
    return [[(turn.speaker.value, turn.text) for turn in c.turns] for c in conversations]


EXPECTED = [[("customer", "How much?"), ("agent", "£5.")]]


@pytest.mark.parametrize(
    "text",
    [
        "conversation_id,role,text,timestamp\n1,customer,How much?,2025-01-01\n1,agent,£5.,2025-01-02\n",
        "Chat ID;Sender;Message\n1;Visitor;How much?\n1;Operator;£5.\n",
        "session_id\tfrom\tbody\n1\tuser\tHow much?\n1\tSupport\t£5.\n",
        "\ufeffconversation_id,role,text,time\r\n1,agent,£5.,2025-01-01 10:05\r\n"
        "1,client,How much?,2025-01-01 10:04\r\n",
        "会话ID,角色,内容\n1,客户,How much?\n1,人工客服,£5.\n",
        "conversation_id,role,text\n1,user,How much?\n1,system,Ann joined\n1,assistant,£5.\n",
    ],
)
def test_read_csv_finds_its_columns(tmp_path: Path, text: str) -> None:
    conversations, reader = read(tmp_path / "a.csv", text)
    assert said(conversations) == EXPECTED
    assert reader.bad_rows == []


def test_read_csv_takes_columns_and_roles_given_by_hand(tmp_path: Path) -> None:
    conversations, _ = read(
        tmp_path / "a.csv", "nr,wer,was\n1,Kunde,How much?\n1,Berater,£5.\n",
        columns={"conversation": "nr", "role": "wer", "text": "was"},
        roles={"Kunde": "customer", "Berater": "agent"},
    )  # fmt: skip
    assert said(conversations) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030"])
def test_read_csv_as_spreadsheets_save_it(tmp_path: Path, encoding: str) -> None:
    text = "会话编号,发送者,消息\n1,客户,补卡要多少钱？\n1,客服,免费，三天寄到。\n"
    conversations, _ = read(tmp_path / "a.csv", text.encode(encoding))
    assert said(conversations) == [[("customer", "补卡要多少钱？"), ("agent", "免费，三天寄到。")]]


def test_read_csv_in_windows_1252(tmp_path: Path) -> None:
    text = "conversation_id,role,text\n1,user,Don’t you know?\n1,agent,£5 it’s.\n"
    conversations, _ = read(tmp_path / "a.csv", text.encode("cp1252"))
    assert said(conversations) == [[("customer", "Don’t you know?"), ("agent", "£5 it’s.")]]


JSON_LINES = [
    [{"id": 1, "messages": [{"role": "user", "content": "How much?"}, {"role": "assistant", "content": "£5."}]}],
    [
        {"conversation_id": 1, "sender": "visitor", "text": "How much?"},
        {"conversation_id": 1, "sender": "agent", "text": "£5."},
    ],
]


@pytest.mark.parametrize("rows", JSON_LINES)
def test_read_json_lines(tmp_path: Path, rows: list) -> None:
    conversations, _ = read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert said(conversations) == EXPECTED


def test_read_json_lines_with_votes_corrections_and_citations(tmp_path: Path) -> None:
    row = {
        "id": 1,
        "messages": [
            {"role": "user", "content": "How much?"},
            {
                "role": "assistant", "content": "£4.", "feedback": "down", "correction": "£5.",
                "citations": [{"source": "fees", "text": "It costs £5."}], "outcome": "generated",
            },
        ],
    }  # fmt: skip
    (conversation,), _ = read(tmp_path / "a.jsonl", json.dumps(row))
    turn = conversation.turns[1]
    assert (turn.speaker, turn.feedback, turn.correction, turn.outcome) == (Speaker.BOT, -1, "£5.", "generated")
    assert [p.text for p in turn.citations] == ["It costs £5."]


def test_an_assistant_is_a_program_where_agents_stand_beside_it(tmp_path: Path) -> None:
    text = "conversation_id,role,text\n1,user,How much?\n1,assistant,£5.\n2,user,Hi\n2,agent,Hello\n"
    conversations, _ = read(tmp_path / "a.csv", text)
    assert conversations[0].turns[1].speaker is Speaker.BOT
    conversations, _ = read(tmp_path / "a.csv", text, assistant_is="agent")
    assert conversations[0].turns[1].speaker is Speaker.AGENT


def test_bad_rows_are_reported_with_their_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = (
        'conversation_id,role,text\n1,user,"How\nmuch?"\n,user,lost\n1,martian,secret words\n1,agent,\n1,agent\n'
        "1,agent,£5.\n"
    )
    conversations, reader = read(tmp_path / "a.csv", text)
    assert said(conversations) == [[("customer", "How\nmuch?"), ("agent", "£5.")]]
    assert [where.rpartition(" ")[2] for where, _ in reader.bad_rows] == ["4", "5", "6", "7"]
    assert "--roles agent=martian" in reader.bad_rows[1][1]
    assert not any("secret" in why for _, why in reader.bad_rows)


def test_bad_json_lines_are_reported(tmp_path: Path) -> None:
    good = json.dumps(JSON_LINES[0][0])
    conversations, reader = read(
        tmp_path / "a.jsonl", f'{{"id":\n[1]\n{{"role": "user"}}\n{good}\n{{"messages": [1]}}'
    )
    assert said(conversations) == EXPECTED
    assert [where.rpartition(" ")[2] for where, _ in reader.bad_rows] == ["1", "2", "3", "5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ("a,b\n1,2\n", "no column for conversation and role and text"), (None, "There is no file")],
)
def test_a_file_that_is_no_export_is_an_error(tmp_path: Path, text: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(tmp_path / "a.csv", text) if text is not None else ExportReader().read(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2025-01-01T00:00:00Z", 1735689600),
        ("1735689600", 1735689600),
        ("1735689600000", 1735689600),
        ("2025/01/01 00:00", 1735689600),
        ("2025年01月01日 00:00", 1735689600),
        ("soon", 0),
    ],
)
def test_times_are_understood(tmp_path: Path, value: str, seconds: float) -> None:
    (conversation,), _ = read(tmp_path / "a.csv", f"conversation_id,role,text,time\n1,user,Hi,{value}\n")
    assert conversation.began == seconds
