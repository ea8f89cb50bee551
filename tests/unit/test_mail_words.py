"""The words of mails: every language says everything, with the same values."""

import re

import pytest

from app.domain.news import TOPICS
from app.domain.subscriptions import LANGUAGES
from app.services.mail_words import WORDS, say, topic_in


def test_every_language_has_every_word() -> None:
    plain = {key for key in WORDS["en"] if not key.endswith("_one")}
    assert set(WORDS) == set(LANGUAGES)
    for language in LANGUAGES:
        assert {key for key in WORDS[language] if not key.endswith("_one")} == plain, language


@pytest.mark.parametrize("key", [key for key in WORDS["en"] if not key.endswith("_one")])
def test_every_language_puts_in_the_same_values(key: str) -> None:
    values = {language: set(re.findall(r"{(\w+)}", WORDS[language][key])) for language in LANGUAGES}
    assert len({frozenset(found) for found in values.values()}) == 1, values


def test_one_is_said_as_one_where_the_language_tells_them_apart() -> None:
    assert say("en", "copies_of", copies=12, n=1) == "12 copies of 1 story"
    assert say("en", "copies_of", copies=12, n=3) == "12 copies of 3 stories"
    assert say("zh", "copies_of", copies=12, n=1) == "1 则新闻共 12 篇转载"


def test_topics_bear_their_title_in_force_or_its_translation() -> None:
    assert all(topic_in("zh", key, TOPICS) != title for key, title in TOPICS.items())
    assert topic_in("en", "cyber", TOPICS) == "Cyber and outage"
    assert topic_in("zh", "cyber", {"cyber": "IT incidents"}) == "IT incidents"
    assert topic_in("zh", "zebras", TOPICS) == "Zebras"
