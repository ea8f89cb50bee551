"""When two articles tell one event: by figures, cosine and words."""

import pytest

from app.domain.stories import Agreement, Facts, StoryRule, agreement, facts_of, retells

RULE = StoryRule(many_figures=0.66, one_figure=0.74, no_figures=0.84, words=0.4)


def facts(*figures: str, companies: tuple[int, ...] = ()) -> Facts:
    return Facts(frozenset(figures), frozenset(companies))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (facts("212000", "140000000"), facts("212000", "140000000", "3"), Agreement.MANY),
        (facts("3.25", "2"), facts("3.25", "25"), Agreement.ONE),
        (facts("212000", "140000000"), facts("58000", "35000000"), Agreement.CONFLICT),
        (facts("4.1", "3.7", "3.8"), facts("3.9", "3.7"), Agreement.CONFLICT),
        (facts("6"), facts("6"), Agreement.OPEN),
        (facts("2026"), facts("2026"), Agreement.OPEN),
        (facts("6"), facts("7"), Agreement.CONFLICT),
        (facts(), facts("212000"), Agreement.OPEN),
        (facts(), facts(), Agreement.OPEN),
    ],
)
def test_agreement_weighs_figures_by_how_telling_they_are(one: Facts, other: Facts, expected: Agreement) -> None:
    assert agreement(one, other) is expected
    assert agreement(other, one) is expected


def test_facts_of_the_same_figures_in_two_languages_are_equal() -> None:
    english = facts_of("Velmora recalls 212,000 cars at a cost of 140 million euros")
    assert english == facts_of("维尔莫拉召回21.2万辆轿车，费用1.4亿欧元")


@pytest.mark.parametrize(
    ("one", "other", "cosine", "words", "expected"),
    [
        (facts("212000", "140000000"), facts("212000", "140000000"), 0.66, 0.0, True),
        (facts("212000", "140000000"), facts("212000", "140000000"), 0.65, 0.0, False),
        (facts("212000"), facts("212000"), 0.73, 0.0, False),
        (facts("212000"), facts("212000"), 0.74, 0.0, True),
        (facts(), facts("212000"), 0.83, 0.0, False),
        (facts(), facts("212000"), 0.84, 0.0, True),
        (facts("58000"), facts("212000"), 0.99, 0.9, False),
        (facts(), facts(), 0.0, 0.4, True),
        (facts(), facts(), 0.0, 0.39, False),
        (facts("212000", companies=(1,)), facts("212000", companies=(2,)), 0.99, 0.9, False),
        (facts("212000", companies=(1, 3)), facts("212000", companies=(1, 2)), 0.8, 0.0, True),
        (facts("212000", companies=(1,)), facts("212000"), 0.8, 0.0, True),
    ],
)
def test_retells_by_figures_first(one: Facts, other: Facts, cosine: float, words: float, expected: bool) -> None:
    assert retells(RULE, one, other, cosine, words) is expected


def test_rule_without_cosines_looks_at_words_only() -> None:
    rule = StoryRule()
    assert rule.least > 1
    assert not retells(rule, facts("212000"), facts("212000"), 1.0, 0.0)
    assert retells(rule, facts("212000"), facts("212000"), 0.0, 0.5)
