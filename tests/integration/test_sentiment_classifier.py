import threading
from collections.abc import Iterable

import pytest
import torch

from app.domain.errors import AdapterMismatch
from app.domain.news import TOPICS, Classification, Excerpt, FeedItem, Sentiment
from app.ml.article_classifier import ArticleClassifier
from app.ml.backbone import Backbone
from app.ml.calibration import Calibration
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


def test_calibration_divides_logits_by_the_temperature_of_each_language(
    classifier: SentimentClassifier, tiny_backbone: Backbone
) -> None:
    calibration = Calibration({"": 9.0, "en": 3.0, "zh": 1.0}, 2.0)
    warm = SentimentClassifier(tiny_backbone, None, calibration=calibration).classify(TEXTS)
    for text, a, b in zip(TEXTS, classifier.classify(TEXTS), warm, strict=True):
        assert (a.sentiment, a.topic) == (b.sentiment, b.topic)
        by = 3.0 if text.isascii() else 1.0
        assert list(b.scores.values()) == pytest.approx(cooled(a.scores.values(), by), abs=1e-4)
        assert list(b.topic_scores.values()) == pytest.approx(cooled(a.topic_scores.values(), 2.0), abs=1e-4)


def cooled(scores: Iterable[float], temperature: float) -> list[float]:
    """Probabilities whose logits are divided by a temperature."""
    raised = [score ** (1 / temperature) for score in scores]
    return [value / sum(raised) for value in raised]


class Counted:
    """A classifier with a cache whose model steps are counted, text by text."""

    def __init__(self, backbone: Backbone, monkeypatch: pytest.MonkeyPatch, cache_size: int) -> None:
        self.classifier = SentimentClassifier(backbone, None, cache_size=cache_size)
        self.computed = 0
        logits = self.classifier.logits

        def counting(ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.computed += len(ids)
            return logits(ids, mask)

        monkeypatch.setattr(self.classifier, "logits", counting)


def test_repeated_text_costs_no_model_step(tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, heard = Counted(tiny_backbone, monkeypatch, 100), []
    first = counted.classifier.classify([*TEXTS, TEXTS[0], ""])
    assert counted.computed == len(TEXTS), "the text that is there twice is computed once"
    assert first[0] == first[-2]
    again = counted.classifier.classify([*TEXTS, TEXTS[0], ""], progress=heard.append)
    assert counted.computed == len(TEXTS)
    assert again == first
    assert heard == [len(TEXTS) + 1]
    counted.classifier.classify(["New.", TEXTS[0]])
    assert counted.computed == len(TEXTS) + 1


def test_cache_knows_entity_and_style_apart(tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(tiny_backbone, monkeypatch, 100)
    kinds = [
        Excerpt("A sues B."),
        Excerpt("A sues B.", "A"),
        Excerpt("A sues B.", "B"),
        Excerpt("A sues B.", "", "post"),
    ]
    results = counted.classifier.classify(kinds)
    assert counted.computed == len(kinds)
    assert len({tuple(row) for row in scores(results)}) == len(kinds)
    assert counted.classifier.classify(kinds) == results
    assert counted.computed == len(kinds)


def test_without_a_cache_every_text_is_computed(tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(tiny_backbone, monkeypatch, 0)
    counted.classifier.classify([TEXTS[0]] * 3)
    counted.classifier.classify([TEXTS[0]])
    assert counted.computed == 4


def test_cache_gives_each_thread_its_own_texts(tiny_backbone: Backbone, classifier: SentimentClassifier) -> None:
    cached = SentimentClassifier(tiny_backbone, None, cache_size=3)
    expected = scores(classifier.classify(TEXTS))
    found: list[list[list[float]]] = []
    threads = [threading.Thread(target=lambda: found.append(scores(cached.classify(TEXTS)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for rows in found:
        for a, b in zip(rows, expected, strict=True):
            assert a == pytest.approx(b, abs=1e-4)


def test_topics_are_those_given(tiny_backbone: Backbone) -> None:
    own = SentimentClassifier(tiny_backbone, None, topics={"cyber": "IT incidents", "labour": "Staff"})
    result, empty = own.classify([TEXTS[0], ""])
    assert tuple(result.topic_scores) == ("cyber", "labour")
    assert own.titles == {"cyber": "IT incidents", "labour": "Staff"}
    assert result.topics[0] == result.topic
    assert (empty.topic, empty.topics) == ("", ()), "there is no topic 'other' here"


def test_article_is_read_in_parts_on_a_real_tokenizer(tiny_backbone: Backbone) -> None:
    backbone = SentimentClassifier(tiny_backbone, None)
    text = " ".join(f"The regulator fined lender {n} over weak controls." for n in range(40))
    short, long = ArticleClassifier(backbone).classify_articles(
        [FeedItem("https://a.example/1", "An outage", "It is over."), FeedItem("https://a.example/2", "公告", text)]
    )
    assert short.deciding == ("It is over.",)
    assert short.sentiment == backbone.classify([Excerpt("An outage. It is over.", style="report")])[0].sentiment
    assert 1 <= len(long.deciding) <= 2
    assert all(quote in ("公告", text) or quote in text for quote in long.deciding)
    assert sum(long.scores.values()) == pytest.approx(1, abs=1e-5)
    assert tuple(long.scores) == tuple(Sentiment)
    assert tuple(long.topic_scores) == tuple(TOPICS)


def test_labels_that_begin_alike_are_refused(tiny_backbone: Backbone) -> None:
    with pytest.raises(AdapterMismatch, match="begin with the same token"):
        SentimentClassifier(tiny_backbone, None, topics=["zzy", "zzx"]).classify(["Profit rose."])
