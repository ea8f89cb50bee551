import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.domain.errors import ModelError
from app.ml.executor import ModelExecutor, Priority


@pytest.fixture
def executor() -> Iterator[ModelExecutor]:
    opened = ModelExecutor()
    yield opened
    opened.close()


class Line:
    """Steps that wait behind one that is under way until `release`; `ran` is the order in which they ran."""

    def __init__(self, executor: ModelExecutor) -> None:
        self.executor, self.ran = executor, []
        self._gate, self._threads = threading.Event(), []
        started = threading.Event()
        self._submit(lambda: (started.set(), self._gate.wait(10)), Priority.CUSTOMER)
        assert started.wait(10)

    def add(self, name: str, priority: Priority) -> None:
        waiting = self.executor.waiting()
        self._submit(lambda: self.ran.append(name), priority)
        deadline = time.monotonic() + 10
        while self.executor.waiting() == waiting:
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def release(self) -> None:
        self._gate.set()
        for thread in self._threads:
            thread.join(10)

    def _submit(self, step: Callable[[], object], priority: Priority) -> None:
        thread = threading.Thread(target=self.executor.run, args=(step, priority), daemon=True)
        thread.start()
        self._threads.append(thread)


def test_run_lets_the_customer_first_and_keeps_the_order_within_a_priority(executor: ModelExecutor) -> None:
    line = Line(executor)
    for name, priority in [
        ("batch 1", Priority.SCHEDULED),
        ("batch 2", Priority.SCHEDULED),
        ("chart", Priority.ANALYST),
        ("token 1", Priority.CUSTOMER),
        ("token 2", Priority.CUSTOMER),
    ]:
        line.add(name, priority)
    line.release()
    assert line.ran == ["token 1", "token 2", "chart", "batch 1", "batch 2"]


def test_run_gives_the_result_of_a_step_on_the_model_thread(executor: ModelExecutor) -> None:
    assert executor.run(lambda: threading.current_thread().name, Priority.ANALYST) == "model"


def test_submit_goes_on_at_once_and_brings_the_result(executor: ModelExecutor) -> None:
    gate = threading.Event()
    future = executor.submit(lambda: gate.wait(10) and 7, Priority.CUSTOMER)
    assert not future.done()
    gate.set()
    assert future.result(10) == 7


def test_a_step_that_submits_the_next_lets_others_between(executor: ModelExecutor) -> None:
    ran: list[str] = []
    ended = threading.Event()

    def step() -> None:
        ran.append("pass")
        if len(ran) == 1:
            executor.submit(lambda: ran.append("other"), Priority.CUSTOMER)
        if ran.count("pass") < 3:
            executor.submit(step, Priority.CUSTOMER)
        else:
            ended.set()

    executor.submit(step, Priority.CUSTOMER)
    assert ended.wait(10)
    assert ran == ["pass", "other", "pass", "pass"]


def test_run_raises_the_error_of_a_step_and_goes_on(executor: ModelExecutor) -> None:
    with pytest.raises(ZeroDivisionError):
        executor.run(lambda: 1 / 0, Priority.CUSTOMER)
    assert executor.run(lambda: 7, Priority.CUSTOMER) == 7


def test_run_within_a_step_does_not_wait_for_itself(executor: ModelExecutor) -> None:
    assert executor.run(lambda: executor.run(lambda: 7, Priority.SCHEDULED), Priority.CUSTOMER) == 7


def test_close_finishes_what_was_submitted_and_refuses_more() -> None:
    executor = ModelExecutor()
    line = Line(executor)
    line.add("batch", Priority.SCHEDULED)
    closing = threading.Thread(target=executor.close, daemon=True)
    closing.start()
    line.release()
    closing.join(10)
    assert line.ran == ["batch"]
    with pytest.raises(ModelError, match="shut down"):
        executor.run(lambda: 7, Priority.CUSTOMER)


def test_run_lets_no_scheduled_step_between_two_steps_of_a_customer(executor: ModelExecutor) -> None:
    order: list[str] = []
    release = threading.Event()
    threads = [threading.Thread(target=executor.run, args=[release.wait, Priority.SCHEDULED])]
    threads += [
        threading.Thread(target=executor.run, args=[lambda: order.append("batch"), Priority.SCHEDULED])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()

    def reply() -> None:
        for _ in range(5):
            executor.run(lambda: order.append("token"), Priority.CUSTOMER)

    customer = threading.Thread(target=reply)
    customer.start()
    while executor.waiting() < 3:
        pass
    release.set()
    for thread in [*threads, customer]:
        thread.join(timeout=10)
    assert order == ["token"] * 5 + ["batch"] * 2
