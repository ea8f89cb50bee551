"""What a classification says of itself."""

from app.domain.news import TOPICS, Classification, Sentiment, topic_title

SCORES = {"negative": 0.5, "neutral": 0.4, "positive": 0.1}


def reading(topic: str, **topic_scores: float) -> Classification:
    return Classification(Sentiment.NEGATIVE, SCORES, topic, topic_scores)


def test_topics_are_the_first_and_those_that_hold_beside_it() -> None:
    assert reading("cyber", credit=0.3, cyber=0.35, labour=0.31, other=0.04).topics == ("cyber", "labour", "credit")
    assert reading("cyber", cyber=0.71, credit=0.29).topics == ("cyber",)


def test_first_topic_always_holds() -> None:
    assert reading("cyber", cyber=0.2, credit=0.19).topics == ("cyber",)
    assert reading("cyber").topics == ("cyber",)


def test_text_without_topic_has_none() -> None:
    assert reading("", cyber=0.0).topics == ()


def test_topic_title_of_a_removed_topic_is_its_key() -> None:
    assert topic_title("cyber", TOPICS) == "Cyber and outage"
    assert topic_title("cyber", {"fraud": "Fraud"}) == "Cyber"
