"""Read a company's exported conversations: CSV, or JSON Lines with a conversation or a message a line.

Columns go by many names, in English and Chinese; others are named by hand. A row that cannot be used is reported
with its line, and the rest goes on.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.domain.conversations import Passage
from app.domain.errors import InvalidInput
from app.ml.datasets import passage_of
from app.ml.dialogues import PastConversation, Speaker, Turn


def _names(words: str) -> tuple[str, ...]:
    return tuple(words.split())


COLUMNS = {
    "conversation": _names(
        "conversation_id conversation conv_id chat_id session_id session thread_id thread ticket_id dialogue_id "
        "dialog_id 会话id 会话编号 会话号 会话 对话id 对话编号 对话 工单号"
    ),
    "role": _names(
        "role sender author speaker from sender_type author_type 角色 发送者 发送人 发送方 发言人 发言者 身份"
    ),
    "text": _names("text message content body utterance 内容 消息 消息内容 文本 正文 聊天内容"),
    "time": _names("timestamp time created_at sent_at datetime date 时间 时间戳 发送时间 日期 消息时间"),
    "correction": _names("correction corrected corrected_text 更正 修正 纠正"),
    "feedback": _names("feedback rating thumb thumbs vote 反馈 评价 点赞"),
    "outcome": _names("outcome 结果"),
    "citations": _names("citations sources 引用"),
    "messages": _names("messages turns dialogue 消息列表"),
    "id": _names("id 编号"),
}
ROLES = {
    "customer": _names(
        "customer user visitor client enduser human consumer caller member guest 客户 顾客 用户 访客 买家"
    ),
    "agent": _names(
        "agent operator humanagent liveagent staff representative rep advisor adviser employee support csr "
        "客服 坐席 座席 人工 人工客服 人工坐席 客服人员 员工 顾问 客户经理 专员"
    ),
    "assistant": _names("assistant 助手 助理"),
    "bot": _names("bot chatbot robot ai virtualassistant 机器人 智能客服 智能助手"),
    "system": _names("system event note tool 系统 系统消息"),
}
_THUMBS = {"1": 1, "up": 1, "good": 1, "👍": 1, "赞": 1, "满意": 1, "true": 1, "like": 1}
_THUMBS |= {"-1": -1, "down": -1, "bad": -1, "👎": -1, "踩": -1, "不满意": -1, "false": -1, "dislike": -1}
_TIMES = tuple(
    f"{day} {clock}" for day in ("%Y/%m/%d", "%d/%m/%Y", "%Y年%m月%d日") for clock in ("%H:%M:%S", "%H:%M")
)


class BadRow(Exception):
    """One row cannot be used; the message says why without repeating what it holds."""


@dataclass
class ExportReader:
    """Reads files. `columns` and `roles` are names given by hand; `bad_rows` collects (where, why).

    "assistant" may be a person or a program. `assistant_is` says which; "auto" takes it for a program where the
    file has agents beside it, or votes or citations on its messages.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)  # value in the file -> one of ROLES
    assistant_is: str = "auto"
    bad_rows: list[tuple[str, str]] = field(default_factory=list)

    def read(self, path: Path) -> list[PastConversation]:
        """The conversations of a file. Raises InvalidInput when nothing in it can be a conversation."""
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}.")
        text = _decoded(path)
        if not text.strip():
            raise InvalidInput(f"{path} is empty.")
        found: dict[str, list[tuple[float, _Read]]] = {}
        rows = (
            self._csv_rows(text, path) if path.suffix.lower() in (".csv", ".tsv") else self._json_rows(text, path)
        )
        for number, row in rows:
            where = f"{path}, line {number}"
            try:
                for key, time, turn in self._messages(row, number):
                    found.setdefault(key, []).append((time, turn))
            except BadRow as error:
                self.bad_rows.append((where, str(error)))
        people = self._people(turn for turns in found.values() for _, turn in turns)
        return [_conversation(f"{path}:{key}", turns, people) for key, turns in found.items()]

    # -- rows --------------------------------------------------------------------------------------

    def _csv_rows(self, text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        head = text.lstrip().split("\n", 1)[0]
        delimiter = max(",;\t|", key=head.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        names = [name for name in reader.fieldnames or [] if name]
        missing = [name for name in ("conversation", "role", "text") if self._column(names, name) is None]
        if missing:
            raise InvalidInput(
                f"{path} has no column for {' and '.join(missing)} (columns: {', '.join(names)}). "
                f"Name it: --columns {missing[0]}=COLUMN"
            )
        rows = iter(reader)
        while True:
            number = reader.line_num + 1
            try:
                yield number, {key: value for key, value in next(rows).items() if key is not None}
            except StopIteration:
                return
            except csv.Error as error:
                self.bad_rows.append((f"{path}, line {number}", f"not CSV ({error})"))

    def _json_rows(self, text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                self.bad_rows.append((f"{path}, line {number}", "not JSON"))
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                self.bad_rows.append((f"{path}, line {number}", f"expected an object, got {type(row).__name__}"))

    def _column(self, names: Sequence[str], wanted: str) -> str | None:
        """The name in the file of a column: the one given by hand, or the first known one."""
        if wanted in self.columns:
            return self.columns[wanted] if self.columns[wanted] in names else None
        folded = {_folded(name): name for name in reversed(names)}
        return next((folded[_folded(alias)] for alias in COLUMNS[wanted] if _folded(alias) in folded), None)

    def _value(self, row: Mapping[str, Any], wanted: str) -> Any:
        name = self._column(list(row), wanted)
        return None if name is None else row[name]

    # -- messages ----------------------------------------------------------------------------------

    def _messages(self, row: Mapping[str, Any], number: int) -> Iterator[tuple[str, float, "_Read"]]:
        listed = self._value(row, "messages")
        key = self._value(row, "conversation")
        if isinstance(listed, list):
            key = key if key not in (None, "") else self._value(row, "id") or f"line {number}"
            if not all(isinstance(message, dict) for message in listed):
                raise BadRow("its messages are not a list of objects")
            turns = [(str(key), _time(self._value(m, "time")), self._turn(m)) for m in listed]
            yield from ((k, t, turn) for k, t, turn in turns if turn)
            return
        if key in (None, ""):
            raise BadRow("it belongs to no conversation")
        turn = self._turn(row)
        if turn:
            yield str(key), _time(self._value(row, "time")), turn

    def _turn(self, row: Mapping[str, Any]) -> "_Read | None":
        role = self._role(self._value(row, "role"))
        if role == "system":
            return None
        text = self._value(row, "text")
        if not isinstance(text, str) or not text.strip():
            raise BadRow("it has no text")
        correction = self._value(row, "correction")
        return _Read(
            role,
            Turn(
                Speaker.CUSTOMER if role == "customer" else Speaker.AGENT if role == "agent" else Speaker.BOT,
                text.strip(),
                correction.strip() if isinstance(correction, str) else "",
                _THUMBS.get(str(self._value(row, "feedback")).strip().casefold().removesuffix(".0"), 0),
                str(self._value(row, "outcome") or ""),
                _citations(self._value(row, "citations")),
            ),
        )

    def _role(self, value: Any) -> str:
        name = str(value or "").strip()
        if name in self.roles:
            return self.roles[name]
        role = next((role for role, aliases in ROLES.items() if _folded(name) in aliases), "")
        if not role:
            raise BadRow(f"unknown role {name[:20]!r}; say whose it is: --roles agent={name[:20] or 'NAME'}")
        return role

    def _people(self, turns: Iterator["_Read"]) -> bool:
        """Whether the assistants of this file are people."""
        if self.assistant_is != "auto":
            return self.assistant_is == "agent"
        read = list(turns)
        marked = any(
            r.role == "assistant" and (r.turn.feedback or r.turn.citations or r.turn.outcome) for r in read
        )
        return not marked and not any(r.role == "agent" for r in read)


@dataclass(frozen=True)
class _Read:
    role: str
    turn: Turn


def _conversation(key: str, turns: list[tuple[float, _Read]], people: bool) -> PastConversation:
    """Messages in the order of their times; where one has none, in the order of the file."""
    if all(time for time, _ in turns):
        turns = sorted(turns, key=lambda pair: pair[0])
    said = [
        replace(read.turn, speaker=Speaker.AGENT) if read.role == "assistant" and people else read.turn
        for _, read in turns
    ]
    return PastConversation(key, tuple(said), min(time for time, _ in turns))


def _folded(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name).casefold()


def _time(value: Any) -> float:
    """Seconds since 1970, or 0 where it cannot be told."""
    text = str(value or "").strip()
    try:
        number = float(text)
        return number / 1000 if number > 1e11 else number
    except ValueError:
        pass
    for parse in (datetime.fromisoformat, *(lambda t, f=f: datetime.strptime(t, f) for f in _TIMES)):  # noqa: DTZ007
        try:
            moment = parse(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return 0.0


def _citations(value: Any) -> tuple[Passage, ...]:
    try:
        listed = json.loads(value) if isinstance(value, str) and value.strip().startswith("[") else value
        return tuple(passage_of(item) for item in listed) if isinstance(listed, list) else ()
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _decoded(path: Path) -> str:
    """UTF-8, UTF-16 with its mark, or what Excel writes: GB 18030 when that gives Chinese, else Windows-1252."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode("gb18030")
        if 20 * len(re.findall(r"[\u4e00-\u9fff]", text)) > len(text):
            return text
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start}).") from error
