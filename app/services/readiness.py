"""What serving depends on. Each check gives an empty text, or what is missing."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from app.storage.statistics import Statistics

Check = Callable[[], str]
PATIENCE = timedelta(minutes=10)  # in which the jobs begin after a start, and within which one runs again


def readiness_checks(
    statistics: Statistics,
    backbone_alive: Callable[[], bool],
    passages: Callable[[], int],
    clock: Callable[[], datetime],
    lease: str = "",
) -> Mapping[str, Check]:
    """The checks by name. `lease` is that of the jobs, empty where this process is not to run them."""
    started = clock()

    def database() -> str:
        statistics.ping()
        return ""

    def backbone() -> str:
        return "" if backbone_alive() else "the language model is not loaded"

    def index() -> str:
        return "" if passages() else "the knowledge index holds no passage"

    def jobs() -> str:
        now = clock()
        if not lease or now - started < PATIENCE or statistics.lease_held(lease, now):
            return ""
        runs = [run.ended_at or run.started_at for run in statistics.last_runs()]
        if runs and now - max(runs) < PATIENCE:
            return ""
        return f"no job has run since {max(runs):%Y-%m-%d %H:%M} UTC" if runs else "no job has run yet"

    return {"database": database, "backbone": backbone, "index": index, "jobs": jobs}
