"""The cache of classifications."""

import threading

from app.domain.news import Excerpt
from app.ml.result_cache import ResultCache, content_key
from tests.fakes import classify

FIRST, SECOND, THIRD = classify(["outage", "record", "nothing"])


def test_least_recently_used_result_makes_room() -> None:
    cache = ResultCache(2)
    cache.put("a", FIRST)
    cache.put("b", SECOND)
    assert cache.get("a") is FIRST
    cache.put("c", THIRD)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (FIRST, None, THIRD)
    assert len(cache) == 2


def test_cache_without_room_keeps_nothing() -> None:
    cache = ResultCache(0)
    cache.put("a", FIRST)
    assert cache.get("a") is None


def test_content_key_tells_text_entity_and_style_apart() -> None:
    excerpts = [
        Excerpt("ab"),
        Excerpt("a", "b"),
        Excerpt("a", "", "b"),
        Excerpt("a"),
        Excerpt("ab "),
        Excerpt("\ud800"),
    ]
    assert len({content_key(excerpt) for excerpt in excerpts}) == len(excerpts)
    assert content_key(Excerpt("a", "b")) == content_key(Excerpt("a", "b"))


def test_many_threads_leave_the_cache_within_its_bounds() -> None:
    cache, failures = ResultCache(50), []

    def work(number: int) -> None:
        try:
            for i in range(2000):
                cache.put(str((number * 7 + i) % 120), FIRST)
                cache.get(str(i % 120))
        except Exception as error:  # a thread's error would otherwise go unseen
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(cache) == 50
