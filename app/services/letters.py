"""What is sent to one recipient, whatever way it goes: words, HTML and pictures; and how a mail is made of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.domain.news import Article
from app.domain.subscriptions import Subscription, shown
from app.services.mail_words import say, topic_in

MAX_QUOTE_CHARS = 400
MAX_CHAT_CHARS = 1800  # what the strictest of the common chat services takes in one message, with some to spare


@dataclass(frozen=True)
class Letter:
    """One message. `short` is for chat channels; `pictures` are PNG files by the name that the HTML calls them.

    `settings` is the page on which the recipient chooses what to get; without it, mails bear no such header.
    """

    subject: str
    text: str
    html: str
    short: str
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    settings: str = ""


def as_mail(letter: Letter, mail_from: str, recipient: str, message_id: str, now: datetime) -> EmailMessage:
    """A multipart mail: plain text, and HTML with its pictures inside."""
    message = EmailMessage()
    message["Subject"] = letter.subject
    message["From"], message["To"], message["Message-ID"] = mail_from, recipient, message_id
    message["Date"] = format_datetime(now)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies, please
    if letter.settings:
        message["List-Unsubscribe"] = f"<{letter.settings}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    page = message.get_payload()[-1]  # type: ignore[index]
    for name, png in letter.pictures.items():
        page.add_related(  # type: ignore[union-attr]
            png, "image", "png", cid=f"<{name}>", filename=f"{name}.png", disposition="inline"
        )
    return message


def writing_for(reader: Subscription, topics: Mapping[str, str]) -> Environment:
    """Templates in the language and the time zone of a reader; `topics` are the titles in force."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    language, zone = reader.language, ZoneInfo(reader.time_zone or "UTC")
    environment.globals.update(
        say=partial(say, language),
        language="zh-Hans" if language == "zh" else "en",
        recipient=shown(reader.recipient),
    )
    environment.filters.update(
        local_time=lambda moment: local_time(moment, zone, language),
        topic=lambda key: topic_in(language, key, topics),
        percent=percent,
        one_line=one_line,
        web_link=web_link,
        quotes=quotes,
        odds=lambda p_value: odds(p_value, language),
    )
    return environment


def local_time(moment: datetime, zone: ZoneInfo, language: str) -> str:
    """A moment in a zone, as the language writes it."""
    return moment.astimezone(zone).strftime(say(language, "date"))


def one_line(text: str) -> str:
    """Text without line breaks or control characters, which could pass for other parts of the mail."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def quotes(article: Article) -> list[str]:
    """What decided an article's sentiment, besides the title, which stands above it anyway."""
    deciding = article.classification.deciding if article.classification else ()
    lines = [one_line(quote) for quote in deciding]
    return [shorten(line, MAX_QUOTE_CHARS) for line in lines if line and line != one_line(article.title)]


def shorten(text: str, limit: int) -> str:
    """Text of at most `limit` characters, with a sign where something is left out."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def web_link(url: str) -> str:
    """The address if a browser may be sent there, else nothing."""
    try:
        return url if urlsplit(url).scheme in ("http", "https") and one_line(url) == url else ""
    except ValueError:
        return ""


def percent(share: float) -> str:
    """A share in [0, 1] as whole percent, without rounding doubt away."""
    if 0.995 <= share < 1:
        return "> 99 %"
    return "< 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def odds(p_value: float, language: str) -> str:
    """A small probability as 'about 1 in 20,000'."""
    if p_value < 1e-12:
        return say(language, "odds_least")
    inverse = 1 / p_value
    size = 10 ** max(0, math.floor(math.log10(inverse)) - 1)
    return say(language, "odds", n=f"{round(inverse / size) * size:,}")


def sender_domain(mail_from: str) -> str:
    """The domain that Message-IDs are made with."""
    return parseaddr(mail_from)[1].rpartition("@")[2] or "bellwether.invalid"
