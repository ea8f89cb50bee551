import pytest

from app.domain.errors import AdapterMismatch
from app.domain.news import TOPICS, Classification, Excerpt, Sentiment
from app.ml.backbone import Backbone
from app.ml.prompts import SENTIMENT_SUFFIX
from app.ml.sentiment import SentimentClassifier

TEXTS = [
    "Profit rose.",
    "The regulator fined the lender over weak controls, and the board said that it would appeal the decision.",
    "公司前三季度净利润同比增长，董事会建议派发现金红利。",
    "An outage.",
    "Rates were held. " * 12,
    "客户无法付款。",
]


@pytest.fixture(scope="module")
def classifier(tiny_backbone: Backbone) -> SentimentClassifier:
    return SentimentClassifier(tiny_backbone, None)


def scores(results: list[Classification]) -> list[list[float]]:
    return [[*result.scores.values(), *result.topic_scores.values()] for result in results]


def test_classify_keeps_the_order_of_texts(classifier: SentimentClassifier) -> None:
    together = classifier.classify(TEXTS)
    backwards = classifier.classify(TEXTS[::-1])[::-1]
    alone = [classifier.classify([text])[0] for text in TEXTS]
    for a, b, c in zip(scores(together), scores(backwards), scores(alone), strict=True):
        assert a == pytest.approx(b, abs=1e-4)
        assert a == pytest.approx(c, abs=1e-4)
    assert len({tuple(row) for row in scores(together)}) == len(TEXTS)


@pytest.mark.parametrize("batch_tokens", [1, 64, 100_000])
def test_classify_gives_the_same_in_batches_of_any_size(
    classifier: SentimentClassifier, tiny_backbone: Backbone, batch_tokens: int
) -> None:
    cut = SentimentClassifier(tiny_backbone, None, batch_tokens=batch_tokens).classify(TEXTS)
    for a, b in zip(scores(cut), scores(classifier.classify(TEXTS)), strict=True):
        assert a == pytest.approx(b, abs=1e-4)


def test_classify_gives_probabilities_over_all_labels(classifier: SentimentClassifier) -> None:
    for result in classifier.classify([*TEXTS, "", "😀", "\x00"]):
        assert tuple(result.scores) == tuple(Sentiment)
        assert tuple(result.topic_scores) == tuple(TOPICS)
        assert sum(result.scores.values()) == pytest.approx(1, abs=1e-5)
        assert sum(result.topic_scores.values()) == pytest.approx(1, abs=1e-5)
        assert result.sentiment == max(result.scores, key=result.scores.__getitem__)
        assert result.topic == max(result.topic_scores, key=result.topic_scores.__getitem__)


def test_classify_calls_an_empty_text_neutral_and_other(classifier: SentimentClassifier) -> None:
    results = classifier.classify(["", TEXTS[0], " \n\t"])
    assert [(r.sentiment, r.topic, r.probability) for r in (results[0], results[2])] == [
        ("neutral", "other", 1.0)
    ] * 2
    assert scores(results[1:2])[0] == pytest.approx(scores(classifier.classify(TEXTS[:1]))[0], abs=1e-4)
    assert classifier.classify([]) == []


def test_a_very_long_text_loses_its_end_and_keeps_the_suffix(classifier: SentimentClassifier) -> None:
    long = "Rates were held. " * 5000
    suffix = classifier.backbone.tokenizer(SENTIMENT_SUFFIX, add_special_tokens=False)["input_ids"]
    ids = classifier.encode(Excerpt(long))
    assert len(ids) == classifier.max_tokens
    assert ids[-len(suffix) :] == suffix
    ends = classifier.classify([long + "Good.", long + "Bad."])
    assert ends[0] == ends[1]


def test_classify_ignores_white_space_around_and_between_words(classifier: SentimentClassifier) -> None:
    plain, spaced = classifier.classify(["Profit rose.", "  Profit\n rose. "])
    assert scores([plain])[0] == pytest.approx(scores([spaced])[0], abs=1e-4)


def test_classify_reports_progress_up_to_the_end(tiny_backbone: Backbone) -> None:
    heard: list[int] = []
    SentimentClassifier(tiny_backbone, None, batch_tokens=64).classify([*TEXTS, ""], progress=heard.append)
    assert heard == sorted(set(heard))
    assert heard[-1] == len(TEXTS)


def test_temperature_flattens_scores_and_keeps_the_label(
    classifier: SentimentClassifier, tiny_backbone: Backbone
) -> None:
    warm = SentimentClassifier(tiny_backbone, None, temperature=3.0).classify(TEXTS)
    for a, b in zip(classifier.classify(TEXTS), warm, strict=True):
        assert a.sentiment == b.sentiment
        assert b.probability < a.probability
        assert a.topic == b.topic


def test_labels_that_begin_alike_are_refused(tiny_backbone: Backbone) -> None:
    with pytest.raises(AdapterMismatch, match="begin with the same token"):
        SentimentClassifier(tiny_backbone, None, topics=["zzy", "zzx"]).classify(["Profit rose."])
