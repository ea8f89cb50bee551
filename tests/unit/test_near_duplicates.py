"""What counts as nearly the same text, in scripts with and without spaces."""

import random

import pytest

from app.ml.near_duplicates import THRESHOLD, NearDuplicates, normalise, shingles, sketch

ENGLISH = (
    "Copperline Bank has confirmed that intruders copied the records of some 420,000 customers while its mobile "
    "application was out of service. The bank had blamed a failed upgrade for the outage. It said that passwords "
    "were not taken, that affected customers would hear from it within two days, and that it had called in outside "
    "investigators. The regulator has asked for a full account by Monday and reserves further steps."
)
CHINESE = (
    "铜线银行今日确认，在手机银行停止服务期间，约四十二万名客户的资料被入侵者复制。该行此前曾将故障归咎于一次失败的系统升级。"
    "银行表示，客户密码未被盗取，受影响的客户将在两天之内收到通知，并已聘请外部机构展开调查。监管部门要求其在下周一之前提交完整说明。"
)


def index_of(*texts: str) -> NearDuplicates:
    index = NearDuplicates()
    for number, text in enumerate(texts, start=1):
        index.add(number, sketch(text))
    return index


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_find_recognises_a_light_rewrite(text: str) -> None:
    rewrites = [
        text.upper(),
        f"UPDATE 1: {text}",
        text.replace("two days", "48 hours").replace("两天", "三天"),
        text + "!!",
    ]
    for rewrite in rewrites:
        assert index_of("An unrelated text about the weather in the north.", text).find(sketch(rewrite)) == 2


@pytest.mark.parametrize(
    "other",
    [
        "Copperline Bank says that its mobile application was out of service because of a failed upgrade.",
        "铜线银行表示，手机银行停止服务的原因是一次失败的系统升级，客户资料没有受到影响。",
        "",
    ],
)
def test_find_leaves_other_words_on_the_same_matter_alone(other: str) -> None:
    assert index_of(ENGLISH, CHINESE).find(sketch(other)) is None


def test_find_decides_at_the_threshold_by_the_exact_similarity() -> None:
    rng = random.Random(4)
    words = [f"word{i}" for i in range(80)]
    index = index_of(" ".join(words))
    for _ in range(60):
        changed = list(words)
        for position in rng.sample(range(80), rng.randrange(1, 9)):
            changed[position] = f"other{position}"
        candidate = sketch(" ".join(changed))
        expected = candidate.similarity(sketch(" ".join(words))) >= THRESHOLD
        assert (index.find(candidate) == 1) is expected


def test_find_prefers_the_most_alike_and_then_the_oldest() -> None:
    assert index_of(f"Late edition. {ENGLISH}", ENGLISH, ENGLISH).find(sketch(ENGLISH)) == 2


def test_keep_forgets_the_others() -> None:
    index = index_of(ENGLISH, CHINESE)
    index.keep([2, 99])
    assert 1 not in index
    assert 2 in index
    assert len(index) == 1
    assert index.find(sketch(ENGLISH)) is None
    index.add(1, sketch(ENGLISH))
    assert index.find(sketch(ENGLISH)) == 1


def test_shingles_fit_the_script() -> None:
    assert shingles("The bank, again; the BANK!") == {"the bank again", "bank again the", "again the bank"}
    assert shingles("铜线银行今日") == {"铜线银行", "线银行今", "银行今日"}
    assert shingles("Hi") == {"hi"}
    assert shingles("") == {""}


def test_normalise_unifies_width_case_and_punctuation() -> None:
    assert normalise("ＡＢＣ　bank — “Up”  ４２％") == "abc bank up 42"
