"""Words of a text, and the way from a rendering back to it."""

import pytest

from app.ml.prompts import sentiment_text
from app.ml.word_spans import align, word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don’t buy, it fell.", ["Don’t", "buy", "it", "fell"]),
        ("EPS $1,234.5 (-12.5%) full-year $AAPL!", ["EPS", "$1,234.5", "-12.5%", "full-year", "$AAPL", "!"]),
        ("净利润增长12%，见https://t.co/a?b=c看", ["净利润", "增长", "12%", "见", "https://t.co/a?b=c", "看"]),
        ("Great🚀🚀, no?", ["Great", "🚀🚀", "no", "?"]),
        (" \n ", []),
    ],
)
def test_word_spans_are_what_a_reader_calls_words(text: str, words: list[str]) -> None:
    spans = word_spans(text)
    assert [text[start:end] for start, end in spans] == words
    assert spans == sorted(spans)


@pytest.mark.parametrize("text", ["  Profit\n rose. ", "利润\t增长", "Profit rose."])
@pytest.mark.parametrize("style", ["", "headline"])
def test_align_leads_every_letter_of_the_prompt_back(text: str, style: str) -> None:
    rendered = sentiment_text(text, style)
    places = align(rendered, text)
    tag = len("Headline: ") if style else 0
    assert not any(place is not None for place in places[:tag])
    for letter, place in zip(rendered[tag:], places[tag:], strict=True):
        assert (place is None) == letter.isspace()
        assert place is None or text[place] == letter


def test_align_reads_a_rendering_that_was_cut_off() -> None:
    assert align("Profit ro", "Profit  rose") == [0, 1, 2, 3, 4, 5, None, 8, 9]


@pytest.mark.parametrize(
    ("rendered", "original", "word"),
    [
        ("Net profit rose 12% to 48m.", "Ｎｅｔ profit rose １２% to ４８m.", "profit"),
        ("Harrow Mills warns of losses", "https://t.co/A1?a=warns Harrow Mills \u200bwarns of losses", "losses"),
        ("公司净利润下滑", "公司\u200b净利\u00ad润下滑", "下滑"),
    ],
)
def test_align_finds_words_where_rendering_changed_what_is_around(rendered: str, original: str, word: str) -> None:
    start, places = rendered.index(word), align(rendered, original)
    assert places[start] == original.rindex(word)
    assert places[start + len(word) - 1] == original.rindex(word) + len(word) - 1


def test_align_gives_a_changed_letter_the_place_of_the_one_it_replaced() -> None:
    assert align("up 12 now", "up １２ now")[3:5] == [3, 4]
