"""Which answers of the past teach something."""

import pytest

from app.ml.dialogue_rules import bare_answer, is_fallback, is_filler, is_small_talk, why_not
from app.services.fixed_replies import unknown_reply

COURTESY = (
    "Hi|Hello there!|thanks so much|OK, thank you for your help.|Bye, have a nice day!|are you a bot?|👍||你好|"
    "好的，谢谢您！|在吗？|嗯嗯"
)
QUESTION = {"en": "What does a card abroad cost?", "zh": "在国外用卡要多少钱？"}


@pytest.mark.parametrize(
    "text",
    COURTESY.split("|"),
)
def test_is_small_talk_is_true_for_courtesy(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    [
        "hi, what is the fee?",
        "thanks, and abroad?",
        "你好，怎么开户",
        "好的卡在哪里",
        "no card",
        "hiking insurance",
    ],
)
def test_is_small_talk_is_false_for_a_question_behind_it(text: str) -> None:
    assert not is_small_talk(text)


def test_is_small_talk_comes_to_an_end_with_a_hostile_text() -> None:
    assert not any(is_small_talk(piece * 90 + "卡") for piece in ("嗯", "好的", "thanks ", "so ", "~ "))


@pytest.mark.parametrize(
    "text",
    ["One moment please.", "Let me check that for you", "请您稍等", "Hello, Ann!", "好的，请稍等，正在为您查询"],
)
def test_is_filler_is_true_for_what_only_fills_the_time(text: str) -> None:
    assert is_filler(text)


@pytest.mark.parametrize("text", ["A transfer takes a day.", "转账需要一天。"])
def test_is_filler_is_false_for_an_answer(text: str) -> None:
    assert not is_filler(text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_is_fallback_knows_the_applications_own(language: str) -> None:
    assert is_fallback(unknown_reply(language))


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Hi Ann, it costs £5. Is there anything else I can help you with?", "It costs £5."),
        ("Dear Mr [name], the fee is £5. Kind regards, Bob", "The fee is £5."),
        ("Thanks for contacting us. It is free.", "It is free."),
        ("Thanks for asking, it is £5.", "It is £5."),
        ("Hello! Good morning, it is free. Have a great day!", "It is free."),
        ("Hello transfers are free.", "Hello transfers are free."),
        ("尊敬的[name]女士，您好！补卡免费。请问还有什么可以帮您？", "补卡免费。"),
        ("您好，感谢您的咨询，补卡免费。祝您生活愉快！", "补卡免费。"),
    ],
)
def test_bare_answer_drops_salutation_and_farewell(text: str, bare: str) -> None:
    assert bare_answer(text) == bare


NEEDS_SYSTEMS = [
    "I have refunded it.",
    "I've just cancelled the card for you.",
    "We have reversed the charge.",
    "I can see that the payment went out on Monday.",
    "Looking at your account, nothing is due.",
    "Your balance is £20.",
    "Your card has been cancelled.",
    "I'll get a colleague to look at it.",
    "Someone will call you tomorrow.",
    "已为您冻结银行卡。",
    "我帮您查了，款项已到。",
    "您的余额是 20 英镑。",
    "系统显示款项已退回。",
    "您的申请已经通过。",
    "稍后会有专员联系。",
]
ANSWERS = [
    "We charge 2.75 % on purchases abroad.",
    "You can cancel the card in the app.",
    "We have changed our fees: it costs £5 from March.",
    "We will refund you within one working day if you did not approve the payment.",
    "I'm afraid we cannot open accounts for anyone under 18.",
    "Please provide a passport and a proof of address at the branch.",
    "It depends on which account you have: the basic one is free.",
    "Yes. May I suggest the app? It takes two minutes.",
    "境外消费收取 2.75 %。",
    "开户请携带护照和住址证明。",
    "很抱歉，未满 18 岁不能开户。",
]


@pytest.mark.parametrize("reply", NEEDS_SYSTEMS)
def test_why_not_leaves_out_what_only_an_agents_systems_know(reply: str) -> None:
    assert why_not(QUESTION["en" if reply.isascii() or "£" in reply else "zh"], reply) == "needs_agents_systems"


@pytest.mark.parametrize("reply", ANSWERS)
def test_why_not_keeps_an_answer_that_holds_for_everyone(reply: str) -> None:
    assert why_not(QUESTION["zh" if "。" in reply else "en"], reply) == ""


@pytest.mark.parametrize(
    ("question", "reply", "reason"),
    [
        ("thanks!", "It is free.", "small_talk"),
        ("What is the fee?", "Hello!", "small_talk"),
        ("4711?", "It is free.", "no_question"),
        ("[card number]", "It is free.", "no_question"),
        ("What is the fee?", "I'm sorry, I don't understand.", "fallback"),
        ("What is the fee?", "Write to [e-mail].", "personal_reply"),
        ("What is the fee?", "Could you confirm your date of birth?", "asks_back"),
        ("What is the fee?", "Abroad?", "asks_back"),
        ("What is the fee?", "Bear with me.", "filler"),
        ("What is the fee?", "It is free. " * 200, "too_long"),
        ("What is the fee?", "补卡免费，三天寄到。", "other_language"),
        ("Visa 卡费用多少", "每年 20 英镑。", ""),
    ],
)
def test_why_not_names_the_reason(question: str, reply: str, reason: str) -> None:
    assert why_not(question, reply.strip()) == reason
