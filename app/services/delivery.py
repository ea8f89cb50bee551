"""From the outbox to the recipients: every message once, none forgotten, and no server holding up another."""

import logging
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.alerts import Delivery
from app.domain.deliveries import next_attempt
from app.domain.errors import AppError, DeliveryRefused, InvalidInput, NotFound, ServerUnreachable, reason_of
from app.domain.subscriptions import check_recipient, is_channel, shown
from app.integrations.mailer import Mailer
from app.services.letters import Letter, as_mail
from app.storage.outbox import Outbox

log = logging.getLogger(__name__)

NO_SERVER = "not sent: no mail server configured"
LOOK_AGAIN = timedelta(minutes=1)  # at a message that waits for a mail server to be configured
BATCH = 200
WORKERS = 8
_MAIL = "mail server"
_TEST = "test"


class Sender(Protocol):
    """Chat channels and webhooks."""

    def check(self, recipient: str) -> None: ...

    def send(self, recipient: str, title: str, body: str, message_id: str) -> None: ...


class Delivering:
    """Sends what is due. Each server is asked by one thread at a time, and none waits for another.

    A message is marked as sent after the server took it. If the program dies between the two it goes out again
    under the same Message-ID, which mail programs show once; `claim` is how long it waits for that, and must be
    longer than one delivery takes. No delivery begins later than `run_seconds` into a run.
    """

    def __init__(
        self,
        outbox: Outbox,
        compose: Callable[[Delivery], Letter],
        held_until: Callable[[Delivery], datetime | None],
        mailer: Mailer | None,
        channels: Sender,
        mail_from: str,
        sender_domain: str,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        run_seconds: float = 45.0,
        claim: timedelta = timedelta(seconds=60),
    ) -> None:
        self._outbox, self._compose, self._held_until = outbox, compose, held_until
        self._mailer, self._channels, self._mail_from = mailer, channels, mail_from
        self._sender_domain, self._clock, self._chance = sender_domain, clock, chance
        self._run_seconds, self._claim = run_seconds, claim
        self._busy: set[str] = set()  # servers that a run which is over still waits for
        self._sent: dict[int, datetime] = {}  # what was sent while the database could not be told
        self._lock = threading.Lock()

    def deliver(self) -> dict[str, int]:
        """One run. Returns how many were sent, deferred, refused, held for quiet hours, or wait for a server.

        Raises StorageUnavailable, after everything else was tried, where an outcome could not be recorded.
        """
        self._record_sent_before()
        counts: Counter[str] = Counter(sent=0, deferred=0, refused=0, waiting=0, held=0)
        by_server: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in self._outbox.due(self._clock(), BATCH):
            by_server[_server(delivery.recipient)].append(delivery)
        deadline = time.monotonic() + self._run_seconds
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="deliver")
        runs = {
            pool.submit(self._deliver_to, server, deliveries, deadline, counts): server
            for server, deliveries in by_server.items()
            if self._take(server)
        }
        done, late = wait(runs, timeout=self._run_seconds + self._claim.total_seconds() / 2)
        pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._busy -= {runs[run] for run in late if run.cancelled()}
            result = dict(counts)
        for run in done:
            run.result()
        return result

    def send_test(self, recipient: str, by: str) -> Delivery:
        """Send a test message now, whatever the hour, and return how it went. Raises InvalidInput."""
        self._channels.check(recipient)
        now = self._clock()
        occasion = f"{now:%Y%m%dT%H%M%S%f}"
        self._outbox.add(_TEST, [recipient], occasion, now, self._sender_domain, by=by)
        delivery = self._outbox.find(_TEST, occasion, recipient)
        assert delivery.id is not None
        self._deliver_one(delivery)
        return self._outbox.get(delivery.id)

    def retry(self, delivery_id: int, by: str) -> Delivery:
        """Try a message that waits or was given up at once, and return how it went.

        Quiet hours hold it back all the same. Raises NotFound, and Conflict for one that was sent.
        """
        self._deliver_one(self._outbox.retry(delivery_id, self._clock(), by))
        return self._outbox.get(delivery_id)

    def _deliver_to(
        self, server: str, deliveries: Sequence[Delivery], deadline: float, counts: Counter[str]
    ) -> None:
        """One server's messages, in order, until the time is over. Where it is down, one attempt stands for all."""
        trouble = ""
        try:
            for delivery in deliveries:
                if time.monotonic() >= deadline:
                    return
                outcome, reason = self._fail_alike(delivery, trouble) if trouble else self._deliver_one(delivery)
                trouble = trouble or reason
                if outcome:
                    with self._lock:
                        counts[outcome] += 1
        finally:
            with self._lock:
                self._busy.discard(server)

    def _deliver_one(self, delivery: Delivery) -> tuple[str, str]:
        """Try one delivery and record how it went; name the outcome, and the trouble if it is the server's."""
        assert delivery.id is not None
        now = self._clock()
        if self._hold(delivery, now):
            return "held", ""
        if self._mailer is None and not is_channel(delivery.recipient):
            return self._wait_for_server(delivery, now), ""
        if not self._outbox.claim(delivery.id, now, now + self._claim):
            return "", ""  # another process was faster
        try:
            self._send(delivery)
        except (DeliveryRefused, InvalidInput, NotFound) as error:
            log.error("Message to %s refused: %s", shown(delivery.recipient), error)
            self._outbox.record_failure(delivery.id, str(error), None)
            return "refused", ""
        except Exception as error:
            reason = reason_of(error)
            return self._defer(delivery, reason), reason if isinstance(error, ServerUnreachable) else ""
        self._sent[delivery.id] = self._clock()
        self._record_sent_before()
        return "sent", ""

    def _send(self, delivery: Delivery) -> None:
        check_recipient(delivery.recipient)
        letter = self._compose(delivery)
        if is_channel(delivery.recipient):
            self._channels.send(delivery.recipient, letter.subject, letter.short, delivery.message_id)
            return
        assert self._mailer is not None
        mail = as_mail(letter, self._mail_from, delivery.recipient, delivery.message_id, self._clock())
        self._mailer.send(mail, delivery.recipient)

    def _hold(self, delivery: Delivery, now: datetime) -> bool:
        """Put a message off to the end of its recipient's quiet hours, if it falls into them."""
        until = None if delivery.kind == _TEST else self._held_until(delivery)
        if until is None or until <= now or delivery.id is None:
            return False
        self._outbox.postpone(delivery.id, until, "held back: quiet hours of the recipient")
        return True

    def _wait_for_server(self, delivery: Delivery, now: datetime) -> str:
        """Label a mail that no server is configured for. It does not count as an attempt more than once."""
        assert delivery.id is not None
        if delivery.last_error == NO_SERVER:
            self._outbox.postpone(delivery.id, now + LOOK_AGAIN, NO_SERVER)
        else:
            self._outbox.record_failure(delivery.id, NO_SERVER, now + LOOK_AGAIN)
        return "waiting"

    def _fail_alike(self, delivery: Delivery, trouble: str) -> tuple[str, str]:
        """Treat a message as its server just treated another one."""
        assert delivery.id is not None
        now = self._clock()
        if self._hold(delivery, now):
            return "held", ""
        if not self._outbox.claim(delivery.id, now, now + self._claim):
            return "", ""
        return self._defer(delivery, trouble), ""

    def _defer(self, delivery: Delivery, reason: str) -> str:
        """Note a failure that may pass, or give up when it did not pass for a day."""
        assert delivery.id is not None
        failures = delivery.attempts + 1
        again = next_attempt(failures, self._clock(), self._chance())
        log.warning("Message to %s deferred: %s", shown(delivery.recipient), reason)
        if again is None:
            reason = f"refused: gave up after {failures} attempts over a day; the last: {reason}"
        self._outbox.record_failure(delivery.id, reason, again)
        return "deferred" if again else "refused"

    def _record_sent_before(self) -> None:
        """Record what was sent; what cannot be recorded now is kept in mind and never sent again meanwhile."""
        while self._sent:
            try:
                delivery_id, at = self._sent.popitem()
            except KeyError:  # another thread took it
                return
            try:
                self._outbox.record_sent(delivery_id, at)
            except AppError:
                self._sent[delivery_id] = at
                raise

    def _take(self, server: str) -> bool:
        with self._lock:
            free = server not in self._busy
            self._busy.add(server)
            return free


def _server(recipient: str) -> str:
    """What has to work for a message to arrive: the mail server, or the host of a channel."""
    if not is_channel(recipient):
        return _MAIL
    scheme, _, rest = recipient.partition("://")
    return f"{scheme}://{rest.partition('?')[0].split('/')[0].rpartition('@')[2]}"
