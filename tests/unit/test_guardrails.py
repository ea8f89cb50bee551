"""What goes in and out of a conversation, checked word by word."""

import time

import pytest

from app.domain.guardrails import (
    agrees,
    asks_for_person,
    cited_numbers,
    language_of,
    numbers_in,
    renumber_citations,
    shows_language,
    unsupported_numbers,
)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I open an account?", "en"),
        ("怎样开户？", "zh"),
        ("SWIFT 转账要多少钱", "zh"),
        ("IBAN 是啥", "zh"),
        ("ATM 限额", "zh"),
        ("Apple Pay 怎么用", "zh"),
        ("What does 转账 mean?", "en"),
        ("What is the name 王小明 on my card for", "en"),
        ("", "en"),
        ("12345", "en"),
    ],
)
def test_language_of_mixed_text_follows_the_weight_of_each(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "enough"), [("ATM?", False), ("ok", False), ("500", False), ("卡", True), ("my card", True)]
)
def test_shows_language_is_false_for_what_both_languages_write(text: str, enough: bool) -> None:
    assert shows_language(text) is enough


@pytest.mark.parametrize(
    "text",
    [
        "Can I speak to a person?",
        "I'd like to talk to someone about my mortgage",
        "please connect me to an advisor",
        "transfer me to a human",
        "Put me through to a real person",
        "Is there someone I can talk to?",
        "I want a human",
        "agent please",
        "put me through to your mortgage team",
        "Can a manager call me back?",
        "HUMAN!!",
        "转人工",
        "人工",
        "人工人工！",
        "想跟人聊聊",
        "请给我回个电话",
        "我要人工服务",
        "帮我接人工客服",
        "找个真人",
        "我想跟真人说话",
        "不能解决就换人工吧",
        "请帮我转到工作人员",
    ],
)
def test_asks_for_person_is_true_for_a_request(text: str) -> None:
    assert asks_for_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "can a person under 18 open an account",
        "how do I add a person to my account",
        "How do I transfer money to another person?",
        "can I put a second person on my mortgage",
        "Can somebody else use my card?",
        "which advisers sell your insurance",
        "do estate agents need a business account",
        "找不到卡了",
        "客服电话是多少",
        "人工客服电话是多少",
        "人工服务时间是几点到几点",
        "我要人工智能投顾",
        "开户需要真人认证吗",
        "怎么转账给别人",
        "和人民币有关的费用",
        "someone called me from your team",
        "who can ring me about a fraud",
        "转人民币要多久",
    ],
)
def test_asks_for_person_is_false_where_a_person_is_only_mentioned(text: str) -> None:
    assert not asks_for_person(text)


@pytest.mark.parametrize("text", ["Yes", "yes please!", "OK, thanks", "好的", "需要", "好的，谢谢", "要的"])
def test_agrees_to_a_plain_yes(text: str) -> None:
    assert agrees(text)


@pytest.mark.parametrize(
    "text", ["thanks", "no", "ok, how do I open an account?", "好贵", "不需要", "要多少钱", ""]
)
def test_agrees_to_nothing_else(text: str) -> None:
    assert not agrees(text)


def test_checks_take_no_time_over_a_hostile_text() -> None:
    started = time.perf_counter()
    for text in ("1 " * 10_000, "a" * 20_000, "4111 " * 4_000, "speak to " * 2_000, "要" * 20_000, "yes " * 5_000):
        asks_for_person(text), agrees(text), numbers_in(text)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("£25,000 or 25000", {"25000"}),
        ("1,234,567.50", {"1234567.5"}),
        ("3.80% and 3.8 %", {"3.8"}),
        ("２５，０００ 英镑", {"25000"}),
        ("0.50, .5 and 0", {"0.5", "5", "0"}),
        ("15:30, 09:00 and 9:00", {"15:30", "9:00"}),
        ("see [1] and [12]", set()),
        ("2.5万 = 25 thousand = 25k", {"25000"}),
        ("1亿元", {"100000000"}),
        ("5 kg", {"5"}),
        ("一千英镑", {"1000"}),
        ("三千五百元", {"3500"}),
        ("一百零五天", {"105"}),
        ("二十万", {"200000"}),
        ("百分之五", {"5"}),
        ("百分之三点七五", {"3.75"}),
        ("十五天内", {"15"}),
        ("三至五个工作日", {"5"}),
        ("两天", {"2"}),
        ("一个工作日", {"1"}),
        ("下一个工作日到账", set()),
        ("请拨打 0800 550 0199，24 小时", {"800", "550", "199", "24"}),
        ("5，000 英镑", {"5", "0"}),
        ("1,2 and 3", {"1", "2", "3"}),
        ("five working days", {"5"}),
        ("twenty-five days", {"25"}),
        ("Two per cent", {"2"}),
        ("one month", {"1"}),
        ("from 6 April, or May 7", {"4", "5", "6", "7"}),
        ("you may pay 5 times", {"5"}),
    ],
)
def test_numbers_in_gives_one_form(text: str, figures: set[str]) -> None:
    assert numbers_in(text) == figures


@pytest.mark.parametrize(
    "text",
    [
        "一般情况下",
        "请一定小心",
        "十分感谢",
        "万一丢失",
        "千万不要",
        "二维码",
        "第三方",
        "one of the two",
        "someone",
    ],
)
def test_numbers_in_leaves_words_that_count_nothing(text: str) -> None:
    assert numbers_in(text) == set()


def test_unsupported_numbers_are_those_no_source_states() -> None:
    sources = ["It takes 3 working days and costs £25,000.", "three months"]
    assert unsupported_numbers("三个工作日，2.5万英镑 [7]。", sources) == set()
    assert unsupported_numbers("It takes five working days.", sources) == {"5"}
    assert unsupported_numbers("It costs £2,500.", sources) == {"2500"}


def test_renumber_citations_keeps_the_order_of_first_appearance() -> None:
    reply = "One [3]. Two [1]. Three [3][9]. Four [7]."
    kept = [number for number in cited_numbers(reply) if number < 5]
    assert kept == [3, 1]
    assert renumber_citations(reply, kept) == "One [1]. Two [2]. Three [1]. Four."
