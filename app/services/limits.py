"""How often anybody may ask: by visitor, by address, by key or account."""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.domain.errors import InvalidInput, TooManyRequests
from app.services.visitors import Visitors


@dataclass(frozen=True)
class Rates:
    """Each like "20/minute;300/hour"; empty is without a limit."""

    visitor: str = "20/minute;300/hour"  # questions of one visitor
    address: str = "120/minute"  # questions from one address, behind which may be an office
    caller: str = "120/minute;5000/hour"  # requests with one API key, or of one account
    sign_in: str = "30/minute;200/hour"  # attempts from one address


def parse_rates(text: str) -> list[RateLimitItem]:
    """The limits that a text like "20/minute;300/hour" states. Raises InvalidInput."""
    if not text.strip():
        return []
    try:
        return list(parse_many(text))
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no rate such as 20/minute;300/hour") from error


class Limits:
    """Counts in this process's memory, so that several processes allow as many times as much.

    Every method raises TooManyRequests, which says after how many seconds the next request is welcome.
    """

    def __init__(self, rates: Rates, visitors: Visitors) -> None:
        self._rates = {name: parse_rates(text) for name, text in vars(rates).items()}
        self.visitors = visitors
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def question(self, visitor_cookie: str, address: str) -> None:
        """Count a question. Who shows no cookie of ours is known by the address alone."""
        self._spend("address", address)
        self._spend("visitor", self.visitors.read(visitor_cookie) or f"address {address}")

    def call(self, caller: str) -> None:
        """Count a request to the API."""
        self._spend("caller", caller)

    def sign_in(self, address: str) -> None:
        """Count an attempt to sign in."""
        self._spend("sign_in", address)

    def _spend(self, rate: str, who: str) -> None:
        items = self._rates[rate]
        for item in items:
            if not self._limiter.hit(item, rate, who):
                reset = self._limiter.get_window_stats(item, rate, who).reset_time
                seconds = max(1, math.ceil(reset - time.time()))
                raise TooManyRequests(f"That is too often. Please wait {seconds} seconds and try again.", seconds)
