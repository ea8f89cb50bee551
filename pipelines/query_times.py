"""The queries of the analysts' pages and of the detector, and how long each takes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from app.domain.alerts import AlertState
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.jobs import JobRuns
from app.storage.outbox import Outbox

DAY = timedelta(days=1)
REPEATS = 20
Query = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """Milliseconds of repeated calls. On a machine with other work the processor's time says more."""

    p50: float
    p95: float
    cpu_p50: float
    cpu_p95: float


def page_queries(database: Database, now: datetime, topic: str, company: str) -> dict[str, Query]:
    """What the pages ask for, each as it asks, with a topic and a company that occur."""
    articles, alerts, recent = Articles(database), Alerts(database), Articles(database).recent
    month = now - 30 * DAY
    searches = {
        "frequent word": "outage", "two words": "harbour outage", "rare word": "gorquin", "no match": "xylophone",
        "part of a word": "quiros", "Chinese": "数据泄露", "two Chinese characters": "泄露",
        "one Chinese character": "泄",
    }  # fmt: skip
    newest = [a.id for a in recent(40) if a.id is not None]
    return {
        "count": articles.count,
        "topic_counts, a day": partial(articles.topic_counts, now - DAY, now),
        "topic_counts, 28 days": partial(articles.topic_counts, now - 29 * DAY, now - DAY),
        "entity_counts, 28 days": partial(articles.entity_counts, now - 29 * DAY, now - DAY),
        "trend, a day": partial(articles.trend, now - DAY, now, 24),
        "trend, 30 days": partial(articles.trend, month, now, 24),
        "trend, 90 days": partial(articles.trend, now - 90 * DAY, now, 24),
        "trend, 30 days, one topic": partial(articles.trend, month, now, 24, topic),
        "topic_trends, 30 days": partial(articles.topic_trends, month, now, 24),
        "trend, 30 days, one company": partial(articles.trend, month, now, 24, None, company),
        "recent": partial(recent, 26),
        "recent, page 100": partial(recent, 26, 2500),
        "recent, one topic": partial(recent, 26, topic=topic),
        "recent, one topic, page 100": partial(recent, 26, 2500, topic=topic),
        "recent, one company": partial(recent, 26, entity=company),
        "recent, one company, Chinese, negative": partial(
            recent, 26, entity=company, language="zh", sentiment="negative"
        ),
        "recent, Chinese, negative": partial(recent, 26, language="zh", sentiment="negative"),
        "recent, positive (none)": partial(recent, 26, sentiment="positive"),
        **{f"search, {name}": partial(recent, 26, search=text) for name, text in searches.items()},
        "stories of 40 articles": partial(articles.stories, newest),
        "mentions, 7 days": partial(articles.mentions, now - 7 * DAY),
        "mentions, 35 days": partial(articles.mentions, now - 35 * DAY),
        "entity_mentions, 35 days": partial(articles.entity_mentions, now - 35 * DAY),
        "alerts, open": partial(alerts.list, state=AlertState.OPEN),
        "alerts, 200": partial(alerts.list, 200),
        "deliveries by state": Outbox(database).counts,
        "job runs": JobRuns(database).recent,
    }


def measured(queries: Mapping[str, Query], repeats: int = REPEATS) -> dict[str, Times]:
    """Each query `repeats` times in turn with the others, so that none profits from having just run."""
    taken: dict[str, list[float]] = {name: [] for name in queries}
    used: dict[str, list[float]] = {name: [] for name in queries}
    for _ in range(repeats):
        for name, query in queries.items():
            begun, processor = time.perf_counter(), time.thread_time()
            query()
            taken[name].append(1000 * (time.perf_counter() - begun))
            used[name].append(1000 * (time.thread_time() - processor))
    return {
        name: Times(*(_quantile(times[name], share) for times in (taken, used) for share in (0.5, 0.95)))
        for name in queries
    }


def _quantile(values: list[float], share: float) -> float:
    """The nearest rank."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
