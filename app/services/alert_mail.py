"""An alert as a letter: plain text and HTML that say the same, and a short form for chat channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.alerts import Alert
from app.domain.news import TOPICS, UNSURE_BELOW, Story
from app.domain.subscriptions import Subscription
from app.services.letters import MAX_CHAT_CHARS, Letter, one_line, shorten, web_link, writing_for
from app.services.mail_words import say, topic_in

MAX_STORIES = 20
MAX_OUTLETS = 6
CHAT_STORIES = 5
CHART = "chart@bellwether"
KINDS = ("alert", "update", "escalation")


@dataclass(frozen=True)
class AlertLinks:
    """Addresses that a mail about an alert leads to; empty ones are left out."""

    acknowledge: str = ""
    silence: str = ""
    dashboard: str = ""
    settings: str = ""


def write_alert(
    alert: Alert,
    stories: Sequence[Story],
    reader: Subscription,
    links: AlertLinks = AlertLinks(),
    kind: str = "alert",
    chart: bytes = b"",
    chart_hours: int = 1,
    topics: Mapping[str, str] = TOPICS,
    unsure_below: float = UNSURE_BELOW,
) -> Letter:
    """A letter about an alert to one reader. Stories come in the order of their first publication.

    Each comes with its sentiment's probability, what decided it, and who else printed it. `kind` is one of
    KINDS; `chart` a PNG with bars of `chart_hours`; `topics` are the titles in force. A sentiment
    less probable than `unsure_below` is called unsure.
    """
    language = reader.language
    in_order = sorted(stories, key=lambda story: story.first.published_at)
    count = alert.stories or alert.negatives
    subject = one_line(alert.entity) or topic_in(language, alert.topic, topics)
    figures = "figures_copies" if alert.negatives > count else "figures"
    said = say(language, figures, n=count, copies=alert.negatives, expected=f"{alert.expected:.1f}")
    title = say(language, kind if kind in KINDS else "alert", subject=subject)
    values = {
        "alert": alert,
        "kind": kind,
        "title": title,
        "stories": in_order[:MAX_STORIES],
        "more": max(0, len(in_order) - MAX_STORIES),
        "story_count": count,
        "decisive": set(alert.decisive),
        "links": links,
        "chart": CHART if chart else "",
        "chart_hours": chart_hours,
        "max_outlets": MAX_OUTLETS,
        "unsure_below": unsure_below,
        "chat_stories": CHAT_STORIES,
    }
    environment = writing_for(reader, topics)
    return Letter(
        subject=f"[Bellwether] {title} ({said})",
        text=environment.get_template("alert.txt.j2").render(values),
        html=environment.get_template("alert.html.j2").render(values),
        short=shorten(environment.get_template("alert.chat.j2").render(values).strip(), MAX_CHAT_CHARS),
        pictures={CHART: chart} if chart else {},
        settings=web_link(links.settings),
    )
