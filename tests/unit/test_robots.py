"""robots.txt: obeyed, remembered, and out of reach."""

import pytest

from app.domain.errors import AddressRefused, FetchFailed, SourceBusy
from app.integrations.robots import Robots

SITE = "https://news.example"
AGENT = "Bellwether/0.1 (+https://us.example)"


class Web:
    """Answers with `text`, or raises it; counts the questions. Time is moved by hand."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer, self.asked, self.now = answer, 0, 0.0

    def load(self, url: str) -> bytes:
        assert url == f"{SITE}/robots.txt"
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def robots(self) -> Robots:
        return Robots(self.load, AGENT, lambda: self.now)


def test_check_obeys_the_rules_for_our_agent() -> None:
    rules = (
        b"\xef\xbb\xbfUser-agent: bellwether\nDisallow: /private\nCrawl-delay: 7\n\nUser-agent: *\nDisallow: /\n"
    )
    robots = Web(rules).robots()
    robots.check(SITE, f"{SITE}/news")
    with pytest.raises(FetchFailed, match="not to read /private/x"):
        robots.check(SITE, f"{SITE}/private/x")
    assert robots.crawl_delay(SITE) == 7
    assert robots.crawl_delay("https://other.example") == 0


def test_check_site_without_rules_allows_everything() -> None:
    web = Web(FetchFailed("404"))
    robots = web.robots()
    for _ in range(3):
        robots.check(SITE, f"{SITE}/news")
    assert web.asked == 1
    web.now = 3601
    robots.check(SITE, f"{SITE}/news")
    assert web.asked == 2


def test_check_site_whose_rules_cannot_be_reached_is_left_alone() -> None:
    web = Web(SourceBusy("503", 60))
    robots = web.robots()
    with pytest.raises(SourceBusy, match=r"robots\.txt") as refusal:
        robots.check(SITE, f"{SITE}/news")
    assert refusal.value.seconds == 60
    web.answer = b""
    robots.check(SITE, f"{SITE}/news")


def test_check_uses_old_rules_while_new_ones_cannot_be_reached() -> None:
    web = Web(b"User-agent: *\nDisallow: /private")
    robots = web.robots()
    robots.check(SITE, f"{SITE}/news")
    web.answer, web.now = SourceBusy("away"), 7200
    robots.check(SITE, f"{SITE}/news")
    with pytest.raises(FetchFailed, match="not to read"):
        robots.check(SITE, f"{SITE}/private")
    web.now = 90_000
    with pytest.raises(SourceBusy):
        robots.check(SITE, f"{SITE}/news")


def test_check_refused_address_is_said_as_it_is() -> None:
    with pytest.raises(AddressRefused, match="private network"):
        Web(AddressRefused("private network")).robots().check(SITE, f"{SITE}/news")
