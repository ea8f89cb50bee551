"""Conversations over a real index: with chosen texts for the guard, with a tiny model for the plumbing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from app.domain.conversations import Message, Outcome, Reply, Role
from app.domain.errors import InvalidInput, NotFound
from app.domain.guardrails import numbers_in
from app.integrations.documents import read_folder
from app.ml.responder import Responder
from app.services.chat import Chat, Finished
from app.services.decisions import Thresholds
from app.services.fixed_replies import unknown_reply
from app.services.indexing import build_index
from app.services.retrieval import Retrieval
from app.storage.conversations import Conversations
from app.storage.database import open_database
from tests.fakes import ManualClock, ScriptedResponder
from tests.knowledge import CountingEmbedder, write_knowledge

SHIPPED = Thresholds(template=0.945, answer=0.87, clarify_margin=0.002)
ALWAYS_COMPOSE = Thresholds(template=1.01, answer=0.0, clarify_margin=0.0, whole=2.0)
LOST = "I have lost my card. What should I do?"
MISSING = "What happens when my card is missing?"


@dataclass
class Heard:
    """What one question brought: the pieces as they came, and the end."""

    pieces: list[str]
    finished: Finished

    @property
    def reply(self) -> Reply:
        return self.finished.reply

    @property
    def shown(self) -> str:
        return "".join(self.pieces)


@pytest.fixture(scope="module")
def retrieval(tmp_path_factory: pytest.TempPathFactory) -> Retrieval:
    folder, embedder = tmp_path_factory.mktemp("chat"), CountingEmbedder()
    index, _ = build_index(
        write_knowledge(folder / "knowledge"), folder / "index", embedder, read_folder, lambda _what, _done: None
    )
    return Retrieval(index, embedder)


@pytest.fixture
def conversations(tmp_path: Path) -> Iterator[Conversations]:
    database = open_database(f"sqlite:///{tmp_path / 'chat.db'}")
    yield Conversations(database)
    database.close()


@pytest.fixture
def responder() -> ScriptedResponder:
    return ScriptedResponder("Freeze it in the app [1].")


@pytest.fixture
def open_chat(retrieval: Retrieval, conversations: Conversations, responder: ScriptedResponder):
    clock = ManualClock(datetime(2025, 11, 24, 9, 0, tzinfo=UTC))

    def open_chat(thresholds: Thresholds = ALWAYS_COMPOSE, writer: object = responder) -> Chat:
        return Chat(conversations, retrieval, writer, thresholds, clock, top_k=3, max_question_chars=200)

    return open_chat


def ask(chat: Chat, conversation_id: str, question: str) -> Heard:
    *deltas, finished = chat.stream(conversation_id, question)
    assert isinstance(finished, Finished)
    return Heard([delta.text for delta in deltas], finished)


def ask_anew(chat: Chat, question: str) -> Heard:
    return ask(chat, chat.start(), question)


def test_stream_gives_the_approved_answer_in_the_customers_language(open_chat, responder) -> None:
    chat = open_chat(SHIPPED)
    heard = ask_anew(chat, LOST)
    assert heard.reply.outcome is Outcome.TEMPLATE
    assert heard.reply.text == heard.shown == f"{heard.reply.citations[0].text} [1]"
    assert heard.reply.citations[0].source == "en/cards.csv#0"
    chinese = ask_anew(chat, "我的卡丢了，怎么办？")
    assert (chinese.reply.outcome, chinese.reply.language) == (Outcome.TEMPLATE, "zh")
    assert chinese.reply.citations[0].source == "zh/cards.csv#0"
    assert responder.asked == []


@pytest.mark.parametrize(
    ("question", "language"), [("Will it rain in Oslo on Saturday?", "en"), ("明天下雨吗", "zh")]
)
def test_stream_admits_what_it_does_not_know(open_chat, responder, question: str, language: str) -> None:
    heard = ask_anew(open_chat(SHIPPED), question)
    assert heard.reply == Reply(unknown_reply(language), Outcome.HANDOFF, (), language)
    assert heard.shown == heard.reply.text
    assert responder.asked == []


def test_stream_offers_a_person_when_asked_for_one_or_when_the_offer_is_taken(open_chat) -> None:
    chat = open_chat(SHIPPED)
    asked = ask_anew(chat, "Can I talk to a person?").reply
    conversation_id = chat.start()
    ask(chat, conversation_id, "明天下雨吗")
    taken = ask(chat, conversation_id, "好的").reply
    assert asked.outcome is taken.outcome is Outcome.HANDOFF
    assert asked.text.startswith("Of course.")
    assert taken.text.startswith("好的。")


def test_stream_asks_which_when_two_entries_are_as_near(open_chat) -> None:
    chat = open_chat(Thresholds(template=1.01, answer=0.0, clarify_margin=0.5))
    conversation_id = chat.start()
    heard = ask(chat, conversation_id, "my card")
    assert heard.reply.outcome is Outcome.CLARIFY
    assert len(heard.reply.options) == 2
    assert LOST in heard.reply.options
    picked = ask(chat, conversation_id, LOST).reply
    assert picked.outcome is Outcome.TEMPLATE  # a reading that was offered is no follow-up


@pytest.mark.parametrize("size", [1, 4, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "Call 0800 550 0199, it takes 3 working days [1].",
        "It takes three working days and is free [1]. Call 0800 550 0199.",
        "补卡免费，3 个工作日寄到 [1]。",
        "It is free",
    ],
)
def test_stream_shows_in_pieces_what_it_stores(open_chat, responder, text: str, size: int) -> None:
    responder.text, responder.size = text, size
    heard = ask_anew(open_chat(), "补卡要多久？" if "卡" in text else MISSING)
    assert heard.shown == heard.reply.text == (text if "[1]" in text else f"{text} [1]")
    assert heard.reply.outcome is Outcome.GENERATED


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "A new card costs £25,000 [1].",
        "A new card takes 30 working days [1].",
        "It takes 3 working days, and costs £4.75",
        "It takes five working days [1].",
        "补卡费用为百分之五 [1]。",
        "五个工作日寄到。",
        "7",
        "Write to Umbra Holdings [1].",
        "Pay at https://elsewhere.example/card [1].",
        "We lend kayaks to penguins on Mondays [1].",
    ],
)
def test_stream_never_shows_what_the_sources_do_not_hold(open_chat, responder, text: str, size: int) -> None:
    responder.text, responder.size = text, size
    heard = ask_anew(open_chat(), MISSING)
    passages = responder.asked[0][1]
    known = set().union(*(numbers_in(f"{p.question} {p.title} {p.text}") for p in passages))
    for end in range(len(heard.pieces) + 1):
        assert numbers_in("".join(heard.pieces[:end])) <= known
    assert heard.reply.text == f"{passages[0].text} [1]"
    assert heard.reply.citations == passages[:1]


def test_stream_takes_no_figure_from_the_customer(open_chat, responder) -> None:
    responder.text = "Yes, a lost card costs £777 [1]."
    heard = ask_anew(open_chat(), "A lost card costs £777, right?")
    assert "777" not in heard.shown + heard.reply.text


def test_stream_numbers_citations_by_first_appearance(open_chat, responder) -> None:
    responder.text, responder.size = "Use any machine [3], freeze the card [1][9]. Choose PIN services [3].", 2
    heard = ask_anew(open_chat(), MISSING)
    passages = responder.asked[0][1]
    assert heard.reply.text == heard.shown == "Use any machine [1], freeze the card [2]. Choose PIN services [1]."
    assert heard.reply.citations == (passages[2], passages[0])


@pytest.mark.parametrize("text", ["", "  "])
def test_stream_falls_back_when_nothing_is_written(open_chat, responder, text: str) -> None:
    responder.text = text
    heard = ask_anew(open_chat(), MISSING)
    assert heard.pieces == []
    assert heard.reply.text == f"{responder.asked[0][1][0].text} [1]"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_stream_hands_off_when_the_responder_knows_nothing(open_chat, responder, language: str) -> None:
    responder.text = unknown_reply(language)
    assert ask_anew(open_chat(), MISSING).reply == Reply(unknown_reply("en"), Outcome.HANDOFF, (), "en")


def test_stream_stores_the_conversation(open_chat, conversations) -> None:
    chat = open_chat()
    conversation_id = chat.start()
    heard = ask(chat, conversation_id, f"  {MISSING}\n")
    question, reply = chat.history(conversation_id)
    assert (question.role, question.content) == (Role.CUSTOMER, MISSING)
    assert (reply.id, reply.content, reply.outcome) == (heard.finished.message_id, heard.reply.text, "generated")
    assert reply.citations == heard.reply.citations
    assert 0 < heard.finished.seconds_to_first_token <= heard.finished.seconds
    chat.feedback(reply.id, 1)
    assert chat.history(conversation_id)[1].feedback == 1
    chat.request_person(conversation_id, "ann@example.com", "after five")
    assert conversations.handoffs()[0].contact == "ann@example.com"
    chat.clear(conversation_id)
    assert chat.history(conversation_id) == []


def test_stream_refuses_an_unknown_conversation(open_chat) -> None:
    with pytest.raises(NotFound):
        ask(open_chat(), "no-such-id", MISSING)


@pytest.mark.parametrize("question", ["", " \n\t ", "long " * 50])
def test_stream_refuses_nothing_and_too_much(open_chat, question: str) -> None:
    chat = open_chat()
    conversation_id = chat.start()
    with pytest.raises(InvalidInput):
        ask(chat, conversation_id, question)
    assert chat.history(conversation_id) == []


def test_stream_keeps_card_numbers_out_of_the_database_and_the_model(open_chat, responder, tmp_path: Path) -> None:
    chat = open_chat()
    conversation_id = chat.start()
    ask(chat, conversation_id, "My card 4111 1111 1111 1111 12/27 is lost, mail me at ann@example.com")
    assert chat.history(conversation_id)[0].content == "My card [card number] 12/27 is lost, mail me at [e-mail]"
    assert "4111" not in responder.asked[0][0]
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("chat.db*"))
    assert b"4111 1111" not in stored
    assert b"ann@example.com" not in stored


def test_stream_answers_a_follow_up_with_what_was_said_before(open_chat, responder) -> None:
    chat = open_chat()
    conversation_id = chat.start()
    responder.text = "Yes [1]."
    ask(chat, conversation_id, "May I repay a mortgage early?")
    ask(chat, conversation_id, "And what does more than that cost?")
    question, passages, history = responder.asked[1]
    assert question == "And what does more than that cost?"
    assert passages[0].source == "en/mortgages.csv#0"
    assert history == (
        Message(Role.CUSTOMER, "May I repay a mortgage early?"),
        Message(Role.ASSISTANT, "Yes [1]."),
    )


def test_stream_keeps_the_language_of_a_conversation(open_chat, responder) -> None:
    chat = open_chat()
    conversation_id = chat.start()
    assert ask(chat, conversation_id, "怎么改密码呢？").reply.language == "zh"
    assert ask(chat, conversation_id, "ATM?").reply.language == "zh"
    assert ask(chat, conversation_id, "Can I use a cash machine?").reply.language == "en"


def test_stream_keeps_two_visitors_apart(open_chat, responder) -> None:
    chat = open_chat()
    responder.text, responder.size = "You asked: {question} [1]", 1
    first, second = chat.start(), chat.start()
    pairs = [
        (chat.stream(first, "Where can my card be?"), chat.stream(second, "怎么改密码呢？")),
        (chat.stream(first, "And my PIN?"), chat.stream(second, "还有别的办法吗？")),
    ]
    for one, other in pairs:  # turn by turn on one thread: the worst interleaving there is
        streams = [one, other]
        while streams:
            streams = [stream for stream in streams if next(stream, None) is not None]
    contents = [[m.content for m in chat.history(i)] for i in (first, second)]
    assert contents[0] == [
        "Where can my card be?", "You asked: Where can my card be? [1]", "And my PIN?",
        "You asked: And my PIN? [1]",
    ]  # fmt: skip
    assert contents[1][1] == "You asked: 怎么改密码呢？ [1]"
    assert [m.content for m in responder.asked[2][2]] == contents[0][:2]
    assert [m.content for m in responder.asked[3][2]] == contents[1][:2]


def test_stream_with_a_real_model_serves_visitors_at_once(open_chat, tiny_backbone) -> None:
    chat = open_chat(writer=Responder(tiny_backbone, None, max_new_tokens=12))
    questions = [MISSING, "怎么改密码呢？", "How early may I repay?", "保险箱怎么租？"]
    alone = {question: ask_anew(chat, question) for question in questions}
    together: dict[str, Heard] = {}

    def visit(question: str) -> None:
        together[question] = ask_anew(chat, question)

    threads = [Thread(target=visit, args=[question]) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for question in questions:
        assert together[question].reply == alone[question].reply
        assert together[question].pieces == alone[question].pieces
        assert together[question].reply.citations


def test_examples_are_curated_questions_of_one_language(open_chat) -> None:
    chat = open_chat()
    assert chat.examples("en") == [LOST, "Can I repay my mortgage early?"]
    assert chat.examples("zh", count=1) == ["我的卡丢了，怎么办？"]
