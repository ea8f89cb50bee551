"""An alert as a mail: plain text and HTML that say the same."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.domain.alerts import Alert
from app.domain.news import TOPICS, Article

MAX_ARTICLES = 25
DASHBOARD = "/analyst"


def render_alert(
    alert: Alert,
    articles: Sequence[Article],
    message_id: str,
    mail_from: str,
    recipient: str,
    public_url: str,
    time_zone: str = "UTC",
) -> EmailMessage:
    """One mail to one recipient, without a Date. Articles come in the order of their publication."""
    topic = TOPICS.get(alert.topic, alert.topic.capitalize())
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

    environment.filters.update(local_time=local_time, one_line=_one_line, web_link=_web_link)
    return environment


def _one_line(text: str) -> str:
    """Text without line breaks or control characters, which could pass for other parts of the mail."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _web_link(url: str) -> str:
    """The address if a browser may be sent there, else nothing."""
    return url if urlsplit(url).scheme in ("http", "https") else ""
