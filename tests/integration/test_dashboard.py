"""What the dashboard's tabs show and do, on a real database; the browser is left to the end-to-end tests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.config import load_settings
from app.domain.accounts import Account, AccountRole
from app.domain.alerts import Alert, Notice
from app.domain.errors import AccessDenied, FetchFailed, InvalidInput, RoleMissing
from app.domain.news import Article, Classification, Excerpt, IngestReport, Source
from app.ml.executor import Priority
from app.ml.sentiment import SentimentClassifier
from app.services.letters import odds, percent, web_link
from app.storage.alerts import Alerts
from app.storage.article_corrections import ArticleCorrections
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.outbox import Outbox
from app.storage.sources import Sources
from app.storage.watchlist import Watchlist
from app.ui.analyst.alerts import render_evidence
from app.ui.analyst.articles import Filters, render_articles
from app.ui.analyst.classify import classify_text, explain_text
from app.ui.analyst.desk import Desk
from app.ui.analyst.overview import changes_since, render_overview
from app.ui.analyst.sources import act_on_source, add_source, render_sources
from app.ui.analyst.trends import bucket_start, draw_trends
from app.ui.views import Views
from tests import fakes

NOW = datetime(2025, 11, 24, 9, 0, tzinfo=UTC)


class Gathering:
    """Reads ten items from every source but those whose address says 'broken'."""

    def run(self, sources: Sequence[Source]) -> IngestReport:
        broken = {source.name: "The server answered 404." for source in sources if "broken" in source.url}
        return IngestReport(len(sources), fetched=10, new=7, duplicates=3, errors=broken)


@pytest.fixture
def desk(database: Database) -> Desk:
    services: Any = SimpleNamespace(
        settings=load_settings(),
        articles=Articles(database),
        alerts=Alerts(database),
        outbox=Outbox(database),
        sources=Sources(database),
        gathering=Gathering(),
        watchlist=Watchlist(database),
        article_corrections=ArticleCorrections(database),
        classifier=Classifier(),
        sample=SimpleNamespace(remove=Articles(database).remove_sample),
    )
    return Desk(services, Views("Asia/Shanghai"), lambda request: request, lambda: NOW)


def person(role: AccountRole) -> Any:
    return Account(1, "ada", role)


class Classifier:
    """By keyword, with `scores` in place of its own when they are set; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Excerpt] = []
        self.scores: dict[str, float] | None = None

    def classify(self, texts: Sequence[Excerpt], priority: Priority) -> list[Classification]:
        self.asked += texts
        return [replace(r, scores=self.scores or r.scores) for r in fakes.classify(texts)]


def store(desk: Desk, number: int, title: str, hours_ago: float = 1, **changes: Any) -> int:
    reading = replace(fakes.classify([title])[0], **changes)
    at = NOW - timedelta(hours=hours_ago)
    text = "Text of several sentences, of which one or the other decides. " * 2
    article = Article(f"https://a.example/{number}", title, text, at, "en", str(number), classification=reading)
    stored = desk.services.articles.add(article, NOW)
    assert stored is not None
    assert stored.id is not None
    return stored.id


def test_tabs_without_data_say_what_to_do(desk: Desk) -> None:
    assert "add a source under Sources" in render_overview(desk)
    assert "Add a source" in render_sources(desk)
    html, more = render_articles(desk)
    assert "No articles yet" in html
    assert not more
    assert "Loosen a filter" in render_articles(desk, Filters("cyber"))[0]
    chart, by_topic = draw_trends(desk, "", "7 days")
    assert not chart.data
    assert by_topic is None


def test_articles_show_sentiment_as_word_and_probability_in_local_time(desk: Desk) -> None:
    store(desk, 1, "Outage at the bank")
    html, _ = render_articles(desk)
    assert "negative 90 %" in html
    assert "24 Nov 2025, 16:00 CST" in html


def test_unsure_sentiment_is_marked_wherever_it_is_shown(desk: Desk) -> None:
    doubtful = {"negative": 0.59, "neutral": 0.3, "positive": 0.11}
    number = store(desk, 1, "Outage", scores=doubtful)
    store(desk, 2, "Hack", scores={"negative": 0.6, "neutral": 0.3, "positive": 0.1})
    html, _ = render_articles(desk)
    assert html.count(">unsure<") == 1
    alert = Alert("cyber", NOW, NOW, "high", 6, 0.5, 1e-9, 3, (number,), id=1)
    assert ">unsure<" in render_evidence(desk, alert)
    strict = replace(desk, views=Views("UTC", unsure_below=0.7))
    assert render_articles(strict)[0].count(">unsure<") == 2
    desk.services.classifier.scores = doubtful
    assert ">unsure<" in classify_text(desk, "Outage")
    desk.services.classifier.scores = None
    assert ">unsure<" not in classify_text(desk, "Outage")


def test_article_shows_all_its_topics_and_what_decided(desk: Desk) -> None:
    scores = {"cyber": 0.4, "customers": 0.35, "other": 0.25}
    number = store(desk, 1, "Outage <now>", topic_scores=scores, deciding=("Outage <now>", "Tills <b>failed</b>."))
    alert = Alert("customers", NOW, NOW, "high", 6, 0.5, 1e-9, 3, (number,), id=1)
    listed, evidence = render_articles(desk, Filters("customers"))[0], render_evidence(desk, alert)
    for html in (listed, evidence):
        assert "Cyber and outage</span>" in html
        assert "Customer complaints</span>" in html
        assert "Other</span>" not in html
    assert "Tills &lt;b&gt;failed&lt;/b&gt;.</blockquote>" in evidence
    assert evidence.count("<blockquote") == 1, "the title stands above"


def test_article_of_two_topics_is_one_article_of_the_overview(desk: Desk) -> None:
    store(desk, 1, "Outage", topic_scores={"cyber": 0.5, "customers": 0.4, "other": 0.1})
    store(desk, 2, "A record month")
    html = render_overview(desk)
    assert '<div class="bw-figure">2</div><div class="bw-small bw-soft">articles</div>' in html
    assert '<div class="bw-figure">50 %</div>' in html
    assert "Customer complaints" in html


def test_titles_of_topics_are_those_of_the_classifier(desk: Desk) -> None:
    store(desk, 1, "Outage")
    own = replace(desk, views=Views("UTC", {"cyber": "IT incidents", "other": "Rest"}))
    assert "IT incidents" in render_articles(own)[0]
    assert "IT incidents" in render_overview(own)
    _, by_topic = draw_trends(own, "", "7 days")
    assert by_topic is not None
    assert list(by_topic.data[0].y) == ["IT incidents"]


def test_classify_box_asks_towards_a_company(desk: Desk) -> None:
    html = classify_text(desk, "Outage at A", "  <b>Copper\n line ")
    assert "towards &lt;b&gt;Copper line" in html
    assert desk.services.classifier.asked[-1] == Excerpt("Outage at A", "<b>Copper line")
    assert "towards" not in classify_text(desk, "Outage at A")
    assert desk.services.classifier.asked[-1] == Excerpt("Outage at A")
    with pytest.raises(InvalidInput):
        classify_text(desk, "  ", "Copperline")


def test_articles_escape_what_the_press_wrote(desk: Desk) -> None:
    store(desk, 1, "<img src=x onerror=alert(1)>")
    html, _ = render_articles(desk)
    assert "<img" not in html


def test_articles_turn_pages(desk: Desk) -> None:
    for number in range(26):
        store(desk, number, f"Headline {number}", hours_ago=number)
    first, more = render_articles(desk)
    assert more
    assert "Headline 0<" in first
    second, more = render_articles(desk, page=1)
    assert not more
    assert "Headline 25<" in second


def test_evidence_tells_how_each_mail_fared(desk: Desk) -> None:
    found = Alert("cyber", NOW, NOW, "high", 6, 0.5, 1e-9, 3, (store(desk, 1, "Outage"),))
    alert = desk.services.alerts.create(found, [Notice("alert", ["desk@bank.example"])], NOW, "bank.example")
    assert alert is not None
    [delivery] = desk.services.outbox.due(NOW)
    assert delivery.id is not None
    desk.services.outbox.record_failure(delivery.id, "not sent: no mail server configured", NOW)
    html = render_evidence(desk, alert)
    assert "desk@bank.example" in html
    assert "not sent: no mail server configured (1 attempt)" in html
    assert "Outage" in html
    assert "6 negative articles" in render_overview(desk)


def test_add_source_fetches_it_at_once(desk: Desk) -> None:
    words = add_source(desk, " https://a.example/feed ", "", "auto", 15, keep=False)
    assert words == "Added “a.example”. 10 items read, 7 new articles, 3 known or repeated."


def test_add_source_that_fails_is_taken_back_unless_kept(desk: Desk) -> None:
    with pytest.raises(FetchFailed, match=r"Not added.*404"):
        add_source(desk, "https://broken.example/", "", "auto", 15, keep=False)
    assert not desk.services.sources.list()
    assert "could not be fetched yet" in add_source(desk, "https://broken.example/", "", "auto", 15, keep=True)
    assert len(desk.services.sources.list()) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "FILE:/etc/passwd", "ftp://a.example/", "a.example", ""])
def test_add_source_other_than_web_is_refused(desk: Desk, url: str) -> None:
    with pytest.raises(InvalidInput, match="http"):
        add_source(desk, url, "", "auto", 15, keep=True)


def test_sources_are_changed_by_administrators_only(desk: Desk) -> None:
    source = desk.services.sources.add("A", "https://a.example/")
    with pytest.raises(RoleMissing):
        act_on_source(desk, person(AccountRole.ANALYST), "pause", source.id)
    administrator = person(AccountRole.ADMINISTRATOR)
    act_on_source(desk, administrator, "pause", source.id)
    assert "paused" in render_sources(desk)
    act_on_source(desk, administrator, "resume", source.id)
    act_on_source(desk, administrator, "remove", source.id)
    assert not desk.services.sources.list()
    with pytest.raises(InvalidInput):
        act_on_source(desk, administrator, "explode", source.id)


def test_action_after_the_session_ended_is_refused(desk: Desk) -> None:
    def nobody(_request: Any) -> Account:
        raise AccessDenied("You are not signed in.")

    late = Desk(desk.services, desk.views, nobody, desk.clock)
    with pytest.raises(AccessDenied):
        act_on_source(late, person(AccountRole.ADMINISTRATOR), "remove", 1)


def test_changes_since_puts_the_largest_rise_first() -> None:
    today = {"cyber": {"negative": 6, "neutral": 1}, "deals": {"negative": 3}, "macro": {"positive": 9}}
    changes = changes_since(today, {"deals": {"negative": 21}})
    assert [change.topic for change in changes] == ["cyber", "macro", "deals"]
    assert [change.unusual for change in changes] == [True, False, False]


def test_bucket_start_counts_from_local_midnight() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    assert bucket_start(NOW, 24, shanghai) == datetime(2025, 11, 23, 16, 0, tzinfo=UTC)
    assert bucket_start(NOW, 6, shanghai) == datetime(2025, 11, 24, 4, 0, tzinfo=UTC)


def test_numbers_are_put_into_words_without_hiding_doubt() -> None:
    assert [percent(share) for share in (0, 0.001, 0.934, 0.999, 1)] == ["0 %", "< 1 %", "93 %", "> 99 %", "100 %"]
    assert odds(1 / 21_437, "en") == "about 1 in 21,000"
    assert odds(1e-30, "en") == "less than 1 in a trillion"
    assert odds(0, "en") == "less than 1 in a trillion"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x"])
def test_web_link_leads_nowhere_else(url: str) -> None:
    assert web_link(url) == ""
    assert web_link("https://a.example/") == "https://a.example/"


def test_explain_text_marks_words_of_the_text_and_escapes_it(desk: Desk, tiny_backbone) -> None:
    real = SimpleNamespace(classifier=SentimentClassifier(tiny_backbone, None))
    html = explain_text(Desk(real, desk.views, lambda request: request, lambda: NOW), "Outage <b> at A", "A")
    assert "&lt;" in html
    assert "<b>" not in html
    assert "<figcaption" in html


def test_article_does_not_repeat_a_short_text_as_what_decided(desk: Desk) -> None:
    short = "Text of several sentences, of which one or the other decides. " * 2
    number = store(desk, 1, "Outage", deciding=(" ".join(short.split()),))
    html = render_evidence(desk, Alert("cyber", NOW, NOW, "high", 6, 0.5, 1e-9, 3, (number,), id=1))
    assert "What decided" not in html
