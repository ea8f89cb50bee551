"""Jobs: what runs at its times, how it went, and pausing, resuming or running one now."""

from typing import Any

import gradio as gr

from app.domain.jobs import JobRun
from app.services.background import Progress
from app.ui.analyst.desk import Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.operations.room import Room, unknown_button

WHAT = {
    "fetch": "Visits the sources that are due",
    "detect": "Looks for bursts of negative news",
    "follow_up": "Tells how open alerts go on",
    "deliver": "Sends the messages that wait",
    "digests": "Writes the digests that are due",
    "retention": "Removes what was kept long enough",
}
RECENT = 20


def build_jobs(room: Room) -> Refresh:
    """The tab's content."""
    listing = fragment()

    @shows_errors
    def refresh(request: gr.Request) -> str:
        room.administrator(request)
        return render_jobs(room)

    @shows_errors
    def act(request: gr.Request, event: gr.EventData) -> str:
        act_on_job(room, request, event.action)
        return render_jobs(room)

    listing.click(act, None, listing, show_progress="minimal", api_visibility="private")
    return Refresh(refresh, [], [listing])


def render_jobs(room: Room) -> str:
    """Every job at present, and the latest runs."""
    services = room.services
    task_of = services.operations.background.task
    rows = [(status, task_of(_task(status.job))) for status in services.scheduler.status()]
    return room.render(
        "jobs.html",
        rows=rows,
        what=WHAT,
        runs=services.job_runs.recent(RECENT),
        scheduler=services.settings.scheduler,
        counts_of=counts_of,
        seconds_of=seconds_of,
    )


def act_on_job(room: Room, request: Any, action: str) -> None:
    """Carry out what a button stands for. Raises AppError."""
    by, scheduler = room.administrator(request).username, room.services.scheduler
    verb, _, job = action.partition(" ")
    if verb == "pause":
        scheduler.pause(job, by)
    elif verb == "resume":
        scheduler.resume(job, by)
    elif verb == "run":
        run_job(room, job, by)
    else:
        raise unknown_button()


def run_job(room: Room, job: str, by: str) -> None:
    """Begin a run beside the page. Raises NotFound for an unknown job, Conflict while such a run is under way."""
    services = room.services
    if job not in {status.job for status in services.scheduler.status()}:
        raise unknown_button()

    def work(_progress: Progress) -> str:
        return counts_of(services.scheduler.run_now(job)) or "nothing to do"

    services.operations.background.start(_task(job), work)
    services.operations.note(by, "run now", "job", job)


def counts_of(counts: Any) -> str:
    """Such as '12 fetched, 3 new'; nothing for zeros."""
    told = {"pages": "pages of the file given back"}
    return ", ".join(
        f"{value:,} {told.get(name, name.replace('_', ' '))}" for name, value in dict(counts).items() if value
    )


def seconds_of(run: JobRun) -> str:
    """How long a run took."""
    return f"{(run.ended_at - run.started_at).total_seconds():,.1f} s" if run.ended_at else "under way"


def _task(job: str) -> str:
    return f"job {job}"
