"""The best answer of each question of a past conversation."""

import json

from app.domain.conversations import Outcome, Passage, Role
from app.domain.redaction import published_in
from app.ml.dialogues import PastConversation, Rank, Selection, Speaker, Turn

FEES = Passage("fees.csv#0", "A card abroad costs 2.75 %.")
ASKED = "What does a card abroad cost?"


def customer(text: str = ASKED) -> Turn:
    return Turn(Speaker.CUSTOMER, text)


def agent(text: str, **more: object) -> Turn:
    return Turn(Speaker.AGENT, text, **more)


def bot(text: str, **more: object) -> Turn:
    return Turn(Speaker.BOT, text, **more)


def talk(*turns: Turn, key: str = "1", **more: object) -> PastConversation:
    return PastConversation(key, turns, **more)


def best(*turns: Turn, **more: object) -> tuple[str, Rank] | str:
    """(reply, rank) of the only exchange, or the only reason why there is none."""
    selection = Selection()
    found = selection.of([talk(*turns, **more)])
    if found:
        return found[0].reply, found[0].rank
    (reason,) = selection.excluded
    return reason


CITED = bot("It costs 2.75 %. [1]", citations=(FEES,))


def test_a_correction_comes_before_every_other_answer() -> None:
    corrected = bot("It costs 3 %.", correction="It costs 2.75 %.", feedback=-1)
    liked = bot("It costs 2 %.", feedback=1)
    assert best(customer(), corrected, liked, agent("About 3 %.")) == ("It costs 2.75 %.", Rank.CORRECTED)


def test_an_agent_comes_before_a_reply_that_was_liked() -> None:
    assert best(customer(), bot("It costs 3 %.", feedback=1), agent("It costs 2.75 %.")) == (
        "It costs 2.75 %.",
        Rank.AGENT,
    )


def test_a_liked_reply_comes_before_a_cited_one() -> None:
    assert best(customer(), CITED, bot("It is 2.75 %.", feedback=1)) == ("It is 2.75 %.", Rank.UPVOTED)


def test_a_cited_reply_without_a_thumb_is_an_answer() -> None:
    assert best(customer(), CITED) == ("It costs 2.75 %. [1]", Rank.CITED)


def test_replies_that_nobody_vouches_for_are_left_out() -> None:
    assert best(customer(), bot("It costs 2.75 %.")) == "neither_voted_nor_cited"
    assert best(customer(), bot("It costs 3 %. [1]", citations=(FEES,), feedback=-1)) == "down_voted"
    assert best(customer(), bot("A person will help.", outcome=Outcome.HANDOFF)) == "fallback"
    assert best(customer(), bot("Which?", outcome=Outcome.CLARIFY, citations=(FEES,))) == "clarification"
    assert best(customer(), CITED, handed_off=True) == "handed_off"
    assert best(customer()) == "no_reply"
    assert best(customer(), agent("One moment please")) == "filler"


def test_an_answer_that_needs_the_agents_systems_gives_way_to_the_next_best() -> None:
    assert best(customer(), CITED, agent("I have refunded it.")) == ("It costs 2.75 %. [1]", Rank.CITED)
    assert best(customer(), agent("I have refunded it.")) == "needs_agents_systems"


def test_an_agents_messages_in_a_row_are_one_answer_without_filler() -> None:
    turns = (agent("Hello, Ann!"), agent("One moment please."), agent("It costs 2.75 %."), agent("Cash is free."))
    assert best(customer(), *turns) == ("It costs 2.75 %. Cash is free.", Rank.AGENT)


def test_a_customers_messages_in_a_row_are_one_question() -> None:
    (found,) = Selection().of([talk(customer("Hi"), customer("What about a card abroad?"), agent("It costs 3 %."))])
    assert found.question == "Hi What about a card abroad?"


def test_an_agent_answers_the_question_that_was_handed_over() -> None:
    fallback = bot("I'm sorry, I could not find an answer.", outcome=Outcome.HANDOFF)
    selection = Selection()
    (found,) = selection.of([talk(customer(), fallback, customer("yes please"), agent("It costs 2.75 %."))])
    assert (found.question, found.reply) == (ASKED, "It costs 2.75 %.")
    assert selection.questions == 1


def test_history_is_kept_in_order_and_redacted() -> None:
    turns = [customer("My name is Ann Miller."), agent("Hello Ann, how can I help?"), customer(), agent("3 %.")]
    (found,) = Selection().of([talk(*turns)])
    assert [(m.role, m.content) for m in found.history] == [
        (Role.CUSTOMER, "My name is [name]."),
        (Role.ASSISTANT, "Hello [name], how can I help?"),
    ]


def test_no_personal_data_is_left_in_any_field() -> None:
    question = (
        "My name is Ann Miller, mail ann@example.com, card 4111 1111 1111 1111: what does a card abroad cost?"
    )
    (found,) = Selection().of([talk(customer(question), agent("Hi Ann, it costs 2.75 %."), key="ann@example.com")])
    text = json.dumps([found.conversation, found.question, found.reply, *(m.content for m in found.history)])
    assert not any(secret in text for secret in ("Ann", "Miller", "example.com", "4111"))
    assert found.reply == "It costs 2.75 %."


def test_a_name_inside_another_word_stays() -> None:
    (found,) = Selection().of(
        [talk(customer("My name is Ann. What is the Annual fee?"), agent("The Annual fee is £3."))]
    )
    assert found.reply == "The Annual fee is £3."


def test_an_answer_to_one_customer_alone_is_left_out_but_published_numbers_stay() -> None:
    reply = agent("Call +44 20 5550 0142 for that.")
    assert best(customer(), reply) == "personal_reply"
    (found,) = Selection(published_in([reply.text])).of([talk(customer(), reply)])
    assert found.reply == reply.text


def test_of_questions_alike_the_better_and_then_the_later_answer_stays() -> None:
    selection = Selection()
    found = selection.of(
        [
            talk(customer(), agent("It costs 3 %."), key="old", began=1.0),
            talk(customer("what does a card abroad cost"), agent("It costs 2.75 %."), key="new", began=2.0),
            talk(customer(), bot("It costs 9 %.", feedback=1), key="newest", began=3.0),
            talk(customer(), agent("2.75 % is what it costs."), key="same", began=1.5),
        ]
    )
    assert [e.reply for e in found] == ["It costs 2.75 %."]
    assert selection.excluded == {"older_or_lesser_answer": 2, "near_duplicate": 1}


def test_the_same_follow_up_behind_other_questions_is_no_copy() -> None:
    talks = []
    for n, what in enumerate(("a debit card abroad", "sending money to a friend")):
        first, second = agent(f"It costs {n} %."), agent(f"{n + 5} %.")
        talks.append(talk(customer(f"What does {what} cost?"), first, customer("And in Japan?"), second, key=what))
    assert len(Selection().of(talks)) == 4


def test_without_frozen_leaves_out_questions_that_measure() -> None:
    selection = Selection()
    found = selection.of([talk(customer(), agent("It costs 2.75 %."))])
    assert selection.without_frozen(found, ["what does a card abroad cost"]) == []
    assert selection.excluded["in_evaluation"] == 1
    assert selection.without_frozen(found, ["How do I open an account?"]) == found
