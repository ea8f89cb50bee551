"""What a recipient reads when an alert comes in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from app.domain.alerts import Alert
from app.domain.news import Article, Classification, Sentiment
from app.services.alert_mail import MAX_ARTICLES, MAX_QUOTE_CHARS, render_alert

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ALERT = Alert("cyber", AT - timedelta(hours=2), AT, "high", 12, 1.32, 3.2e-9, 12, (1, 2), id=7)
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


def render(*articles: Article, alert: Alert = ALERT, **changes: Any) -> EmailMessage:
    values = {"recipient": "desk@larkmoor.example", "public_url": "https://watch.larkmoor.example/", **changes}
    mail = render_alert(alert, articles, "<alert-7@larkmoor.example>", "Watch <watch@larkmoor.example>", **values)
    return message_from_bytes(mail.as_bytes(policy=policy.SMTP), policy=policy.default)  # type: ignore[return-value]


def parts(message: EmailMessage) -> tuple[str, str]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def test_headers_say_what_happened_and_to_whom() -> None:
    message = render(FIRST, SECOND)
    assert (
        message["Subject"] == "[Bellwether] Negative coverage spike: Cyber and outage (12 articles, 1.3 expected)"
    )
    assert message["From"] == "Watch <watch@larkmoor.example>"
    assert message["To"] == "desk@larkmoor.example"
    assert message["Message-ID"] == "<alert-7@larkmoor.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"


def test_both_parts_list_the_articles_in_the_order_of_publication() -> None:
    for part in parts(render(SECOND, FIRST)):
        assert "97 %" in part
        assert "negative" in part
        assert "02 Mar 2026, 08:30 UTC" in part
        assert "https://ledger-post.example/1" in part
        assert "https://watch.larkmoor.example/analyst" in part
        assert part.index("The Ledger Post") < part.index("铜线银行确认数据泄露") < part.index("江海财经")


def test_times_are_shown_in_the_zone_chosen() -> None:
    text, html = parts(render(FIRST, time_zone="Asia/Shanghai"))
    assert "02 Mar 2026, 16:30 CST" in text
    assert "02 Mar 2026, 16:30 CST" in html


def test_markup_in_a_title_is_shown_and_not_obeyed() -> None:
    text, html = parts(render(FIRST))
    assert FIRST.title in text
    assert "<b>goes" not in html
    assert "&lt;b&gt;goes dark&lt;/b&gt; &amp; customers wait" in html


def test_addresses_that_run_code_are_no_links() -> None:
    for url in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"):
        for part in parts(render(replace(FIRST, url=url))):
            assert url not in part
            assert "goes dark" in part


def test_line_breaks_in_a_title_cannot_fake_other_lines() -> None:
    text, _ = parts(render(replace(FIRST, title="Real\r\n--\r\nSeverity: none\x07")))
    assert "* Real -- Severity: none" in text.splitlines()


def test_long_lists_are_cut_and_say_so() -> None:
    many = [replace(FIRST, id=i, url=f"https://ledger-post.example/{i}") for i in range(MAX_ARTICLES + 4)]
    for part in parts(render(*many)):
        assert "and 4 more" in part
        assert part.count("The Ledger Post") == MAX_ARTICLES


def test_mail_without_dashboard_or_articles_is_still_a_mail() -> None:
    for part in parts(render(public_url="")):
        assert "dashboard" not in part
        assert "12 negative articles" in part
    assert "Zebras" in render(alert=replace(ALERT, topic="zebras"))["Subject"]


def test_what_decided_stands_under_its_article_in_both_parts() -> None:
    quotes = (FIRST.title, "Tills & <i>cards</i>\nfailed.", "又有客户无法付款。", "x" * 1000)
    decided = replace(FIRST, classification=replace(READING, deciding=quotes))
    text, html = parts(render(decided, SECOND))
    assert "  > Tills & <i>cards</i> failed.\n  > 又有客户无法付款。" in text.replace("\r\n", "\n")
    assert "Tills &amp; &lt;i&gt;cards&lt;/i&gt; failed.</blockquote>" in html
    for part in (text, html):
        assert part.index("又有客户无法付款。") < part.index("江海财经")
        assert "x" * (MAX_QUOTE_CHARS - 1) + "…" in part
        assert "x" * MAX_QUOTE_CHARS not in part
    assert text.count(FIRST.title) == 1


def test_topic_bears_the_title_in_force() -> None:
    message = render(FIRST, topics={"cyber": "IT incidents"})
    assert "Negative coverage spike: IT incidents (" in message["Subject"]
    assert all("IT incidents" in part for part in parts(message))
