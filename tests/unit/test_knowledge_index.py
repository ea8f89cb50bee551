"""Search and safe-keeping, with vectors that are written down."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from app.domain.conversations import Passage
from app.domain.errors import IndexMissing, KnowledgeError
from app.storage.knowledge_index import FORMAT, Entry, KnowledgeIndex, words

PASSAGES = [
    Passage("en/cards.csv#0", "Freeze it in the app.", question="I lost my card", alternatives=("card gone",)),
    Passage("zh/cards.csv#0", "请在手机银行冻结。", question="我的银行卡丢了", language="zh"),
    Passage(
        "fees.md",
        "A cheque costs £4.",
        "Fees",
        product="Cheques",
        valid_from="2025-01-01",
        valid_until="2025-03-31",
    ),
]
ENTRIES = [
    Entry(0, "I lost my card"),
    Entry(0, "card gone"),
    Entry(1, "我的银行卡丢了"),
    Entry(2, "Fees A cheque costs £4."),
]


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


VECTORS = np.stack([unit(1, 0, 0), unit(1, 1, 0), unit(1, 0, 0.1), unit(0, 0, 1)])


def index(**meta: object) -> KnowledgeIndex:
    return KnowledgeIndex(PASSAGES, ENTRIES, VECTORS, meta)


def test_search_gives_each_passage_once_by_its_best_entry() -> None:
    found = index().search(unit(1, 1, 0), "card gone", 3)
    assert [hit.passage.source for hit in found] == ["en/cards.csv#0", "zh/cards.csv#0", "fees.md"]
    assert found[0].via == "card gone"
    assert found[0].cosine == pytest.approx(1) == found[0].passage.score
    assert found[0].bm25 > found[2].bm25 == 0


def test_search_respects_top_k_and_brings_in_what_only_words_find() -> None:
    assert [hit.passage.source for hit in index().search(unit(1, 1, 0), "card", 1)] == ["en/cards.csv#0"]
    found = index().search(unit(1, 0, 0), "cheque", 3, candidates=1)
    assert [hit.passage.source for hit in found] == ["en/cards.csv#0", "fees.md"]
    assert found[1].bm25 > 0


def test_search_among_some_fills_up_with_those_that_are_admitted() -> None:
    passages = [Passage(f"{i}.md", f"cheque {i}", product="old" if i < 90 else "new") for i in range(100)]
    entries = [Entry(i, passage.text) for i, passage in enumerate(passages)]
    vectors = np.stack([unit(1, i / 100, 0) for i in range(100)])  # the old ones are all nearer
    crowded = KnowledgeIndex(passages, entries, vectors, {})
    new = lambda passage: passage.product == "new"  # noqa: E731
    found = crowded.search(unit(1, 0, 0), "cheque 95", 3, candidates=2, admits=new)
    assert [hit.passage.source for hit in found] == ["90.md", "91.md", "92.md"]
    assert {hit.passage.product for hit in crowded.search(unit(1, 0, 0), "cheque 3", 99, admits=new)} == {"new"}
    assert crowded.search(unit(1, 0, 0), "cheque", 3, admits=lambda _passage: False) == []
    everything = crowded.search(unit(1, 0, 0), "cheque 3", 5, admits=lambda _passage: True)
    assert everything == crowded.search(unit(1, 0, 0), "cheque 3", 5)


def test_search_cuts_chinese_into_words() -> None:
    assert words("我的银行卡丢了，费用£25,000") == ["我", "的", "银行卡", "丢", "了", "费用", "25,000"]
    found = {hit.passage.source: hit.bm25 for hit in index().search(unit(0, 1, 0), "银行卡在哪里", 3)}
    assert found["zh/cards.csv#0"] > 0 == found["fees.md"]


@pytest.mark.parametrize("question", ["", "  ?!", "zzz", "😀"])
def test_search_without_a_known_word_goes_by_the_vector_alone(question: str) -> None:
    found = index().search(unit(0, 0, 1), question, 3)
    assert found[0].passage.source == "fees.md"
    assert all(hit.bm25 == 0 for hit in found)


def test_search_of_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    empty = KnowledgeIndex([], [], np.zeros((0, 3), np.float32), {})
    assert empty.search(unit(1, 0, 0), "card", 3) == []
    empty.save(tmp_path)
    assert len(KnowledgeIndex.load(tmp_path)) == 0


def test_load_gives_back_what_was_saved(tmp_path: Path) -> None:
    index(embedder="test", fingerprint="1").save(tmp_path)
    loaded = KnowledgeIndex.load(tmp_path)
    assert loaded.passages == PASSAGES
    assert loaded.entries == ENTRIES
    assert loaded.meta == {"embedder": "test", "fingerprint": "1"}
    assert np.array_equal(loaded.vectors(), VECTORS)
    assert loaded.search(unit(1, 1, 0), "card gone", 3) == index().search(unit(1, 1, 0), "card gone", 3)


def test_save_keeps_one_version(tmp_path: Path) -> None:
    for turn in range(3):
        index(turn=turn).save(tmp_path)
    assert KnowledgeIndex.load(tmp_path).meta == {"turn": 2}
    assert len(list(tmp_path.glob("v-*"))) == 1
    assert not list(tmp_path.glob("current.*"))


def test_save_says_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KnowledgeError, match="cannot be kept"):
        index().save(tmp_path / "file" / "index")


def test_save_and_load_name_the_version_that_is_current(tmp_path: Path) -> None:
    assert KnowledgeIndex.current_version(tmp_path) == ""
    saved = index()
    assert saved.version == ""
    saved.save(tmp_path)
    assert saved.version == KnowledgeIndex.load(tmp_path).version == KnowledgeIndex.current_version(tmp_path) != ""
    index().save(tmp_path)
    assert KnowledgeIndex.current_version(tmp_path) != saved.version


def test_save_that_fails_leaves_the_index_that_is_there(tmp_path: Path) -> None:
    index(turn=0).save(tmp_path)
    with pytest.raises(TypeError):
        index(turn=object()).save(tmp_path)  # cannot be written as JSON
    assert KnowledgeIndex.load(tmp_path).meta == {"turn": 0}
    index(turn=1).save(tmp_path)
    assert len(list(tmp_path.glob("v-*"))) == 1


@pytest.mark.parametrize(
    "damage", ["none", "no version", "half a file", "another shape", "older format", "no vectors"]
)
def test_load_of_a_missing_or_damaged_index_says_how_to_build_it(tmp_path: Path, damage: str) -> None:
    if damage != "none":
        index().save(tmp_path)
        version = tmp_path / (tmp_path / "current").read_text()
        content = version / "content.json"
        if damage == "no version":
            (tmp_path / "current").write_text("v-gone")
        elif damage == "half a file":
            content.write_bytes(content.read_bytes()[:40])
        elif damage == "another shape":
            content.write_text(
                json.dumps({"format": FORMAT, "meta": {}, "entries": [], "passages": [{"path": "a"}]})
            )
        elif damage == "older format":
            content.write_text(json.dumps({**json.loads(content.read_text()), "format": FORMAT - 1}))
        else:
            (version / "vectors.faiss").unlink()
    with pytest.raises(IndexMissing, match=r"python -m pipelines\.build_index"):
        KnowledgeIndex.load(tmp_path)


def test_load_never_sees_half_an_index_while_another_is_saved(tmp_path: Path) -> None:
    index(turn=-1).save(tmp_path)
    done, seen, failures = threading.Event(), [], []

    def read() -> None:
        while not done.is_set():
            try:
                loaded = KnowledgeIndex.load(tmp_path)
                seen.append(loaded.meta["turn"])
                assert loaded.passages == PASSAGES
            except Exception as error:
                failures.append(error)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(20):
        index(turn=turn).save(tmp_path)
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert set(seen) <= set(range(-1, 20))
    assert KnowledgeIndex.load(tmp_path).meta == {"turn": 19}


def test_save_by_two_writers_at_once_leaves_a_whole_index(tmp_path: Path) -> None:
    failures = []

    def write(turn: int) -> None:
        try:
            index(turn=turn).save(tmp_path)
        except Exception as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=[turn]) for turn in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert KnowledgeIndex.load(tmp_path).meta["turn"] in range(6)
