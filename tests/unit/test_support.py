"""What counts as supported, sentence by sentence."""

from itertools import pairwise

import pytest

from app.domain.support import is_supported, sentence_ends, support, unsupported_names

SOURCES = [
    "Can I repay early? Yes. You may repay up to 10% of the balance each year; call 0800 550 0199 or see "
    "https://larkmoor.example/repay. Premium customers of Larkmoor pay nothing.",
    "补卡免费，3 个工作日寄到您在英国的地址。",
]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It is free. Call us", ["It is free."]),
        ("It costs £3.", []),  # it may become £3.50
        ("It costs £3.50 a day. Yes! ", ["It costs £3.50 a day.", " Yes!"]),
        ("补卡免费。三天寄到", ["补卡免费。"]),
        ("", []),
    ],
)
def test_sentence_ends_leaves_out_what_is_not_finished(text: str, sentences: list[str]) -> None:
    starts = [0, *sentence_ends(text)]
    assert [text[a:b] for a, b in pairwise(starts)] == sentences


@pytest.mark.parametrize(
    "sentence",
    [
        "You may repay 10% of your balance every year [1].",
        "Premium customers pay nothing [1].",
        "See https://larkmoor.example/repay.",
        "补卡免费，三个工作日寄到 [2]。",
        "Yes [1].",
        "",
    ],
)
def test_is_supported_accepts_what_the_sources_say(sentence: str) -> None:
    assert is_supported(sentence, SOURCES)


@pytest.mark.parametrize(
    "sentence",
    [
        "You may repay 20% of the balance each year [1].",
        "You may repay the balance at Umbra each year [1].",
        "See https://umbra.example/repay for the balance.",
        "Mortgages in Scotland need a solicitor and a survey.",
        "贷款审批一般需要提供收入证明。",
    ],
)
def test_is_supported_refuses_new_figures_names_links_and_claims(sentence: str) -> None:
    assert not is_supported(sentence, SOURCES)


def test_support_is_a_share_of_content() -> None:
    assert support("Repaying balances yearly", SOURCES[:1]) == pytest.approx(2 / 3)
    assert support("the of and", SOURCES[:1]) == 1.0
    assert support("repay", []) == 0.0


def test_support_says_nothing_between_languages() -> None:
    assert support("补卡免费", SOURCES[:1]) == support("A new card is free", SOURCES[1:]) == 1.0
    assert not is_supported("补卡费用为 5 英镑", SOURCES[:1])


def test_unsupported_names_leaves_the_first_word_and_possessives() -> None:
    assert unsupported_names("Ask Larkmoor's team", SOURCES) == set()
    assert unsupported_names("Umbra pays, says Kestrel", SOURCES) == {"Kestrel"}


def test_is_supported_takes_names_from_the_customer_but_no_figures() -> None:
    asked = "Is the fee for Zephyr Pay 0 pounds?"
    assert is_supported("The fee for Zephyr Pay is £5.", ["The fee for Pay is £5."], asked)
    assert not is_supported("The fee for Pay is £0.", ["The fee for Pay is £5."], asked)
