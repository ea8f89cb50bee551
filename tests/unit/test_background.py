"""Work beside the pages: its progress, its end, and one at a time."""

import threading

import pytest

from app.domain.errors import Conflict, KnowledgeError
from app.services.background import Background, Progress


def test_task_shows_progress_and_what_it_ended_with() -> None:
    background, go_on, told = Background(), threading.Event(), threading.Event()

    def work(progress: Progress) -> str:
        progress("Embedding", 1.5)
        told.set()
        go_on.wait()
        return "8 passages"

    assert background.task("index") is None
    background.start("index", work)
    told.wait()
    task = background.task("index")
    assert task is not None
    assert (task.running, task.step, task.done) == (True, "Embedding", 1.0)
    with pytest.raises(Conflict):
        background.start("index", work)
    go_on.set()
    background.wait("index")
    ended = background.task("index")
    assert ended is not None
    assert (ended.running, ended.message, ended.error) == (False, "8 passages", "")


@pytest.mark.parametrize(
    ("error", "words"), [(KnowledgeError("Nothing can be used."), "Nothing can be used."), (OSError("/x"), "log")]
)
def test_task_that_fails_says_so_and_may_be_begun_again(error: Exception, words: str) -> None:
    def work(_progress: Progress) -> str:
        raise error

    background = Background()
    for _ in range(2):
        background.start("index", work)
        background.wait("index")
        task = background.task("index")
        assert task is not None
        assert words in task.error
        assert "/x" not in task.error
