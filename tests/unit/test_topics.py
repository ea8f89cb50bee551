from pathlib import Path

import pytest

from app.domain.errors import InvalidInput
from app.domain.news import TOPICS
from app.ml.topics import load_topics, topics_of


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_load_topics_reads_csv_and_json_alike(tmp_path: Path) -> None:
    expected = {"fraud": "Fraud and theft", "rates": "Rates"}
    table = written(tmp_path, "a.csv", "topic,title\nFraud,Fraud and theft\nrates,\n")
    mapping = written(tmp_path, "a.json", '{"fraud": "Fraud and theft", "Rates": ""}')
    assert load_topics(table) == load_topics(mapping) == expected
    assert list(load_topics(table)) == list(expected)


def test_load_topics_without_a_file_gives_the_taxonomy_that_ships() -> None:
    assert load_topics(None) == dict(TOPICS)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "name,title\na,A\n", "expected the columns topic,title"),
        ("a.csv", "topic,title\na,A\nA,B\n", "line 3: the topic 'a' is there twice"),
        ("a.csv", "topic,title\na|b,A\nc,C\n", "line 2: a topic is a name without"),
        ("a.csv", "topic,title\na,A\n", "at least two topics"),
        ("a.json", '{"a": "A", "a": "B"}', "the topic 'a' is there twice"),
        ("a.json", '{"a": "A",', "line 1: not JSON"),
        ("a.json", '["a", "b"]', "expected a JSON object"),
        ("a.json", '{"a": {"title": "A"}}', "expected a JSON object"),
    ],
)
def test_load_topics_names_what_is_wrong(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_topics(written(tmp_path, name, text))


def test_load_topics_of_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no file"):
        load_topics(tmp_path / "a.csv")


def test_topics_of_an_older_adapter_get_the_titles_that_ship() -> None:
    assert topics_of({"topic_map": {"cyber": 7, "weather": 9}}) == {
        "cyber": "Cyber and outage",
        "weather": "Weather",
    }
    assert topics_of({"topics": {"a": "B"}, "topic_map": {"a": 1}}) == {"a": "B"}
    assert topics_of({}) == dict(TOPICS)
