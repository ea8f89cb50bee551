"""An alert as a mail: plain text and HTML that say the same."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.domain.alerts import Alert
from app.domain.news import TOPICS, Article, topic_title

MAX_ARTICLES = 25
MAX_QUOTE_CHARS = 400
DASHBOARD = "/analyst"


def render_alert(
    alert: Alert,
    articles: Sequence[Article],
    message_id: str,
    mail_from: str,
    recipient: str,
    public_url: str,
    time_zone: str = "UTC",
    topics: Mapping[str, str] = TOPICS,
) -> EmailMessage:
    """One mail to one recipient, without a Date. Articles come in the order of their publication.

    Each comes with its sentiment's probability and what decided it; `topics` are the titles in force.
    """
    topic = topic_title(alert.topic, topics)
    in_order = sorted(articles, key=lambda article: article.published_at)
    values = {
        "alert": alert,
        "topic": topic,
        "articles": in_order[:MAX_ARTICLES],
        "more": max(0, len(in_order) - MAX_ARTICLES),
        "dashboard": f"{_web_link(public_url).rstrip('/')}{DASHBOARD}" if _web_link(public_url) else "",
    }
    environment = _environment(time_zone)
    message = EmailMessage()
    message["Subject"] = (
        f"[Bellwether] Negative coverage spike: {topic} ({alert.negatives} articles, {alert.expected:.1f} expected)"
    )
    message["From"], message["To"], message["Message-ID"] = mail_from, recipient, message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies, please
    message.set_content(environment.get_template("alert.txt.j2").render(values))
    message.add_alternative(environment.get_template("alert.html.j2").render(values), subtype="html")
    return message


def _environment(time_zone: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    zone = ZoneInfo(time_zone)

    def local_time(moment: datetime) -> str:
        return moment.astimezone(zone).strftime("%d %b %Y, %H:%M %Z")

    environment.filters.update(local_time=local_time, one_line=_one_line, web_link=_web_link, quotes=_quotes)
    return environment


def _one_line(text: str) -> str:
    """Text without line breaks or control characters, which could pass for other parts of the mail."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _quotes(article: Article) -> list[str]:
    """What decided an article's sentiment, besides the title, which stands above it anyway."""
    deciding = article.classification.deciding if article.classification else ()
    lines = [_one_line(quote) for quote in deciding]
    return [_shorten(line, MAX_QUOTE_CHARS) for line in lines if line and line != _one_line(article.title)]


def _shorten(text: str, limit: int) -> str:
    """Text of at most `limit` characters, with a sign where something is left out."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _web_link(url: str) -> str:
    """The address if a browser may be sent there, else nothing."""
    return url if urlsplit(url).scheme in ("http", "https") else ""
