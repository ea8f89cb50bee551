"""Fragments of HTML from the templates beside this module. Everything put into them is escaped."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.domain.news import TOPICS, UNSURE_BELOW, Article, Source, topic_title
from app.domain.subscriptions import shown
from app.services.letters import odds, percent, web_link

MOST_OF_A_TEXT = 0.8
TEMPLATES = Path(__file__).parent / "templates"


class Views:
    """Renders templates, with times in one zone, the titles of topics, and a sign where a sentiment is unsure."""

    def __init__(
        self, time_zone: str, topics: Mapping[str, str] = TOPICS, unsure_below: float = UNSURE_BELOW
    ) -> None:
        self.zone, self.topics, self.unsure_below = ZoneInfo(time_zone), topics, unsure_below
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            local_time=self.local_time,
            percent=percent,
            topic=self.topic,
            web_link=web_link,
            odds=lambda p_value: odds(p_value, "en"),
            quotes=quotes,
            shown=shown,
            next_visit=next_visit,
        )
        self._environment.tests["unsure"] = self.unsure

    def render(self, template: str, **values: Any) -> str:
        """The template's HTML."""
        return self._environment.get_template(template).render(**values)

    def empty(self, title: str, hint: str) -> str:
        """An empty state: what is missing and what to do."""
        return self.render("empty.html", title=title, hint=hint)

    def topic(self, key: str) -> str:
        """A topic's title."""
        return topic_title(key, self.topics)

    def unsure(self, probability: float) -> bool:
        """Whether a sentiment of this probability is worth a doubt."""
        return probability < self.unsure_below

    def local_time(self, moment: datetime | None) -> str:
        """Such as '24 Nov 2025, 14:05 CET'; 'never' for None."""
        return moment.astimezone(self.zone).strftime("%d %b %Y, %H:%M %Z") if moment else "never"


def next_visit(source: Source) -> datetime | None:
    """When a source is visited next, at the earliest; None for one that nobody visits, or that was not yet."""
    if not source.enabled or source.sample or source.kind == "push" or source.last_fetched_at is None:
        return None
    due = source.last_fetched_at + timedelta(minutes=source.interval_minutes)
    return max(due, source.next_visit_at or due)


def quotes(article: Article) -> list[str]:
    """What decided an article's sentiment, but for the title and nearly the whole text: they are shown anyway."""
    deciding = article.classification.deciding if article.classification else ()
    shown, length = " ".join(article.title.split()), len(" ".join(article.text.split()))
    return [quote for quote in deciding if quote != shown and len(quote) < MOST_OF_A_TEXT * length]
