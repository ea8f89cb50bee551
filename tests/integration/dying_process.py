"""A process that does the monitoring and kills its children: one order a line on standard input.

Each order is run in a fork, so that the libraries are loaded once: the real flow from feed to mail, whose articles
a small model reads, with `jobs` at minutes after `begin`. At its step number `kill_at` (from 1; 0: never) the fork
kills itself as a power failure would. Prints {"pid": N}, then {"signal": N, "exit": N} when the fork has ended;
the names of its steps are in the file `steps`.
"""

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event

from app.domain.alerts import AlertPolicy
from app.domain.news import Article, Classification
from app.ml.article_classifier import ArticleClassifier
from app.ml.backbone import Backbone
from app.ml.sentiment import SentimentClassifier
from app.storage.database import Database, open_database
from tests.fakes import ManualClock, classify_articles
from tests.monitoring import Monitoring


class Steps:
    """Counts the steps, and ends the process at one of them."""

    def __init__(self, kill_at: int, file: str) -> None:
        self._kill_at, self._file = kill_at, file
        self._count, self._lock = 0, threading.Lock()
        self.job = ""

    def reach(self, name: str) -> None:
        with self._lock:
            self._count += 1
            with open(self._file, "a", encoding="utf-8") as file:
                file.write(f"{self.job}: {name}\n")
            if self._count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **options: Any) -> Any:
            self.reach(f"before {name}")
            result = call(*arguments, **options)
            self.reach(f"after {name}")
            return result

        return stepped


def step_at_commits(database: Database, steps: Steps) -> None:
    """A step before and after each commit that has changed something, named by its first change."""
    changes: dict[int, str] = {}

    @event.listens_for(database.engine, "after_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        words = statement.split()
        if words[0] in ("INSERT", "UPDATE", "DELETE") and not words[2].startswith("article_search"):
            table = words[1] if words[0] == "UPDATE" else words[2]
            changes.setdefault(id(connection.connection.driver_connection), f"{words[0]} {table}")

    commit = database.engine.dialect.do_commit

    def stepped(connection: Any) -> None:
        driver = getattr(connection, "driver_connection", connection)
        change = changes.pop(id(driver), None)
        if change:
            steps.reach(f"before the commit of {change}")
        commit(connection)
        if change:
            steps.reach(f"after the commit of {change}")

    database.engine.dialect.do_commit = stepped  # type: ignore[method-assign]


def read_by(backbone: str, cache: str, steps: Steps) -> Callable[[Sequence[Article]], list[Classification]]:
    """The model reads; what it says is chance, so the keywords have the last word."""
    model = ArticleClassifier(SentimentClassifier(Backbone.load(backbone, cache, dtype="float32", threads=1), None))  # type: ignore[arg-type]
    stepped = steps.around("the model has read", model.classify_articles)

    def classify(articles: Sequence[Article]) -> list[Classification]:
        assert len(stepped(articles)) == len(articles)
        return classify_articles(articles)

    return classify


def run(order: dict[str, Any]) -> None:
    """The flow, up to its end or that of the process."""
    steps = Steps(order["kill_at"], order["steps"])
    clock = ManualClock(datetime.fromisoformat(order["begin"]))
    database = open_database(order["database"])
    parts = Monitoring(
        database, clock, smtp_port=order["port"], holder=f"process {os.getpid()}", alert_policy=AlertPolicy()
    )
    parts.ingestion._classify = read_by(order["backbone"], order["cache"], steps)
    parts.gathering._fetcher.fetch = steps.around("the fetch", parts.gathering._fetcher.fetch)  # type: ignore[method-assign]
    mailer = parts.delivering._mailer
    assert mailer is not None
    mailer.send = steps.around("the mail is sent", mailer.send)  # type: ignore[method-assign]
    step_at_commits(database, steps)
    begin = clock.now
    for minutes, job in order["jobs"]:
        clock.now, steps.job = begin + timedelta(minutes=minutes), job
        parts.scheduler.run_now(job)


def say(values: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run(json.loads(line))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        say({"pid": child})
        _, status = os.waitpid(child, 0)
        ended = {
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
        }
        say(ended)


if __name__ == "__main__":
    main()
