"""Sentences of two languages, and groups of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ml.sentences import groups, joined, sentences


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Profit fell. Shares rose!  Why?", ["Profit fell.", "Shares rose!", "Why?"]),
        ("Profit fell 3.5% to $1.2bn. It was $2bn.", ["Profit fell 3.5% to $1.2bn.", "It was $2bn."]),
        ("Mr. Hale of Acme Inc. left the U.S. board. No.", ["Mr. Hale of Acme Inc. left the U.S. board.", "No."]),
        ("J. P. Hale left.", ["J. P. Hale left."]),
        ('"We are sorry." "It ends."', ['"We are sorry."', '"It ends."']),
        ("e.g. this one. and not that", ["e.g. this one. and not that"]),
        ("净利润增长。已介入！“会恢复的。”他说", ["净利润增长。", "已介入！", "“会恢复的。”", "他说"]),
        ("Profit fell. 净利润下降。Shares rose", ["Profit fell.", "净利润下降。", "Shares rose"]),
        ("A headline\n\n  First  line\nsecond", ["A headline", "First line", "second"]),
        (" \n ", []),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(max_size=300))
def test_sentences_and_groups_lose_nothing_but_white_space(text: str) -> None:
    found = sentences(text)
    bare = "".join(text.split())
    assert "".join("".join(found).split()) == bare
    assert "".join("".join(groups(found, len, 20)).split()) == bare


def test_groups_hold_whole_sentences_up_to_the_limit() -> None:
    assert list(groups(["a b.", "c d.", "e f.", "g."], words, 4)) == ["a b. c d.", "e f. g."]
    assert list(groups([], words, 4)) == []


def test_sentence_over_the_limit_is_cut_at_a_clause_or_a_space() -> None:
    found = list(groups(["one two three, four five six seven"], words, 4))
    assert found == ["one two three,", "four five six seven"]
    assert all(len(group) <= 5 for group in groups(["净利润下降监管部门已介入"], len, 5))


def test_joined_puts_a_space_between_latin_words_only() -> None:
    assert joined("Profit fell.", "Shares rose.") == "Profit fell. Shares rose."
    assert joined("下降。", "上升。") == "下降。上升。"
    assert joined("", "x") == "x"
    assert joined("x", "") == "x"
