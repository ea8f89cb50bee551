"""What is taken out of a customer's words, and what stays."""

from collections.abc import Iterator
from re._constants import MAXREPEAT
from re._parser import SubPattern, parse
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.personal_data import RULES, Rule
from app.domain.redaction import names_in, published_in, redact

PERSONAL = [
    # Payment cards: the check digit decides; what follows a number stays
    ("my card 4111 1111 1111 1111 is lost", "my card [card number] is lost"),
    ("4111111111111111", "[card number]"),
    ("4111-1111-1111-1111, 12/27", "[card number], 12/27"),
    ("4111 1111 1111 1111 12/27", "[card number] 12/27"),
    ("4111 1111 1111 1111 123", "[card number] 123"),
    ("amex 3782 822463 10005.", "amex [card number]."),
    ("卡号6222021234567890128丢了", "卡号[card number]丢了"),
    ("两张：4111111111111111和5555555555554444", "两张：[card number]和[card number]"),
    ("card4111111111111111", "card[card number]"),
    ("卡号４１１１１１１１１１１１１１１１", "卡号[card number]"),
    ("card number: 4111 1111 1111 1112", "card number: [card number]"),
    # Identity
    ("身份证11010519491231002X", "身份证[identity number]"),
    ("身份证 110105 19491231 002x 已过期", "身份证 [identity number] 已过期"),
    ("11010519491231002X", "[identity number]"),
    ("身份证号码是110105194912310021", "身份证号码是[identity number]"),
    ("NI is QQ 12 34 56 C", "NI is QQ 12 34 56 C"),  # Q is in no prefix that is given out
    ("my NI is AB 12 34 56 C ok", "my NI is [identity number] ok"),
    ("SSN 219-09-9999", "SSN [identity number]"),
    ("passport number: 533401372", "passport number: [identity number]"),
    ("护照号码E12345678过期了", "护照号码[identity number]过期了"),
    ("born on 12/03/1985", "born on [date of birth]"),
    ("my date of birth is 4 March 1985.", "my date of birth is [date of birth]."),
    ("出生日期：1990年1月2日", "出生日期：[date of birth]"),
    ("我1990年1月2日出生", "我[date of birth]出生"),
    # Accounts
    ("IBAN GB82 WEST 1234 5698 7654 32 THIS one", "IBAN [account number] THIS one"),
    ("pay DE89370400440532013000 please", "pay [account number] please"),
    ("sort code 20-00-00, account 12345678", "sort code [sort code], account [account number]"),
    ("20-00-00 12345678", "[sort code] [account number]"),
    ("my account number is 12345678", "my account number is [account number]"),
    ("账号：6217 0000 1234 5678 被冻结", "账号：[account number] 被冻结"),
    ("账户12345678里的钱", "账户[account number]里的钱"),
    ("order number 10023394 has not come", "order number [reference] has not come"),
    ("Ref: AB-1234567", "Ref: [reference]"),
    ("case #A7765-23", "case #[reference]"),
    ("订单号：20250101ABC88", "订单号：[reference]"),
    ("投诉编号是TS-20394", "投诉编号是[reference]"),
    # Secrets
    ("my PIN is 4821", "my PIN is [security code]"),
    ("password: hunter22!", "password: [security code]"),
    ("CVV 123", "CVV [security code]"),
    ("验证码是 882910", "验证码是 [security code]"),
    # Ways to reach somebody
    ("我的邮箱是li.lei@example.com请更新", "我的邮箱是[e-mail]请更新"),
    ("mail a+b@mail.example.co.uk.", "mail [e-mail]."),
    ("write to ann＠example.com", "write to [e-mail]"),
    ("+44 20 7946 0958", "[phone number]"),
    ("0044 20 7946 0958", "[phone number]"),
    ("+44 (0)7700 900123 is mine", "[phone number] is mine"),
    ("ring 07700 900123 after 5", "ring [phone number] after 5"),
    ("01632 960 001", "[phone number]"),
    ("(020) 7946 0958", "[phone number]"),
    ("电话 +86 138 1234 5678", "电话 [phone number]"),
    ("手机13812345678，谢谢", "手机[phone number]，谢谢"),
    ("打010-12345678找我", "打[phone number]找我"),
    ("call (212) 555-0147", "call [phone number]"),
    ("call me on 555 01 47", "call me on [phone number]"),
    ("I live at 12 Mill Lane, Leeds LS1 4AB now", "I live at [address] now"),
    ("my new address is Flat 3, 12 Rose Hill Road", "my new address is [address]"),
    ("send it to 7 Park Avenue, York YO1 7HH", "send it to [address]"),
    ("我住在杭州市西湖区文三路18号3单元502室，想换网点", "我住在[address]，想换网点"),
    ("收货地址是中山路8号", "收货地址是[address]"),
    # Names
    ("My name is Ann Miller. How much is it?", "My name is [name]. How much is it?"),
    ("my name's José García-López", "my name's [name]"),
    ("my name is john smith, my card is lost", "my name is [name], my card is lost"),
    ("This is Ann Miller speaking", "This is [name] speaking"),
    ("tell Mr. Hadley", "tell Mr. [name]"),
    ("我叫王小明，怎么开户", "我叫[name]，怎么开户"),
    ("我叫王明想开户", "我叫[name]想开户"),
    ("我叫欧阳修文。", "我叫[name]。"),
    ("我叫安娜·史密斯，", "我叫[name]，"),
    ("户名：李雷", "户名：[name]"),
    ("王先生您好", "[name]先生您好"),
]

HARMLESS = [
    "call 0800 550 0199",
    "+44 800 550 0199",
    "0800 550 0199 or 0345 678 9000",
    "is 95588 your number, or 400-820-8820?",
    "电话 95588",
    "I paid £25,000.00 and 1000000000000 won",
    "between 2025-11-24 and 2025-11-25",
    "2025-11-24 2025-11-25",
    "01-02-2025 10:30 and 25-12-24",
    "the statement of 12/03/2025",
    "4111 1111 1111 1112",
    "11010519491231002A",
    "GB82 WEST 1234 5698 7654 33",
    "@larkmoor on social media",
    "12345678901234567890123456",
    "a fee of 1.5 % on £2,000 within 30 days",
    "account 100000 pounds, order of 10000 pounds",
    "on account 2025-11-24",
    "转账 13800000000 元",
    "账户余额 100000 元",
    "月费 20 元，年利率 3.85%，2025年3月1日起",
    "what is my PIN",
    "my PIN is blocked",
    "my PIN is 4-digits long",
    "PIN 3 attempts",
    "密码输错3次",
    "验证码60秒",
    "my order number is missing",
    "what is a sort code",
    "My name is wrong on my card",
    "MY NAME IS WRONG",
    "my name is misspelled.",
    "my name is not on the account",
    "I'm called by a stranger",
    "this is urgent",
    "Miss a payment",
    "我叫了外卖用信用卡付",
    "我叫车去网点",
    "我叫不出来名字",
    "对于女士卡",
    "the branch at 12 High Street",
    "branch near SW1A 1AA",
    "中山路8号的网点几点关门",
    "网点地址在哪里",
    "how do I change my address",
    "born in London",
    "Section 20-00-00 of the terms",
    "",
]


@pytest.mark.parametrize(("text", "redacted"), PERSONAL)
def test_redact_replaces_personal_data(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize("text", HARMLESS)
def test_redact_leaves_amounts_dates_and_what_belongs_to_nobody(text: str) -> None:
    assert redact(text) == text


def test_redact_folds_full_width_digits() -> None:
    assert redact("价格：１，０００英镑") == "价格：1，000英镑"


def test_redact_leaves_what_is_published() -> None:
    published = published_in(
        [
            "From abroad call +44 20 5550 0142, or write to help@larkmoor.example.",
            "Our branch: 12 Market Street, Leeds LS1 4AB.",
        ]
    )
    text = "Is +44 20 5550 0142 yours? help@larkmoor.example? 12 Market Street, Leeds LS1 4AB?"
    assert redact(text, published) == text
    assert redact("and +44 20 5550 0143, HELP@larkmoor.example", published) == (
        "and [phone number], HELP@larkmoor.example"
    )


def test_names_in_finds_how_customers_call_themselves() -> None:
    assert names_in("My name is Ann Miller and I wait") == {"Ann Miller"}
    assert names_in("我叫王小明，") == {"王小明"}
    assert names_in("My name is wrong") == frozenset()


WORDS = (
    "1|12|4111| |-|+|(|)|.|,|0|my name is |Ann |my PIN is |@|a.|GB82|account |number |is |我叫|王|住在|路|号|室|"
    "Street |Flat |£|元|[|]|\n|sort code |20-00-00|order #|AB|先生|年|月|日|出生|call me on "
)
PIECES = st.sampled_from(WORDS.split("|"))


@given(st.lists(PIECES, max_size=120).map("".join))
@settings(max_examples=300, deadline=None)
def test_redact_twice_changes_no_more_than_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_redact_takes_any_text(text: str) -> None:
    assert len(redact(text)) <= 20 * len(text) + 20


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.label} {RULES.index(rule)}")
def test_no_pattern_repeats_without_a_bound(rule: Rule) -> None:
    """What is bounded cannot take a time that grows with more than the length of the text."""
    assert all(most is not MAXREPEAT for most in repetitions(parse(rule.pattern.pattern, rule.pattern.flags)))


def repetitions(parsed: Any) -> Iterator[Any]:
    for item in parsed if isinstance(parsed, SubPattern | list | tuple) else ():
        if isinstance(item, tuple) and item and str(item[0]) in ("MAX_REPEAT", "MIN_REPEAT"):
            yield item[1][1]
        yield from repetitions(item)


HOSTILE = (
    "1 |a|4111 |1-|+1|(0|0 |12 A|Flat 1, 1 |Aa |my name is |My name is A |住在|路1号|王|GB82 |GB82WEST|a@|a.|a@a.|"
    "account |account number is |order number A1|20-00-00 |password is |出生|19|(1|AB12|1 High |A'"
)


@pytest.mark.parametrize("piece", HOSTILE.split("|"))
def test_redact_comes_to_an_end_with_a_hostile_text(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    assert redact(text + "!").endswith("!")
