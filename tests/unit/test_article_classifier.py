"""Whole articles, read in parts by a classifier with a script."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from app.domain.news import Classification, Excerpt, FeedItem, Sentiment
from app.ml.article_classifier import GROUP_TOKENS, MAX_GROUPS, MAX_TOWARDS, ArticleClassifier, Towards
from app.ml.executor import Priority

CALM = " ".join(["The", "branch", "opened", "in", "spring"] * 9) + "."  # 45 words
BAD = " ".join(["Intruders", "copied", "records", "of", "customers"] * 9) + " breach."


class Scripted:
    """Bad where 'breach' is, good where 'record month' is, else surely neutral. A word is a token."""

    def __init__(self) -> None:
        self.seen: list[Excerpt] = []
        self.backbone = SimpleNamespace(tokenizer=lambda text, add_special_tokens: {"input_ids": text.split()})

    def classify(
        self, texts: Sequence[Excerpt], priority: Priority, progress: Callable[[int], None] = lambda done: None
    ) -> list[Classification]:
        self.seen += texts
        for done in range(1, len(texts) + 1):
            progress(done)
        return [self._reading(excerpt.text) for excerpt in texts]

    def _reading(self, text: str) -> Classification:
        if "breach" in text:
            return reading("negative", 0.9, {"cyber": 0.8, "other": 0.2})
        if "record month" in text:
            return reading("positive", 0.9, {"cyber": 0.1, "other": 0.9})
        return reading("neutral", 0.9, {"cyber": 0.2, "other": 0.8})


def reading(label: str, score: float, topic_scores: dict[str, float]) -> Classification:
    scores = {s.value: score if s == label else (1 - score) / 2 for s in Sentiment}
    return Classification(Sentiment(label), scores, max(topic_scores, key=topic_scores.__getitem__), topic_scores)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


def classify(scripted: Scripted, *articles: tuple[str, str], **options: Any) -> list[Classification]:
    items = [FeedItem("https://a.example", title, text) for title, text in articles]
    return ArticleClassifier(scripted).classify_articles(items, **options)  # type: ignore[arg-type]


def test_short_article_is_one_excerpt_and_quotes_its_text(scripted: Scripted) -> None:
    found, chinese, stopped = classify(
        scripted, ("A breach", "It was\nsmall."), ("数据泄露", "客户受影响。"), ("Why?", "Nobody knows.")
    )
    assert [excerpt.text for excerpt in scripted.seen] == [
        "A breach. It was small.", "数据泄露。客户受影响。", "Why? Nobody knows."
    ]  # fmt: skip
    assert {excerpt.style for excerpt in scripted.seen} == {"report"}
    assert (found.sentiment, found.probability, found.topic) == ("negative", 0.9, "cyber")
    assert found.deciding == ("It was small.",)
    assert chinese.deciding == ("客户受影响。",)
    assert stopped.sentiment == "neutral"


def test_title_alone_is_a_headline(scripted: Scripted) -> None:
    title, nothing = classify(scripted, (" A  breach ", " "), ("", ""))
    assert scripted.seen[0] == Excerpt("A breach", style="headline")
    assert title.sentiment == "negative"
    assert title.deciding == ("A breach",)
    assert nothing.deciding == ()


def test_long_article_is_read_by_title_and_groups(scripted: Scripted) -> None:
    classify(scripted, ("A breach", f"{BAD} {CALM} {CALM}\n{CALM}"))
    assert [(e.style, len(e.text.split())) for e in scripted.seen] == [
        ("headline", 2), ("report", 91), ("report", 90)
    ]  # fmt: skip
    assert all(excerpt.entity == "" for excerpt in scripted.seen)


def test_article_of_any_length_is_read_in_few_groups(scripted: Scripted) -> None:
    classify(scripted, ("A breach", " ".join([CALM] * 5000)), ("Nothing", "word " * 100_000))
    assert len(scripted.seen) == 2 * (1 + MAX_GROUPS)
    assert max(len(excerpt.text.split()) for excerpt in scripted.seen) <= GROUP_TOKENS


def test_news_is_not_drowned_by_background(scripted: Scripted) -> None:
    """Title and lead against ten groups that say nothing."""
    body = " ".join([BAD, CALM] + [CALM] * 20)
    (found,) = classify(scripted, ("Records were copied in a breach", body))
    assert found.sentiment == "negative"
    assert found.probability < 0.9, "the background leaves its mark"
    assert found.topic == "cyber" or found.topic_scores["cyber"] > 0.3
    assert found.deciding == ("Records were copied in a breach", f"{BAD} {CALM}")


def test_one_bad_group_does_not_make_a_calm_article_bad(scripted: Scripted) -> None:
    (found,) = classify(scripted, ("A branch opens", " ".join([CALM] * 10 + [BAD] + [CALM] * 9)))
    assert found.sentiment == "neutral"
    assert len(found.deciding) == 2
    assert all("breach" not in quote for quote in found.deciding)


def test_title_weighs_more_than_a_group_and_the_lead_more_than_the_rest(scripted: Scripted) -> None:
    good = " ".join(["It", "was", "a", "record month"] * 14)
    title, lead = classify(scripted, ("A breach", f"{good}. {CALM}"), ("It is", f"{BAD} {BAD} {good}."))
    assert title.sentiment == "negative"
    assert title.scores["positive"] > 0.2
    assert lead.sentiment == "negative"
    assert lead.deciding == (f"{BAD} {BAD}",)


def test_scores_are_probabilities_and_disagreement_is_unsure(scripted: Scripted) -> None:
    (found,) = classify(
        scripted, ("A breach in a record month", f"It was a record month. {CALM} {CALM} {BAD} {CALM}")
    )
    assert sum(found.scores.values()) == pytest.approx(1)
    assert sum(found.topic_scores.values()) == pytest.approx(1)
    assert found.sentiment == max(found.scores, key=found.scores.__getitem__)
    assert found.probability < 0.75


def test_progress_is_told_in_articles(scripted: Scripted) -> None:
    heard: list[int] = []
    classify(scripted, ("A", CALM * 3), ("B", f"{BAD} {CALM} {CALM}"), ("C", ""), progress=heard.append)
    assert heard == [1, 2, 3]
    assert classify(scripted) == []


def towards(scripted: Scripted, title: str, text: str, *written: str) -> Classification:
    asked = Towards(FeedItem("https://a.example", title, text), "Ostra", written or ("Ostra",))
    return ArticleClassifier(scripted).classify_towards([asked])[0]  # type: ignore[arg-type]


def test_sentiment_towards_a_company_is_read_where_it_is_named(scripted: Scripted) -> None:
    found = towards(scripted, "Two firms", "Ostra had a record month. Velmora had a breach. All is calm.")
    assert found.sentiment == "positive"
    assert scripted.seen == [Excerpt("Ostra had a record month.", "Ostra", "report")]
    assert found.deciding == ("Ostra had a record month.",)


def test_sentiment_towards_a_company_reads_a_title_and_few_sentences_that_name_it(scripted: Scripted) -> None:
    towards(scripted, "Ostra, again", "Rain. " + "Ostra  was seen. " * 9, "Ostra", "OST")
    assert [(e.text, e.entity, e.style) for e in scripted.seen] == [
        ("Ostra, again", "Ostra", "headline"),
        *[("Ostra was seen.", "Ostra", "report")] * MAX_TOWARDS,
    ]


def test_sentiment_towards_a_company_that_no_sentence_names_is_that_of_the_beginning(scripted: Scripted) -> None:
    assert towards(scripted, "A breach", "It was small. Later, calm.", "somewhere").sentiment == "negative"
    assert [e.text for e in scripted.seen] == ["A breach", "It was small."]
    assert towards(scripted, "", "").sentiment == "neutral"
    assert ArticleClassifier(scripted).classify_towards([]) == []  # type: ignore[arg-type]
