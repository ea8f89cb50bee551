"""The invented companies of the training data: complete, the same in both languages, and true to their answers."""

from collections import Counter

from app.domain.figures import figures_in
from app.ml.companies import CompanyEntry
from app.ml.datasets import normalise

# "each euro" is 每 1 欧元, "the third" 第三次, "April" 4 月, "day and night" 24 小时.
AS_WORDS = {*map(str, range(1, 13)), "24"}


def where(entry: CompanyEntry) -> str:
    return f"{entry.company}/{entry.entry}/{entry.language}"


def test_every_entry_exists_once_in_each_language(companies: list[CompanyEntry]) -> None:
    assert len({entry.company for entry in companies}) >= 5
    counts = Counter((entry.company, entry.entry) for entry in companies)
    assert set(counts.values()) == {2}
    assert len({where(entry) for entry in companies}) == len(companies)
    assert {entry.language for entry in companies} == {"en", "zh"}


def test_every_entry_is_complete_and_says_nothing_twice(companies: list[CompanyEntry]) -> None:
    for entry in companies:
        asked = [entry.question, *entry.phrasings, *entry.near_misses]
        details = [normalise(detail.question) for detail in entry.details]
        assert entry.answer.strip() == entry.answer != "", where(entry)
        assert len(entry.phrasings) >= 3, where(entry)
        assert entry.details, where(entry)
        assert entry.near_misses, where(entry)
        assert bool(entry.turns) == bool(entry.follow_up_reply), where(entry)
        assert len(entry.turns) % 2 == bool(entry.turns), where(entry)  # the last turn is the customer's
        keys = Counter(map(normalise, asked))
        assert "" not in keys, where(entry)
        assert max(keys.values()) == 1, (where(entry), keys.most_common(1))
        assert len(set(details)) == len(details), where(entry)
        assert not set(details) & set(map(normalise, entry.near_misses)), where(entry)


def test_every_reply_takes_its_figures_from_its_answer(companies: list[CompanyEntry]) -> None:
    for entry in companies:
        known = figures_in(entry.answer)
        for detail in entry.details:
            assert figures_in(detail.reply) <= known | figures_in(detail.question), (
                f"{where(entry)}: {detail.reply}"
            )
        said = figures_in(" ".join(turn.content for turn in entry.turns))
        assert figures_in(entry.follow_up_reply) <= known | said, f"{where(entry)}: {entry.follow_up_reply}"


def test_answers_in_both_languages_state_the_same_figures(companies: list[CompanyEntry]) -> None:
    english = {(e.company, e.entry): e.answer for e in companies if e.language == "en"}
    for entry in companies:
        if entry.language == "zh":
            other = english[entry.company, entry.entry]
            odd = figures_in(entry.answer) ^ figures_in(other)
            assert odd <= AS_WORDS, f"{where(entry)}: {odd}\n{other}\n{entry.answer}"
