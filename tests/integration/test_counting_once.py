"""What ingestion makes of copies, retellings and names: with real storage and a small embedder of keywords."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.domain.news import Article, FeedItem
from app.domain.stories import StoryRule
from app.domain.watchlist import WatchedName
from app.integrations.extraction import detect_language
from app.integrations.feeds import parse_feed
from app.services import stories as stories_module
from app.services.entities import Entities
from app.services.ingestion import Ingestion
from app.services.stories import MEASURED, Stories, lead, story_rule
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.stories import Sketches
from app.storage.watchlist import Watchlist
from tests.fakes import ManualClock, classify_articles, classify_towards

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
RULE = StoryRule(many_figures=0.66, one_figure=0.74, no_figures=0.84)
RECALL = ("Velmora recalls 212,000 cars", "The carmaker puts the cost at 140 million euros, and nobody was hurt.")
REWRITE = ("Brake defect at Velmora", "Owners of 212,000 cars must visit workshops, which costs 140 million euros.")
CHINESE = ("维尔莫拉召回21.2万辆轿车", "公司预计费用约1.4亿欧元，目前没有事故报告。")
OTHER = ("Velmora recalls 58,000 vans", "The carmaker puts the cost at 35 million euros, and two were hurt.")


class KeywordEmbedder:
    """A vector by what a text speaks of; remembers what it was asked."""

    THEMES = (("recall", "召回", "brake"), ("profit", "利润"), ("strike", "罢工"))

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(len(texts))
        rows = [[float(any(w in t.lower() for w in words)) for words in self.THEMES] + [0.3] for t in texts]
        vectors = np.array(rows, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Desk:
    """Ingestion with stories by meaning and a watchlist, on one database."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.articles, self.watchlist, self.embedder = Articles(database), Watchlist(database), KeywordEmbedder()
        self.entities = Entities(self.watchlist, self.articles, classify_towards)
        stories = Stories(Sketches(database), self.articles, RULE, self.embedder, "keywords")
        self.ingestion = Ingestion(
            self.articles, parse_feed, detect_language, classify_articles, stories, self.entities, clock
        )

    def take(self, *items: FeedItem, sample: bool = False) -> None:
        self.ingestion.store(items, None, sample)

    def stored(self, number: int) -> Article:
        return next(a for a in self.articles.recent(include_duplicates=True) if a.url.endswith(f"/{number}"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def desk(database: Database, clock: ManualClock) -> Desk:
    return Desk(database, clock)


def item(number: int, words: tuple[str, str], **changes: Any) -> FeedItem:
    made = FeedItem(f"https://news.example/{number}", *words, NOW, f"Outlet {number}")
    return replace(made, **changes)


def test_retellings_join_the_story_across_languages(desk: Desk) -> None:
    desk.take(item(1, RECALL), item(2, REWRITE), item(3, CHINESE), item(4, OTHER))
    first = desk.stored(1).id
    assert [desk.stored(n).story_id for n in (1, 2, 3, 4)] == [None, first, first, None]
    assert all(desk.stored(n).duplicate_of is None for n in (1, 2, 3, 4))
    told = desk.articles.stories([first or 0])[0]
    assert (told.copies, told.outlets) == (3, ("Outlet 1", "Outlet 2", "Outlet 3"))
    assert [m.copies for m in desk.articles.mentions(NOW)] == [3, 1]


def test_copies_of_a_retelling_belong_to_the_same_story(desk: Desk) -> None:
    desk.take(item(1, RECALL), item(2, REWRITE))
    again = (REWRITE[0].upper(), REWRITE[1] + "!")
    desk.take(item(3, again))
    assert desk.stored(3).duplicate_of == desk.stored(2).id
    assert desk.stored(3).story_id == desk.stored(1).id


def test_same_words_with_other_figures_are_no_copy(desk: Desk) -> None:
    text = "The bank offers {} billion of seven-day money at 1.40 per cent, with {} billion falling due on the day."
    desk.take(
        item(1, ("Open market operation", text.format(120, 80))),
        item(2, ("Open market operation", text.format(65, 150))),
    )
    assert (desk.stored(2).duplicate_of, desk.stored(2).story_id) == (None, None)


def test_story_ends_after_three_days(desk: Desk, clock: ManualClock) -> None:
    desk.take(item(1, RECALL))
    clock.advance(hours=50)
    desk.take(item(2, REWRITE, published_at=clock.now))
    assert desk.stored(2).story_id == desk.stored(1).id
    clock.advance(hours=30)
    desk.take(item(3, CHINESE, published_at=clock.now))
    assert desk.stored(3).story_id is None, "near to the second, and three days behind the first"


def test_what_is_known_survives_a_restart_without_being_computed_again(
    desk: Desk, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(f"detail{i}" for i in range(60))
    desk.take(item(1, RECALL), item(2, ("Long report", text)))
    again = Desk(database, clock)
    computed: list[str] = []
    shingles = stories_module.shingles

    def counting(content: str) -> frozenset[str]:
        computed.append(content)
        return shingles(content)

    monkeypatch.setattr(stories_module, "shingles", counting)
    again.take(item(3, CHINESE), item(4, ("Long report", f"UPDATE {text}")))
    assert again.stored(3).story_id == desk.stored(1).id
    assert again.stored(4).duplicate_of == desk.stored(2).id
    assert sum(again.embedder.asked) == 2, "the stored articles have their vectors"
    assert sorted(set(computed)) == sorted(
        {" ".join(CHINESE), f"Long report UPDATE {text}", f"Long report {text}"}
    ), "the new articles, and the one candidate that is compared word by word"


def test_vectors_of_another_embedder_are_not_compared(desk: Desk, database: Database, clock: ManualClock) -> None:
    desk.take(item(1, RECALL))
    again = Desk(database, clock)
    again.ingestion._stories.embedder = "another"
    again.take(item(2, CHINESE))
    assert again.stored(2).story_id is None


def test_articles_of_an_older_version_are_sketched_once(desk: Desk, database: Database) -> None:
    text = " ".join(f"detail{i}" for i in range(60))
    desk.take(item(1, ("Long report", text)))
    sketches = Sketches(database)
    sketches.forget(NOW + timedelta(days=1))
    again = Desk(database, ManualClock(NOW))
    again.take(item(2, ("Long report", f"UPDATE {text}")))
    assert again.stored(2).duplicate_of == desk.stored(1).id
    assert sketches.unsketched(NOW) == []


def test_reused_id_of_a_removed_article_is_no_ghost(desk: Desk) -> None:
    text = " ".join(f"detail{i}" for i in range(60))
    desk.take(item(1, ("Long report", text)), sample=True)
    desk.articles.remove_sample()
    desk.take(item(2, ("A strike", " ".join(f"other{i}" for i in range(60)))))
    desk.take(item(3, ("Long report", f"UPDATE {text}")))
    assert (desk.stored(3).duplicate_of, desk.stored(3).story_id) == (None, None)


def test_sample_and_real_news_tell_no_common_story(desk: Desk) -> None:
    desk.take(item(1, RECALL), sample=True)
    desk.take(item(2, REWRITE))
    assert desk.stored(2).story_id is None


def test_oldest_of_a_visit_begins_the_story(desk: Desk) -> None:
    desk.take(item(1, REWRITE), item(2, RECALL, published_at=NOW - timedelta(hours=3)))
    assert (desk.stored(2).story_id, desk.stored(1).story_id) == (None, desk.stored(2).id)


def test_memory_holds_no_more_than_its_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stories_module, "MAX_KEPT", 10)
    for begin in range(0, 64, 16):
        batch = range(begin, begin + 16)
        desk.take(*(item(n, (f"Title {n}", " ".join(f"w{n}x{i}" for i in range(20)))) for n in batch))
    stories = desk.ingestion._stories
    stories.refresh(NOW)
    assert len(stories._kept) == len(stories._wordings) == len(stories._order) == 10
    assert min(stories._kept) == 55


def test_meaning_can_be_switched_off() -> None:
    assert story_rule("backbone:/somewhere") == MEASURED["backbone"]
    assert story_rule("backbone:/somewhere", by_meaning=False).least > 1
    assert story_rule("/a/folder").least > 1, "not measured"


def test_without_an_embedder_words_alone_are_compared(database: Database, clock: ManualClock) -> None:
    articles, embedder = Articles(database), KeywordEmbedder()
    stories = Stories(Sketches(database), articles, StoryRule(), embedder, "keywords")
    entities = Entities(Watchlist(database), articles, classify_towards)
    ingestion = Ingestion(articles, parse_feed, detect_language, classify_articles, stories, entities, clock)
    half = " ".join(f"detail{i}" for i in range(30))
    rest = [" ".join(f"{word}{i}" for i in range(12)) for word in ("first", "second")]
    ingestion.store([item(1, ("Report", f"{half} {rest[0]}")), item(2, ("Report", f"{half} {rest[1]}"))], None)
    ingestion.store([item(3, RECALL), item(4, CHINESE)], None)
    assert embedder.asked == []
    by_number = {int(a.url[-1]): a for a in articles.recent()}
    assert by_number[2].story_id == by_number[1].id
    assert by_number[4].story_id is None


def test_lead_is_title_and_first_sentences() -> None:
    assert lead("Title", "One. Two. Three. Four.") == "Title One. Two. Three."
    assert len(lead("Title", "word " * 5000)) <= 500


def test_articles_are_tagged_with_the_companies_that_they_name(desk: Desk) -> None:
    desk.watchlist.add("Velmora Motors", NOW, [WatchedName("Velmora", case_sensitive=True)])
    desk.watchlist.add("Ostra", NOW)
    desk.take(
        item(1, ("Hack at Ostra", "Velmora rises to a record. Ostra saw a breach.")), item(2, ("Weather", "Rain."))
    )
    found = {entity.name: entity.sentiment for entity in desk.stored(1).entities}
    assert found == {"Ostra": "negative", "Velmora Motors": "positive"}
    assert desk.stored(2).entities == ()
    assert {(m.topic, m.negative) for m in desk.articles.entity_mentions(NOW)} == {
        ("entity:Ostra", True),
        ("entity:Velmora Motors", False),
    }


def test_different_companies_tell_different_stories(desk: Desk) -> None:
    for name in ("Velmora", "Ostra"):
        desk.watchlist.add(name, NOW)
    desk.take(item(1, RECALL), item(2, (REWRITE[0].replace("Velmora", "Ostra"), REWRITE[1])))
    assert desk.stored(2).story_id is None


def test_retag_finds_a_new_company_in_what_is_stored(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.entities._PAGE", 2)
    for number in range(5):
        words = (f"Number {number}", f"Ostra breach {number}." if number % 2 else "Nothing of note.")
        desk.take(item(number, words, published_at=NOW - timedelta(days=number)))
    ostra = desk.watchlist.add("Ostra", NOW)
    assert desk.entities.retag(ostra, NOW - timedelta(days=2)) == 1
    assert desk.entities.retag(ostra, NOW - timedelta(days=30)) == 2
    assert [len(desk.stored(n).entities) for n in range(5)] == [0, 1, 0, 1, 0]
    assert desk.stored(1).entities[0].sentiment == "negative"
    renamed = desk.watchlist.update(ostra.id, NOW, [WatchedName("Nothing of note")])
    assert desk.entities.retag(renamed, NOW - timedelta(days=30)) == 5


def test_company_that_is_removed_is_forgotten_everywhere(desk: Desk) -> None:
    ostra = desk.watchlist.add("Ostra", NOW)
    desk.take(item(1, ("Ostra", "A breach at Ostra.")))
    desk.watchlist.remove(ostra.id, NOW)
    desk.take(item(2, ("Again", "Another breach at Ostra.")))
    assert desk.stored(1).entities == desk.stored(2).entities == ()
