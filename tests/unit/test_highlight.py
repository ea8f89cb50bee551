"""The highlighted text as HTML."""

import re

import pytest

from app.domain.news import Sentiment
from app.ml.explain import Explanation, Span
from app.ui.highlight import HIGHLIGHT_CSS, highlight, strength


def explanation(text: str, scores: dict[str, float], label: Sentiment = Sentiment.NEGATIVE) -> Explanation:
    spans = (Span(word, at := text.index(word), at + len(word), score) for word, score in scores.items())
    return Explanation(text, label, 0.91, "leave_one_out", tuple(spans))


def marks(html: str) -> dict[str, tuple[str, str]]:
    """Class and title of each mark, by its word."""
    found = re.findall(r'<mark class="([^"]*)" title="([^"]*)">([^<]*)</mark>', html)
    return {word: (kind, title) for kind, title, word in found}


def test_highlight_marks_words_by_strength_and_side() -> None:
    html = highlight(
        explanation("Profit fell hard, not sales.", {"Profit": 0.1, "fell": 2.0, "hard": 1.0, "not": -0.5})
    )
    assert marks(html) == {
        "fell": ("bw-why-3", "strongly towards negative (+2.00)"),
        "hard": ("bw-why-2", "clearly towards negative (+1.00)"),
        "not": ("bw-why-1 bw-away", "weakly away from negative (-0.50)"),
    }
    assert "Towards negative: fell, hard; away from negative: not. Read as negative with 91 %." in html


def test_highlight_keeps_the_whole_text_and_escapes_it() -> None:
    text = '<b onclick="x">Profit</b> & <script>fell</script>\n\ud83d end'
    html = highlight(explanation(text, {"Profit": 1.0, "fell": -1.0}), 'en"><i>')
    shown = re.search(r"<p[^>]*>(.*)</p>", html, re.DOTALL)
    assert shown
    plain = re.sub(r"</?mark[^>]*>", "", shown.group(1))
    assert plain == (
        "&lt;b onclick=&quot;x&quot;&gt;Profit&lt;/b&gt; &amp; &lt;script&gt;fell&lt;/script&gt;\n? end"
    )
    assert set(re.findall(r"</?(\w+)", html)) == {"figure", "p", "mark", "figcaption"}
    html.encode("utf-8")


def test_highlight_escapes_words_in_the_caption() -> None:
    assert "Towards negative: &lt;i&gt;." in highlight(explanation("<i>", {"<i>": 1.0}))


def test_highlight_without_a_deciding_word_marks_nothing() -> None:
    for found in (explanation("All quiet.", {"All": 0.01, "quiet": -0.02}), explanation("", {})):
        html = highlight(found)
        assert not marks(html)
        assert "No single word decides." in html


def test_highlight_says_when_only_the_beginning_was_read() -> None:
    assert "Only the beginning" in highlight(explanation("Profit fell. " + "x" * 300, {"fell": 1.0}))
    assert "Only the beginning" not in highlight(explanation("Profit fell.", {"fell": 1.0}))


@pytest.mark.parametrize(("score", "level"), [(0.1, 0), (0.2, 1), (-0.45, 2), (0.75, 3), (-1.0, 3)])
def test_strength_is_relative_to_the_strongest_word(score: float, level: int) -> None:
    assert strength(score * 4, 4.0) == level
    assert strength(score * 0.04, 0.04) == 0


@pytest.mark.parametrize("label", Sentiment)
def test_style_sheet_knows_every_class(label: Sentiment) -> None:
    html = highlight(explanation("a b c d", {"a": 1.0, "b": 0.5, "c": 0.3, "d": -1.0}, label))
    for names in re.findall(r'class="([^"]*)"', html):
        for name in names.split():
            assert name in ("bw", "bw-small", "bw-soft") or f".{name}" in HIGHLIGHT_CSS
