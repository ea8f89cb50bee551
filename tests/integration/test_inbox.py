"""The agents' inbox on a real database and index: who waits, drafts, replies, corrections, curated answers."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.accounts import Account, AccountRole
from app.domain.conversations import HandoffState, Message, Need, Outcome, Passage, Role
from app.domain.errors import Conflict, InvalidInput, KnowledgeError, NotFound
from app.domain.guardrails import cited_numbers
from app.integrations.curated import CuratedAnswers
from app.integrations.documents import read_folder
from app.ml.dialogues import Rank, Selection
from app.services.chat import Chat
from app.services.decisions import Thresholds
from app.services.fixed_replies import handoff_reply
from app.services.inbox import Inbox
from app.services.indexing import build_index
from app.services.retrieval import Retrieval
from app.storage.audit import Audit
from app.storage.conversations import Conversations
from app.storage.corrections import Corrections
from app.storage.database import Database, open_database
from app.storage.handoffs import Handoffs
from app.ui.agent.case import show
from app.ui.agent.fragments import AgentDesk, render_list, waited
from app.ui.views import Views
from pipelines.prepare_dialogues import stored_conversations
from tests.fakes import ManualClock, ScriptedResponder
from tests.knowledge import CountingEmbedder, write_knowledge

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LOST = "My card has gone missing somewhere. What now?"
PASSAGES = (Passage("en/cards.csv#0", "Freeze it in the app.", "", LOST), Passage("fees.md", "A card costs £4."))
ALWAYS_COMPOSE = Thresholds(template=1.01, answer=0.0, clarify_margin=0.0, whole=2.0)
NEVER_ANSWER = Thresholds(template=1.01, answer=1.01, clarify_margin=0.0, whole=2.0)


@pytest.fixture(scope="module")
def retrieval(tmp_path_factory: pytest.TempPathFactory) -> Retrieval:
    folder, embedder = tmp_path_factory.mktemp("inbox"), CountingEmbedder()
    index, _ = build_index(
        write_knowledge(folder / "knowledge"), folder / "index", embedder, read_folder, lambda _what, _done: None
    )
    return Retrieval(index, embedder)


@dataclass
class Office:
    """An inbox with what stands behind it."""

    inbox: Inbox
    conversations: Conversations
    database: Database
    clock: ManualClock
    knowledge: Path
    retrieval: Retrieval
    url: str

    def ask(self, question: str = LOST, need: Need = Need.ANSWER, language: str = "en") -> tuple[str, int]:
        """A conversation that ends with a request for a person: its id, and the request's."""
        key = self.conversations.start(self.clock())
        self.conversations.append(key, Message(Role.CUSTOMER, question), self.clock())
        reply = Message(Role.ASSISTANT, handoff_reply(need, language))
        self.conversations.append(key, reply, self.clock(), Outcome.HANDOFF)
        return key, self.conversations.add_handoff(key, "mei@example.com", "after six", self.clock())

    def answered(self, reply: str = "Buy a new one [1].") -> tuple[int, int]:
        """A request after an answer that cites a passage: its id, and the answer's."""
        key = self.conversations.start(self.clock())
        self.conversations.append(key, Message(Role.CUSTOMER, LOST), self.clock())
        message = self.conversations.append(
            key, Message(Role.ASSISTANT, reply), self.clock(), Outcome.GENERATED, PASSAGES[:1]
        )
        return self.conversations.add_handoff(key, "mei@example.com", "", self.clock()), message

    def trail(self) -> list[tuple[str, str, str]]:
        entries = reversed(Audit(self.database).entries())
        return [(entry.actor, entry.action, entry.subject) for entry in entries]


@pytest.fixture
def office(retrieval: Retrieval, tmp_path: Path) -> Iterator[Office]:
    url = f"sqlite:///{tmp_path / 'inbox.db'}"
    database, clock = open_database(url), ManualClock(NOW)
    knowledge = write_knowledge(tmp_path / "knowledge")
    yield office_of(database, clock, knowledge, retrieval, url)
    database.close()


def office_of(
    database: Database, clock: ManualClock, knowledge: Path, retrieval: Retrieval, url: str,
    thresholds: Thresholds = ALWAYS_COMPOSE,
) -> Office:  # fmt: skip
    conversations = Conversations(database)
    chat = Chat(conversations, retrieval, ScriptedResponder("Freeze it in the app [1]."), thresholds, clock)
    accounts = [Account(1, "ada", AccountRole.AGENT), Account(2, "bo", AccountRole.ANALYST)]
    accounts.append(Account(3, "gone", AccountRole.AGENT, disabled=True))
    inbox = Inbox(
        Handoffs(database, clock), Corrections(database, clock), chat, retrieval, CuratedAnswers(knowledge),
        lambda: accounts, clock,
    )  # fmt: skip
    return Office(inbox, conversations, database, clock, knowledge, retrieval, url)


def test_waiting_lists_the_longest_waiting_first_with_what_they_need(office: Office) -> None:
    _, first = office.ask("Someone took money from my account!", Need.FRAUD)
    office.clock.advance(minutes=40)
    office.ask("怎样修改密码？我忘了。", Need.ACCOUNT, "zh")
    office.clock.advance(minutes=5)
    one, two = office.inbox.waiting("waiting", "ada")
    assert (one.handoff.id, one.need, one.language, one.since) == (first, Need.FRAUD, "en", timedelta(minutes=45))
    assert one.summary == "Someone took money from my account!"
    assert (two.need, two.language) == (Need.ACCOUNT, "zh")


def test_summary_leaves_out_the_wish_for_a_person(office: Office) -> None:
    key, _ = office.ask()
    office.conversations.append(key, Message(Role.CUSTOMER, "I want to talk to a human"), office.clock())
    [item] = office.inbox.waiting("all", "ada")
    assert item.summary == LOST


def test_take_moves_a_request_to_its_agent_and_a_second_agent_is_told(office: Office) -> None:
    _, handoff = office.ask()
    office.inbox.take(handoff, "ada")
    assert office.inbox.counts("ada") == {"waiting": 0, "mine": 1, "all": 1, "resolved": 0}
    assert office.inbox.counts("bo")["mine"] == 0
    with pytest.raises(Conflict, match="ada has taken"):
        office.inbox.take(handoff, "bo")
    office.inbox.assign(handoff, "bo", "ada")
    assert [item.handoff.id for item in office.inbox.waiting("mine", "bo")] == [handoff]
    with pytest.raises(InvalidInput, match="no agent 'gone'"):
        office.inbox.assign(handoff, "gone", "ada")
    office.inbox.assign(handoff, "", "bo")
    assert office.inbox.counts("bo")["waiting"] == 1
    assert office.trail() == [
        ("ada", "assign", "handoff"),
        ("ada", "assign", "handoff"),
        ("bo", "assign", "handoff"),
    ]


def test_reply_reaches_the_customer_under_the_agents_name(office: Office) -> None:
    key, handoff = office.ask()
    last = office.conversations.history(key)[-1].id
    message = office.inbox.reply(handoff, " It costs £4 [2]. ", "ada", PASSAGES)
    [heard] = office.conversations.messages_after(key, last)
    assert (heard.id, heard.role, heard.author, heard.content) == (
        message,
        Role.ASSISTANT,
        "ada",
        "It costs £4 [1].",
    )
    assert heard.citations == PASSAGES[1:]
    assert office.conversations.messages_after(key, message) == []
    case = office.inbox.open(handoff)
    assert case.handoff.assignee == "ada"
    assert not case.waiting.customer_spoke_last
    office.conversations.append(key, Message(Role.CUSTOMER, "And abroad?"), office.clock())
    assert office.inbox.open(handoff).waiting.customer_spoke_last


def test_resolved_request_is_answered_only_after_it_was_reopened(office: Office) -> None:
    _, handoff = office.ask()
    office.inbox.resolve(handoff, "ada")
    assert office.inbox.open(handoff).handoff.state is HandoffState.RESOLVED
    with pytest.raises(Conflict, match="Reopen it first"):
        office.inbox.reply(handoff, "Hello", "ada")
    with pytest.raises(Conflict, match="Reopen it first"):
        office.inbox.resolve(handoff, "bo")
    office.inbox.reopen(handoff, "bo")
    assert office.inbox.counts("bo") == {"waiting": 0, "mine": 1, "all": 1, "resolved": 0}
    with pytest.raises(Conflict, match="open already"):
        office.inbox.reopen(handoff, "bo")
    assert [entry[:2] for entry in office.trail()] == [("ada", "resolve"), ("bo", "reopen")]


def test_request_of_an_erased_conversation_is_gone(office: Office) -> None:
    key, handoff = office.ask()
    office.conversations.delete(key)
    for act in (office.inbox.take, office.inbox.resolve, lambda h, by: office.inbox.reply(h, "Hello", by)):
        with pytest.raises(NotFound, match="erased"):
            act(handoff, "ada")
    assert office.inbox.waiting("all", "ada") == []


def test_draft_answers_the_last_real_question_and_stores_nothing(office: Office) -> None:
    key, handoff = office.ask()
    office.conversations.append(key, Message(Role.CUSTOMER, "I want to talk to a human"), office.clock())
    before = office.conversations.history(key)
    draft = office.inbox.draft(handoff)
    assert (draft.question, draft.text) == (LOST, "Freeze it in the app [1].")
    assert len(draft.passages) == len(cited_numbers(draft.text))
    assert office.conversations.history(key) == before


def test_draft_without_an_answer_brings_the_nearest_passages(office: Office) -> None:
    unsure = office_of(office.database, office.clock, office.knowledge, office.retrieval, office.url, NEVER_ANSWER)
    _, handoff = unsure.ask()
    draft = unsure.inbox.draft(handoff)
    assert draft.text == ""
    assert any("Freeze the card" in passage.text for passage in draft.passages)


def test_draft_before_any_question_says_so(office: Office) -> None:
    key = office.conversations.start(NOW)
    handoff = office.conversations.add_handoff(key, "mei@example.com", "please call", NOW)
    with pytest.raises(Conflict, match="not asked a question"):
        office.inbox.draft(handoff)


def test_correction_and_agents_reply_are_the_best_answers_to_learn_from(office: Office) -> None:
    handoff, message = office.answered()
    office.inbox.correct(handoff, message, "Freeze it, then order one.", "ada")
    kept = office.inbox.correct(handoff, message, "Freeze it in the app, then order a new one [1].", "bo")
    assert (kept.question, kept.by, kept.passages) == (LOST, "bo", PASSAGES[:1])
    _, other = office.ask("How do I repay my mortgage before its end, and what is the charge?")
    office.inbox.reply(other, "You may repay a tenth of the balance each year without any charge.", "ada")
    rows = Selection().of(stored_conversations(office.url))
    assert {(row.rank, row.reply) for row in rows} == {
        (Rank.CORRECTED, kept.answer),
        (Rank.AGENT, "You may repay a tenth of the balance each year without any charge."),
    }
    assert [entry for entry in office.trail() if entry[1] == "correct"] == [
        ("ada", "correct", "message"),
        ("bo", "correct", "message"),
    ]


def test_correction_of_a_reply_of_another_conversation_is_refused(office: Office) -> None:
    _, message = office.answered()
    _, other = office.ask()
    with pytest.raises(NotFound, match="no such reply"):
        office.inbox.correct(other, message, "Something else.", "ada")


def test_curated_answer_is_a_row_that_the_knowledge_folder_serves(office: Office) -> None:
    handoff, message = office.answered()
    office.inbox.make_curated(handoff, message, "Where is my  lost card?", 'Freeze it, "now" [1].', "ada")
    passages, errors = read_folder(office.knowledge)
    assert errors == {}
    [made] = [p for p in passages if p.source == "curated.csv#0"]
    assert (made.question, made.text) == ("Where is my lost card?", 'Freeze it, "now".')
    office.inbox.make_curated(handoff, message, "where is my lost card?", "Call us.", "bo")
    with (office.knowledge / "curated.csv").open(encoding="utf-8") as stream:
        assert list(csv.DictReader(stream)) == [{"question": "where is my lost card?", "answer": "Call us."}]
    [last, _] = Audit(office.database).entries("message", message)
    assert (last.actor, last.action, last.details["file"]) == ("bo", "make curated", "curated.csv")


def test_curated_answer_with_personal_data_is_refused(office: Office) -> None:
    handoff, message = office.answered()
    with pytest.raises(InvalidInput, match="personal data"):
        office.inbox.make_curated(handoff, message, LOST, "Write to mei.lin@example.com.", "ada")
    assert not (office.knowledge / "curated.csv").exists()
    office.inbox.make_curated(handoff, message, LOST, "Call 0800 550 0199.", "ada")  # which the bank publishes


def test_curated_answer_to_a_question_of_another_document_is_refused(office: Office) -> None:
    handoff, message = office.answered()
    with pytest.raises(Conflict, match=r"en/cards\.csv"):
        office.inbox.make_curated(handoff, message, "how do I change my pin?", "At a machine.", "ada")


def test_curated_answer_that_cannot_be_written_is_not_recorded(office: Office) -> None:
    handoff, message = office.answered()
    (office.knowledge / "curated.csv").write_text("something,else\n", "utf-8")
    with pytest.raises(KnowledgeError, match="Mend it first"):
        office.inbox.make_curated(handoff, message, LOST, "Freeze it.", "ada")
    assert office.trail() == []
    assert (office.knowledge / "curated.csv").read_text("utf-8") == "something,else\n"


def test_curated_file_keeps_its_other_columns_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "curated.csv"
    path.write_text("Question;Answer;product\nA?;one;Loans\n", "utf-8")
    CuratedAnswers(tmp_path).put("B?", "two; three")
    assert path.read_text("utf-8") == 'Question;Answer;product\nA?;one;Loans\nB?;"two; three";\n'
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["curated.csv"]


def desk_of(office: Office) -> AgentDesk:
    return AgentDesk(office.inbox, Views("Asia/Shanghai"), lambda request: request)


def test_page_shows_conversation_passages_and_contact_escaped(office: Office) -> None:
    key = office.conversations.start(NOW)
    office.conversations.append(key, Message(Role.CUSTOMER, "<img src=x>"), NOW)
    office.conversations.append(
        key, Message(Role.ASSISTANT, "Freeze it [1]."), NOW, Outcome.GENERATED, PASSAGES[:1]
    )
    handoff = office.conversations.add_handoff(key, "<b>mei</b>", "after <i>six</i>", NOW)
    listing, _, head, conversation, work, take, *_ = show(desk_of(office), "waiting", handoff, {}, "ada")
    assert "&lt;img src=x&gt;" in listing
    assert "&lt;b&gt;mei&lt;/b&gt;" in head
    assert "after &lt;i&gt;six" in head
    assert "en/cards.csv#0" in conversation
    assert "17:30 CST" in conversation
    assert "<img" not in conversation + listing
    assert work["visible"]
    assert take["visible"]


def test_refresh_sends_only_what_has_changed(office: Office) -> None:
    key, handoff = office.ask()
    desk = desk_of(office)
    _, seen, *_ = show(desk, "waiting", handoff, {}, "ada")
    listing, again, head, conversation, *controls = show(desk, "waiting", handoff, seen, "ada")
    assert again == seen
    assert not any(isinstance(part, str) for part in (listing, head, conversation))
    assert not any("visible" in control for control in controls)
    office.conversations.append(key, Message(Role.CUSTOMER, "Is anybody there?"), NOW)
    _, _, head, conversation, *_ = show(desk, "waiting", handoff, seen, "ada")
    assert not isinstance(head, str)
    assert "Is anybody there?" in conversation


def test_empty_views_say_what_to_do(office: Office) -> None:
    desk = desk_of(office)
    assert "Nobody is waiting" in render_list(desk, "waiting", "ada", None)
    office.ask("Someone took money from my account!", Need.FRAUD)
    assert "urgent" in render_list(desk, "waiting", "ada", None)
    assert "Take a request from Waiting" in render_list(desk, "mine", "ada", None)
    assert "Choose one from the list" in show(desk, "waiting", None, {}, "ada")[2]
    assert "is gone" in show(desk, "waiting", 77, {}, "ada")[2]


@pytest.mark.parametrize(
    ("wait", "words"),
    [(timedelta(seconds=-5), "0 min"), (timedelta(minutes=59), "59 min"), (timedelta(hours=30), "30 h"),
     (timedelta(days=1200), "1,200 days")],
)  # fmt: skip
def test_waited_is_told_in_its_largest_unit(wait: timedelta, words: str) -> None:
    assert waited(wait) == words
