"""The process killed at every step between fetch and mail: each article once, each alert mailed once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app.domain.alerts import AlertPolicy, DeliveryState
from app.storage.database import open_database
from tests.fakes import ManualClock
from tests.monitoring import RECIPIENTS, Inbox, Monitoring, Site, burst_items, calm_items, rss, smtp_server

NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
PROCESS = Path(__file__).with_name("dying_process.py")
TAKEN = "the mail is taken, the answer is not sent"
FLOW = [(0, "fetch"), (0, "detect"), (3, "follow_up"), (3, "deliver")]
AGAIN = [(10, "fetch"), (10, "detect"), (13, "follow_up"), (13, "deliver"), (40, "deliver"), (90, "deliver")]


class WatchedInbox(Inbox):
    """Kills `victim`, where one is set, when it has got as far as `stage` with its first mail."""

    def __init__(self) -> None:
        super().__init__()
        self.stage, self.victim, self.known = "", 0, Event()

    def _kill(self, stage: str) -> None:
        if stage == self.stage:
            self.known.wait(30)
            self.stage = ""
            os.kill(self.victim, signal.SIGKILL)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        self._kill("the recipient is named")
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        self._kill(TAKEN)
        return answer


@dataclass
class Scene:
    """A database in which a week was calm, a feed with a burst, a mail server, and a process to kill."""

    folder: Path
    backbone: Path
    feed: str
    inbox: WatchedInbox
    port: int
    process: "subprocess.Popen[str]"

    def __post_init__(self) -> None:
        clock = ManualClock(NOW - timedelta(minutes=30))
        self.base = self.folder / "base.db"
        with_calm = Monitoring(open_database(f"sqlite:///{self.base}"), clock)
        with_calm.ingestion.store(calm_items(clock.now), None)
        with_calm.sources.add("Courier", self.feed)
        with_calm.articles._database.close()

    def run(self, name: str, kill_at: int = 0, stage: str = "") -> tuple[Path, list[str]]:
        """Run the flow on a copy of the database; the copy, and the steps that were reached."""
        copy = self.folder / f"{name}.db"
        shutil.copy(self.base, copy)
        self.inbox.mails.clear()
        self.inbox.stage = stage
        self.inbox.known.clear()
        steps = copy.with_suffix(".steps")
        order = {
            "database": f"sqlite:///{copy}", "port": self.port, "backbone": str(self.backbone),
            "cache": str(self.folder / "cache"), "begin": NOW.isoformat(), "jobs": FLOW, "kill_at": kill_at,
            "steps": str(steps),
        }  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        self.inbox.victim = self._read()["pid"]
        self.inbox.known.set()
        ended = self._read()
        killed = bool(kill_at or stage)
        assert ended == {"signal": signal.SIGKILL if killed else 0, "exit": -1 if killed else 0}, name
        return copy, steps.read_text(encoding="utf-8").splitlines()

    def _read(self) -> dict[str, int]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def restart(self, database: Path) -> Monitoring:
        """What another process does afterwards."""
        clock = ManualClock(NOW)
        parts = Monitoring(
            open_database(f"sqlite:///{database}"), clock, smtp_port=self.port, holder="the next process",
            alert_policy=AlertPolicy(),
        )  # fmt: skip
        for minutes, job in AGAIN:
            clock.now = NOW + timedelta(minutes=minutes)
            parts.scheduler.run_now(job)
        return parts


@pytest.fixture(scope="module")
def scene(tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    site, inbox = Site(), WatchedInbox()
    feed = site.publish("/feed", rss(calm_items(NOW - timedelta(minutes=30)) + burst_items(NOW, 6)))
    process = subprocess.Popen(
        [sys.executable, str(PROCESS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    with smtp_server(inbox) as port:
        yield Scene(tmp_path_factory.mktemp("kill"), tiny_backbone_folder, feed, inbox, port, process)
    process.kill()
    process.communicate()
    site.close()


def check(scene: Scene, database: Path, where: str) -> None:
    """After a restart everything is there once; a mail that was taken and not recorded as sent comes once more."""
    taken = Counter(message["Message-ID"] for _, message in scene.inbox.mails)
    before = Monitoring(open_database(f"sqlite:///{database}"), ManualClock(NOW))
    recorded = {d.message_id for d in before.outbox.recent() if d.state is DeliveryState.SENT}
    before.articles._database.close()
    in_doubt = set(taken) - recorded
    assert len(in_doubt) <= 1, where
    parts = scene.restart(database)
    wanted = {item.url for item in [*calm_items(NOW - timedelta(minutes=30)), *burst_items(NOW, 6)]}
    stored = Counter(article.url for article in parts.articles.recent(1000, include_duplicates=True))
    assert stored == Counter(wanted), where
    (alert,) = parts.alerts.list()
    burst = {article.url for article in parts.articles.by_ids(alert.article_ids)}
    assert burst >= {item.url for item in burst_items(NOW, 6)}, where
    sent = parts.outbox.for_alert(alert.id or 0)
    assert sorted((d.recipient, d.state) for d in sent) == [(r, DeliveryState.SENT) for r in RECIPIENTS], where
    mails = Counter((recipient, message["Message-ID"]) for recipient, message in scene.inbox.mails)
    assert set(mails) == {(d.recipient, d.message_id) for d in sent}, where
    assert mails == Counter({key: 1 + (key[1] in in_doubt) for key in mails}), where
    assert all(run.ended_at for run in parts.job_runs.recent(1000)), where
    parts.articles._database.close()
    database.unlink()


def worth_killing_at(steps: list[str]) -> dict[int, str]:
    """Number and name of each step; of one that each article repeats, the first, the middle and the last."""
    places: dict[str, list[int]] = {}
    for number, name in enumerate(steps, 1):
        places.setdefault(name, []).append(number)
    return {n: name for name, found in places.items() for n in {found[0], found[len(found) // 2], found[-1]}}


@pytest.fixture(scope="module")
def steps(scene: Scene) -> list[str]:
    """The steps of a flow that nobody kills."""
    whole, steps = scene.run("whole")
    assert len(scene.inbox.mails) == 2
    check(scene, whole, "nowhere")
    return steps


@pytest.mark.parametrize("job", ["fetch", "detect", "follow_up", "deliver"])
def test_kill_at_every_step_loses_and_repeats_nothing(scene: Scene, steps: list[str], job: str) -> None:
    passed = " ".join(steps)
    for step in ("fetch: after the fetch", "the model has read", "commit of INSERT articles", "UPDATE sources"):
        assert step in passed
    for step in (
        "detect: before the commit of INSERT alerts",
        "deliver: after the mail is sent",
        "UPDATE deliveries",
    ):
        assert step in passed
    chosen = {number: name for number, name in worth_killing_at(steps).items() if name.startswith(f"{job}:")}
    assert len(chosen) >= 4
    for number, name in chosen.items():
        database, reached = scene.run(f"{job}-{number}", kill_at=number)
        assert reached == steps[:number]
        check(scene, database, f"killed at step {number}, {name}")


@pytest.mark.parametrize("stage", ["the recipient is named", TAKEN])
def test_kill_in_the_middle_of_a_mail_loses_nothing(scene: Scene, stage: str) -> None:
    database, _ = scene.run("mail", stage=stage)
    assert len(scene.inbox.mails) == (stage == TAKEN)
    check(scene, database, stage)
