"""Attributions on the tiny model, against what they are defined to be."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.errors import ConfigurationError
from app.domain.news import Excerpt, Sentiment
from app.ml.backbone import Backbone
from app.ml.executor import Priority
from app.ml.explain import GUIDED_WORDS, METHODS, Span, explain, read
from app.ml.sentiment import SentimentClassifier
from tests.tiny_model import save_random_adapter

TEXT = "The regulator fined the lender over weak controls, and the board said it would appeal."
CHINESE = "公司前三季度净利润同比增长，董事会建议派发现金红利。"


@pytest.fixture(scope="module")
def classifier(tiny_backbone: Backbone) -> SentimentClassifier:
    return SentimentClassifier(tiny_backbone, None)


def log_odds_of(classifier: SentimentClassifier, excerpt: Excerpt, label: Sentiment) -> float:
    p = classifier.classify([excerpt])[0].scores[label]
    return math.log(p / (1 - p))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("text", [TEXT, CHINESE, "  Profit\n rose by 12%. ", "Café 🚀 fell 龘"])
def test_explain_gives_each_word_its_place_in_the_text(
    classifier: SentimentClassifier, text: str, method: str
) -> None:
    found = explain(classifier, text, method=method)
    assert found.text == text
    assert found.method == method
    assert found.tokens
    for span in found.tokens:
        assert span.text == text[span.start : span.end]
        assert math.isfinite(span.score)
    assert any(span.score for span in found.tokens)
    assert found.sentiment == classifier.classify([text])[0].sentiment


def test_leave_one_out_is_the_fall_of_the_log_odds_without_the_word(classifier: SentimentClassifier) -> None:
    excerpt = Excerpt(TEXT, style="report")
    found = explain(classifier, excerpt, method="leave_one_out")
    whole = log_odds_of(classifier, excerpt, found.sentiment)
    for span in found.tokens:
        without = replace(excerpt, text=TEXT[: span.start] + TEXT[span.end :])
        fall = whole - log_odds_of(classifier, without, found.sentiment)
        assert span.score == pytest.approx(fall, abs=1e-3)


def test_leave_one_out_is_the_same_in_batches_of_any_size(tiny_backbone: Backbone) -> None:
    small, large = (SentimentClassifier(tiny_backbone, None, batch_tokens=n) for n in (1, 100_000))
    for a, b in zip(explain(small, TEXT).tokens, explain(large, TEXT).tokens, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-3)


def test_integrated_gradients_without_captum_say_what_to_install(
    classifier: SentimentClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ConfigurationError, match="pip install captum"):
        explain(classifier, TEXT, method="integrated_gradients")


def test_explain_answers_for_the_label_that_is_asked(classifier: SentimentClassifier) -> None:
    towards = [explain(classifier, TEXT, label, method="gradient_times_input") for label in Sentiment]
    assert [found.sentiment for found in towards] == list(Sentiment)
    assert len({tuple(span.score for span in found.tokens) for found in towards}) == 3


def test_explain_reads_no_further_than_the_model(tiny_backbone: Backbone) -> None:
    classifier = SentimentClassifier(tiny_backbone, None, max_tokens=40)
    text = "Rates were held. " * 200
    found = explain(classifier, text)
    last = found.tokens[-1].end
    assert 10 < last < 300
    assert found.tokens == explain(classifier, text[:last] + " Nothing else matters." * 90).tokens


def test_guided_leaves_out_only_the_steepest_words_of_a_long_text(classifier: SentimentClassifier) -> None:
    text = f"{TEXT} " * 4
    full, few = (explain(classifier, text, method=name).tokens for name in ("leave_one_out", "guided"))
    assert len(few) > GUIDED_WORDS
    chosen = [(a, b) for a, b in zip(full, few, strict=True) if b.score]
    assert 0 < len(chosen) <= GUIDED_WORDS
    for a, b in chosen:
        assert a.score == pytest.approx(b.score, abs=1e-3)


def test_merged_shares_a_token_by_its_characters(classifier: SentimentClassifier) -> None:
    reading = replace(
        read(classifier, Excerpt("ab cd"), Sentiment.NEUTRAL),
        letters=((), (0, 1, 3), (4,), ()), words=((0, 2), (3, 5)),
    )  # fmt: skip
    assert reading.merged([9.0, 3.0, 0.5, 9.0]) == pytest.approx([2.0, 1.5])


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "...", "\ud83d", "x" * 100_000, "利润" * 50_000])
def test_explain_bears_any_text(classifier: SentimentClassifier, text: str) -> None:
    found = explain(classifier, text, method="gradient_times_input")
    assert all(isinstance(span, Span) and span.end <= len(text) for span in found.tokens)


def test_explain_leaves_the_classifier_as_it_was(tiny_backbone_folder: Path, tmp_path: Path) -> None:
    backbone = Backbone.load(str(tiny_backbone_folder), tmp_path, dtype="float32", threads=1)
    backbone.load_adapter("sentiment", save_random_adapter(tiny_backbone_folder, tmp_path / "a", 1))
    adapted, bare = SentimentClassifier(backbone), SentimentClassifier(backbone, None)
    before = [row.classify([TEXT])[0].scores for row in (adapted, bare)]
    first = [explain(row, TEXT, Sentiment.POSITIVE, method="gradient_times_input") for row in (adapted, bare)]
    again = [explain(row, TEXT, Sentiment.POSITIVE, method="gradient_times_input") for row in (adapted, bare)]
    assert first == again
    assert first[0].tokens != first[1].tokens
    assert [row.classify([TEXT])[0].scores for row in (adapted, bare)] == before
    assert all(weight.grad is None for weight in backbone.model.parameters())
    backbone.close()


def test_explain_waits_its_turn_on_the_model_thread(classifier: SentimentClassifier) -> None:
    on_thread = classifier.backbone.executor.run(
        lambda: explain(classifier, TEXT, priority=Priority.CUSTOMER), Priority.CUSTOMER
    )
    assert on_thread.tokens == explain(classifier, TEXT).tokens
