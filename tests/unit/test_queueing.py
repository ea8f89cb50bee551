"""The line: who is served, who waits where, who is sent away."""

import threading

import pytest

from app.domain.errors import Busy
from app.services.queueing import ChatQueue


def test_enter_serves_then_queues_then_refuses() -> None:
    queue = ChatQueue(at_once=2, waiting=2)
    tickets = [queue.enter() for _ in range(4)]
    assert [ticket.position for ticket in tickets] == [0, 0, 1, 2]
    assert [ticket.wait(0) for ticket in tickets] == [True, True, False, False]
    with pytest.raises(Busy, match="line is full") as caught:
        queue.enter()
    assert caught.value.retry_after > 0
    assert (queue.served(), queue.waiting()) == (2, 2)


def test_leave_lets_the_next_one_in_and_the_others_move_up() -> None:
    queue = ChatQueue(at_once=1, waiting=3)
    first, second, third, fourth = (queue.enter() for _ in range(4))
    second.leave()  # gave up
    assert [third.position, fourth.position] == [1, 2]
    first.leave()
    first.leave()
    assert third.wait(0)
    assert (third.position, fourth.position) == (0, 1)
    assert not fourth.wait(0)
    assert queue.served() == 1


def test_ticket_is_given_up_by_an_error() -> None:
    queue = ChatQueue(at_once=1, waiting=0)
    with pytest.raises(RuntimeError), queue.enter():
        raise RuntimeError
    assert queue.served() == 0


def test_wait_ends_when_the_turn_comes_in_another_thread() -> None:
    queue = ChatQueue(at_once=1, waiting=8)
    first, served, most = queue.enter(), [], []

    def visit() -> None:
        with queue.enter() as ticket:
            ticket.wait()
            most.append(queue.served())
            served.append(ticket)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    first.leave()
    for thread in threads:
        thread.join(timeout=30)
    assert len(served) == 8
    assert set(most) == {1}
