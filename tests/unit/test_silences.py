"""Which alerts a silence holds back, and which silences make sense."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts import Alert
from app.domain.errors import InvalidInput
from app.domain.silences import Silence, checked, silencing

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALL = Silence(NOW, NOW + HOUR, "mei")
ON_TOPIC = Alert("cyber", NOW, NOW, "medium", 9, 1.0, 1e-8, 3)
ON_COMPANY = replace(ON_TOPIC, topic="", entity="Copperline")


@pytest.mark.parametrize(
    ("changes", "topic", "company"),
    [
        ({}, True, True),
        ({"topic": "cyber"}, True, False),
        ({"topic": "credit"}, False, False),
        ({"entity": "Copperline"}, False, True),
        ({"entity": "Copper"}, False, False),
        ({"max_severity": "medium"}, True, True),
        ({"max_severity": "low"}, False, False),
        ({"topic": "cyber", "max_severity": "high"}, True, False),
    ],
)
def test_silence_matches_by_topic_company_and_severity(changes: dict[str, str], topic: bool, company: bool) -> None:
    silence = replace(ALL, **changes)
    assert (silence.matches(ON_TOPIC), silence.matches(ON_COMPANY)) == (topic, company)


def test_silence_is_in_force_from_its_begin_to_before_its_end() -> None:
    for at, active in ((NOW - HOUR, False), (NOW, True), (NOW + HOUR / 2, True), (NOW + HOUR, False)):
        assert (silencing([ALL], ON_TOPIC, at) is ALL) is active


def test_silencing_gives_the_one_that_matches() -> None:
    other, fits = replace(ALL, topic="credit"), replace(ALL, topic="cyber")
    assert silencing([other, fits], ON_TOPIC, NOW) is fits
    assert silencing([other], ON_TOPIC, NOW) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ends_at": NOW}, "later end"),
        ({"ends_at": NOW + timedelta(days=400)}, "366 days"),
        ({"max_severity": "awful"}, "low, medium, high"),
        ({"topic": "cyber", "entity": "Copperline"}, "each of them"),
    ],
)
def test_silence_without_sense_is_refused(changes: dict[str, object], told: str) -> None:
    assert checked(ALL) is ALL
    with pytest.raises(InvalidInput, match=told):
        checked(replace(ALL, **changes))  # type: ignore[arg-type]
