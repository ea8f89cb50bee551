"""How often anybody may ask, and who counts as the same visitor."""

import pytest

from app.config import load_settings
from app.domain.errors import ConfigurationError, InvalidInput, TooManyRequests
from app.services.limits import Limits, Rates, parse_rates
from app.services.visitors import Visitors

VISITORS = Visitors(b"a key")


def limits(**rates: str) -> Limits:
    return Limits(
        Rates(**{"visitor": "2/hour", "address": "5/hour", "caller": "", "sign_in": ""} | rates), VISITORS
    )


def test_question_is_refused_beyond_the_visitors_rate() -> None:
    counted, ada, ben = limits(), VISITORS.new(), VISITORS.new()
    for _ in range(2):
        counted.question(ada, "10.0.0.1")
    with pytest.raises(TooManyRequests, match="wait") as caught:
        counted.question(ada, "10.0.0.1")
    assert 0 < caught.value.retry_after <= 3600
    counted.question(ben, "10.0.0.1")


@pytest.mark.parametrize("cookie", ["", "forged", VISITORS.new()[:-1] + "é", Visitors(b"other").new()])
def test_question_without_a_cookie_of_ours_counts_by_address(cookie: str) -> None:
    counted = limits()
    for _ in range(2):
        counted.question(cookie, "10.0.0.1")
    with pytest.raises(TooManyRequests):
        counted.question("another forged one", "10.0.0.1")
    counted.question(cookie, "10.0.0.2")


def test_question_with_ever_new_cookies_meets_the_rate_of_the_address() -> None:
    counted = limits()
    for _ in range(5):
        counted.question(VISITORS.new(), "10.0.0.1")
    with pytest.raises(TooManyRequests):
        counted.question(VISITORS.new(), "10.0.0.1")


def test_several_rates_hold_together_and_none_is_none() -> None:
    counted = limits(caller="100/second;3/hour")
    for _ in range(3):
        counted.call("key a")
    with pytest.raises(TooManyRequests):
        counted.call("key a")
    for _ in range(50):
        counted.sign_in("10.0.0.1")


def test_unreadable_rate_names_its_setting() -> None:
    with pytest.raises(InvalidInput):
        parse_rates("often")
    with pytest.raises(ConfigurationError, match=r"BELLWETHER_RATE_CALLER.*20/minute"):
        load_settings(rate_caller="often")


def test_visitor_token_tells_the_id_and_nothing_else_passes() -> None:
    token = VISITORS.new()
    assert VISITORS.read(token) == token[:32]
    assert VISITORS.new() != token
    assert VISITORS.read("0" + token[1:] if token[0] != "0" else "1" + token[1:]) is None
