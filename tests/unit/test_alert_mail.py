"""What a recipient reads when an alert comes in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from app.domain.alerts import Alert, AlertState
from app.domain.news import Article, Classification, Sentiment, Story
from app.domain.subscriptions import Subscription
from app.services.alert_mail import MAX_OUTLETS, MAX_STORIES, AlertLinks, write_alert
from app.services.letters import MAX_CHAT_CHARS, MAX_QUOTE_CHARS, Letter, as_mail, web_link

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ALERT = Alert("cyber", AT - timedelta(hours=2), AT, "high", 12, 1.32, 3.2e-9, 12, (1, 2), id=7, stories=12)
READING = Classification(Sentiment.NEGATIVE, {"negative": 0.973, "neutral": 0.02, "positive": 0.007}, "cyber", {})
FIRST = Article(
    url="https://ledger-post.example/1",
    title="Copperline <b>goes dark</b> & customers wait",
    text="...",
    published_at=AT - timedelta(hours=1),
    language="en",
    content_hash="h1",
    outlet="The Ledger Post",
    id=1,
    classification=READING,
)
SECOND = replace(
    FIRST, id=2, title="铜线银行确认数据泄露", url="https://jianghai.example/2", outlet="江海财经", published_at=AT
)
READER = Subscription("desk@larkmoor.example")
LINKS = AlertLinks(
    "https://watch.larkmoor.example/mail/alert/one",
    "https://watch.larkmoor.example/mail/alert/two",
    "https://watch.larkmoor.example/analyst",
    "https://watch.larkmoor.example/mail/settings/three",
)


def told_once(*articles: Article) -> list[Story]:
    return [Story(article, (article,)) for article in articles]


def letter(*articles: Article, alert: Alert = ALERT, **changes: Any) -> Letter:
    values = {"reader": READER, "links": LINKS, "stories": told_once(*articles), **changes}
    return write_alert(alert, **values)


def render(*articles: Article, alert: Alert = ALERT, **changes: Any) -> EmailMessage:
    written = letter(*articles, alert=alert, **changes)
    mail = as_mail(written, "Watch <watch@larkmoor.example>", READER.recipient, "<alert-7@larkmoor.example>", AT)
    return message_from_bytes(mail.as_bytes(policy=policy.SMTP), policy=policy.default)  # type: ignore[return-value]


def parts(message: EmailMessage) -> tuple[str, str]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content().replace("\r\n", "\n"), html.get_content()


def test_headers_say_what_happened_and_to_whom() -> None:
    message = render(FIRST, SECOND)
    assert (
        message["Subject"]
        == "[Bellwether] Negative coverage spike: Cyber and outage (12 negative articles, 1.3 expected)"
    )
    assert message["From"] == "Watch <watch@larkmoor.example>"
    assert message["To"] == "desk@larkmoor.example"
    assert message["Message-ID"] == "<alert-7@larkmoor.example>"
    assert message["Date"] == "Mon, 02 Mar 2026 09:30:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] == "<https://watch.larkmoor.example/mail/settings/three>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message.get_content_type() == "multipart/alternative"


def test_both_parts_list_the_stories_in_the_order_of_publication() -> None:
    for part in parts(render(SECOND, FIRST)):
        assert "97 %" in part
        assert "negative" in part
        assert "02 Mar 2026, 08:30 UTC" in part
        assert "https://ledger-post.example/1" in part
        assert "https://watch.larkmoor.example/analyst" in part
        assert part.index("The Ledger Post") < part.index("铜线银行确认数据泄露") < part.index("江海财经")


def test_copies_of_a_story_are_counted_and_their_outlets_named() -> None:
    outlets = ["The Ledger Post", *(f"Outlet {n}" for n in range(11))]
    story = Story(FIRST, tuple(replace(FIRST, id=n, outlet=name) for n, name in enumerate(outlets, 1)))
    message = render(stories=[story], alert=replace(ALERT, stories=1))
    assert message["Subject"].endswith("(12 copies of 1 story, 1.3 expected)")
    for part in parts(message):
        assert "12 copies of 1 story" in part
        assert "12 copies of this story: The Ledger Post, Outlet 0" in part
        assert f"and {12 - MAX_OUTLETS} more" in part
        assert part.count("ledger-post.example/1") == 1


def test_picture_is_inside_the_mail_and_where_the_html_asks_for_it() -> None:
    message = render(FIRST, chart=b"\x89PNG picture", chart_hours=3)
    (image,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert image.get_content() == b"\x89PNG picture"
    assert image["Content-Disposition"].startswith("inline")
    _, html = parts(message)
    assert f'src="cid:{image["Content-ID"].strip("<>")}"' in html
    assert "per three hours" in html
    assert "1.3 expected" in html, "in words for those who see no picture"
    assert not [part for part in render(FIRST).walk() if part.get_content_maintype() == "image"]


def test_stories_without_which_there_would_be_no_alert_are_marked() -> None:
    for part in parts(render(FIRST, SECOND, alert=replace(ALERT, decisive=(2,)))):
        assert "Without the story marked ◆ this alert would not have been raised." in part
        assert part.count("◆") == 2
        assert part.index("goes dark") < part.index("◆") < part.index("铜线银行")
    assert "◆" not in parts(render(FIRST))[0]


def test_times_and_words_are_those_of_the_reader() -> None:
    reader = replace(READER, language="zh", time_zone="Asia/Shanghai")
    message = render(
        FIRST, alert=replace(ALERT, state=AlertState.ACKNOWLEDGED, acknowledged_by="mei"), reader=reader
    )
    assert message["Subject"] == "[Bellwether] 负面报道激增：网络安全与故障 (12 篇负面报道，预期 1.3 篇)"
    for part in parts(message):
        assert "2026-03-02 16:30 CST" in part
        assert "严重程度: 高" in part
        assert "已确认（mei）" in part
        assert "负面" in part
        assert "negative" not in part.partition("<body>")[2].replace('class="negative"', "")
    assert 'lang="zh-Hans"' in parts(message)[1]


@pytest.mark.parametrize(
    ("kind", "words"), [("update", "Update, negative"), ("escalation", "Not acknowledged, negative")]
)
def test_kinds_of_message_are_told_apart(kind: str, words: str) -> None:
    message = render(FIRST, kind=kind)
    assert words in message["Subject"]
    for part in parts(message):
        assert ("Nobody has acknowledged this alert since 02 Mar 2026, 09:30 UTC." in part) is (
            kind == "escalation"
        )


def test_company_is_the_subject_of_an_alert_on_it() -> None:
    message = render(FIRST, alert=replace(ALERT, topic="", entity="Copperline\r\nBcc: x@y.example"))
    assert "spike: Copperline Bcc: x@y.example (" in message["Subject"]
    assert message["Bcc"] is None


def test_links_to_act_are_there_only_with_an_address_to_lead_to() -> None:
    for part in parts(render(FIRST)):
        assert LINKS.acknowledge in part
        assert LINKS.silence in part
        assert LINKS.settings in part
    without = render(FIRST, links=AlertLinks())
    assert without["List-Unsubscribe"] is None
    for part in parts(without):
        assert "dashboard" not in part.partition("<body>")[2] + part.partition("<body>")[0]
        assert "Acknowledge" not in part
        assert "12 negative articles" in part


def test_markup_in_a_title_is_shown_and_not_obeyed() -> None:
    text, html = parts(render(FIRST))
    assert FIRST.title in text
    assert "<b>goes" not in html
    assert "&lt;b&gt;goes dark&lt;/b&gt; &amp; customers wait" in html


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://a.example/\r\nSeverity: none"]
)
def test_addresses_that_run_code_or_fake_lines_are_no_links(url: str) -> None:
    assert web_link(url) == ""
    for part in parts(render(replace(FIRST, url=url))):
        assert url not in part
        assert "goes dark" in part


def test_line_breaks_in_a_title_cannot_fake_other_lines() -> None:
    text, _ = parts(render(replace(FIRST, title="Real\r\n--\r\nSeverity: none\x07")))
    assert "* Real -- Severity: none" in text.splitlines()


def test_long_lists_are_cut_and_say_so() -> None:
    many = [replace(FIRST, id=i, url=f"https://ledger-post.example/{i}") for i in range(MAX_STORIES + 4)]
    written = letter(*many)
    for part in (written.text, written.html):
        assert "and 4 more" in part
        assert part.count("The Ledger Post") == MAX_STORIES
    assert len(letter(*(replace(a, title="long " * 400) for a in many)).short) <= MAX_CHAT_CHARS


def test_what_decided_stands_under_its_article_in_both_parts() -> None:
    quotes = (FIRST.title, "Tills & <i>cards</i>\nfailed.", "又有客户无法付款。", "x" * 1000)
    decided = replace(FIRST, classification=replace(READING, deciding=quotes))
    text, html = parts(render(decided, SECOND))
    assert "  > Tills & <i>cards</i> failed.\n  > 又有客户无法付款。" in text
    assert "Tills &amp; &lt;i&gt;cards&lt;/i&gt; failed.</blockquote>" in html
    for part in (text, html):
        assert part.index("又有客户无法付款。") < part.index("江海财经")
        assert "x" * (MAX_QUOTE_CHARS - 1) + "…" in part
        assert "x" * MAX_QUOTE_CHARS not in part
    assert text.count(FIRST.title) == 1


def test_unsure_sentiment_is_called_so() -> None:
    doubtful = replace(FIRST, classification=replace(READING, scores={"negative": 0.55}))
    for part in parts(render(doubtful)):
        assert "55 % (unsure)" in part
    assert "unsure" not in parts(render(FIRST))[0]
    assert "unsure" not in parts(render(doubtful, unsure_below=0.5))[0]


def test_topic_bears_the_title_in_force() -> None:
    message = render(FIRST, topics={"cyber": "IT incidents"})
    assert "Negative coverage spike: IT incidents (" in message["Subject"]
    assert all("IT incidents" in part for part in parts(message))
    assert "Zebras" in render(alert=replace(ALERT, topic="zebras"))["Subject"]


def test_short_form_leads_to_the_stories_but_bears_no_link_that_acts() -> None:
    short = letter(FIRST, SECOND).short
    assert "12 negative articles within 12 hours" in short
    assert "https://jianghai.example/2" in short
    assert LINKS.dashboard in short
    assert LINKS.acknowledge not in short, "a channel has many readers"
