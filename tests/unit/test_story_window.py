"""The windows of recent articles: by words and by meaning."""

import random

import numpy as np
import pytest

from app.ml.near_duplicates import jaccard, shingles
from app.ml.story_window import Meanings, Wordings, signature_of

WORDS = [f"word{i}" for i in range(120)]


def changed(count: int, seed: int) -> str:
    rng, words = random.Random(seed), list(WORDS)
    for position in rng.sample(range(len(words)), count):
        words[position] = f"other{seed}x{position}"
    return " ".join(words)


def test_wordings_propose_nearly_every_text_that_is_alike() -> None:
    index = Wordings()
    texts = {i: changed(3, i) for i in range(1, 101)}
    for i, text in texts.items():
        index.add(i, signature_of(text))
    for i in range(200, 300):
        index.add(i, signature_of(changed(100, i)))
    asked = " ".join(WORDS)
    alike = {i for i, text in texts.items() if jaccard(shingles(asked), shingles(text)) >= 0.8}
    assert len(alike) > 50
    assert alike <= set(index.alike(signature_of(asked), 0.68, 500))
    assert not set(index.alike(signature_of(asked), 0.4, 500)) & set(range(200, 300))


def test_wordings_rank_the_most_alike_first() -> None:
    index = Wordings()
    for i, count in ((1, 12), (2, 1), (3, 5)):
        index.add(i, signature_of(changed(count, i)))
    assert index.alike(signature_of(" ".join(WORDS)), 0.3, 2) == [2, 3]


def test_wordings_forget_without_a_trace() -> None:
    index = Wordings()
    value = signature_of(" ".join(WORDS))
    for i in (1, 2, 3):
        index.add(i, value)
    index.remove(2)
    index.remove(99)
    assert index.alike(value, 0.9, 5) == [1, 3]
    assert 2 not in index
    assert len(index) == 2
    index.remove(1)
    index.remove(3)
    assert index._buckets == {}
    index.add(2, value)
    assert index.alike(value, 0.9, 5) == [2]


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_meanings_give_the_nearest_first_from_a_cosine_on() -> None:
    window = Meanings(100)
    window.add(7, unit(1, 0))
    window.add(8, unit(1, 1))
    window.add(9, unit(0, 1))
    found = window.nearest(unit(1, 0.1), 0.5, 5)
    assert [i for i, _ in found] == [7, 8]
    assert found[0][1] == pytest.approx(float(unit(1, 0) @ unit(1, 0.1)))
    assert window.nearest(unit(1, 0.1), 0.5, 1) == found[:1]
    window.drop([7, 99])
    assert [i for i, _ in window.nearest(unit(1, 0.1), 0.5, 5)] == [8]
    assert Meanings(5).nearest(unit(1, 0), 0.0, 5) == []


def test_meanings_beyond_the_limit_forget_the_oldest() -> None:
    window = Meanings(8)
    for i in range(300):
        window.add(i, unit(1, i))
    assert len(window) <= 8
    assert {i for i, _ in window.nearest(unit(0, 1), -1.0, 400)} <= set(range(290, 300))
    assert 299 in {i for i, _ in window.nearest(unit(0, 1), -1.0, 400)}
