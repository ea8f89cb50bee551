"""The judge on a tiny model, its training, and a chat that listens to it."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.conversations import Message, Need, Outcome, Passage, Role
from app.domain.errors import InvalidInput
from app.integrations.documents import read_folder
from app.ml.backbone import Backbone
from app.ml.judge import Judge
from app.ml.judge_task import JudgedPair, JudgeTask, NeedExample, load_examples
from app.ml.training import ADAPTER_NAME, TrainingConfig, fit
from app.services.chat import Chat, Finished
from app.services.decisions import Thresholds
from app.services.indexing import build_index
from app.services.retrieval import Retrieval
from app.storage.conversations import Conversations
from app.storage.database import open_database
from tests.fakes import ManualClock, ScriptedResponder
from tests.knowledge import CountingEmbedder, write_knowledge

PASSAGE = Passage("a.csv#0", "A new card is free.", question="Lost card?")
LIMITS = Thresholds(template=1.01, answer=0.5, clarify_margin=0.0)


@pytest.fixture
def backbone(tiny_backbone_folder: Path, tmp_path: Path) -> Backbone:
    return Backbone.load(str(tiny_backbone_folder), tmp_path, dtype="float32", threads=1)


class ScriptedJudge:
    """Judges by what a test wrote down: the words that make a passage answer, and the need of a word."""

    def __init__(self, answers: Sequence[str] = (), needs: dict[str, Need] | None = None) -> None:
        self.answers, self.words = answers, needs or {}

    def scores(self, question: str, passages: Sequence[Passage], history: Sequence[Message] = ()) -> list[float]:
        return [4.0 if any(word in p.text for word in self.answers) else -4.0 for p in passages]

    def needs(self, question: str, history: Sequence[Message] = ()) -> dict[Need, float]:
        need = next((n for word, n in self.words.items() if word in question), Need.ANSWER)
        return {n: 0.93 if n is need else 0.01 for n in Need}


def test_scores_do_not_depend_on_the_other_passages(backbone: Backbone) -> None:
    judge = Judge(backbone, None)
    long = Passage("b.md", "word " * 900, title="Fees")
    together = judge.scores("What is free?", [PASSAGE, long])
    alone = [judge.scores("What is free?", [p])[0] for p in (PASSAGE, long)]
    assert together == pytest.approx(alone, abs=1e-3)
    assert judge.scores("What is free?", []) == []


def test_encode_keeps_the_question_whatever_the_length(backbone: Backbone) -> None:
    judge = Judge(backbone, None, max_tokens=64)
    decode = backbone.tokenizer.decode
    ids = judge.encode_pair("Which fee?", Passage("b.md", "word " * 900), [Message(Role.CUSTOMER, "A card?")])
    assert len(ids) <= 64
    assert "Which fee?" in decode(ids)
    need = judge.encode_need("start " + "x " * 900 + "end")
    assert len(need) <= 64
    assert "start" in decode(need)
    assert "end" in decode(need)


def test_needs_are_probabilities(backbone: Backbone) -> None:
    needs = Judge(backbone, None).needs("Where is my money?")
    assert list(needs) == list(Need)
    assert sum(needs.values()) == pytest.approx(1.0)


def test_fit_teaches_both_decisions(backbone: Backbone, tmp_path: Path) -> None:
    rng, rows = random.Random(1), []
    for i in range(60):
        fee = rng.choice(["card", "cheque", "loan"])
        answers = i % 2 == 0
        rows.append(JudgedPair(f"fee {i}", Passage("a", "free" if answers else f"{fee} shut"), answers))
        rows.append(
            NeedExample(f"{'stolen' if answers else 'when'} {fee} {i}", Need.FRAUD if answers else Need.ANSWER)
        )
    task = JudgeTask(Judge(backbone, ADAPTER_NAME), rows, rows)
    before = task.evaluate()
    config = TrainingConfig(epochs=3, batch_size=8, learning_rate=1e-2, rank=4, alpha=8)
    result = fit(backbone, task, config, tmp_path / "judge", metadata={"task": "judge"})
    after = result["history"][-1]
    assert after["auc"] > 0.95
    assert after["need_accuracy"] > 0.95
    assert after["score"] > before["score"]


@pytest.mark.parametrize(
    "row", [{"question": "q", "passage": "p"}, {"text": "t", "need": "money"}, {"question": "q", "answers": True}]
)
def test_load_examples_names_file_and_line(tmp_path: Path, row: dict) -> None:
    path = tmp_path / "rows.jsonl"
    good = {"question": "q", "passage": {"text": "p"}, "answers": True}
    path.write_text(json.dumps(good) + "\n" + json.dumps(row), "utf-8")
    with pytest.raises(InvalidInput, match="line 2"):
        load_examples([path])


@pytest.fixture(scope="module")
def retrieval(tmp_path_factory: pytest.TempPathFactory) -> Retrieval:
    folder, embedder = tmp_path_factory.mktemp("judged"), CountingEmbedder()
    knowledge = write_knowledge(folder / "knowledge")
    return Retrieval(build_index(knowledge, folder / "index", embedder, read_folder, lambda *_: None)[0], embedder)


def reply_of(retrieval: Retrieval, judge: ScriptedJudge, question: str):
    chat = Chat(
        Conversations(open_database("sqlite://")), retrieval, ScriptedResponder("A copy costs £4 [1]."), LIMITS,
        ManualClock(datetime(2025, 11, 24, 9, 0, tzinfo=UTC)), judge=judge,
    )  # fmt: skip
    last = list(chat.answer(question))[-1]
    assert isinstance(last, Finished)
    return last.reply


def test_chat_answers_with_what_the_judge_finds_not_with_what_is_nearest(retrieval: Retrieval) -> None:
    reply = reply_of(retrieval, ScriptedJudge(["cash machine"]), "I have lost my card, haven't I?")
    assert (reply.outcome, reply.citations[0].source) == (Outcome.TEMPLATE, "en/cards.csv#1")
    assert reply.citations[0].score > 0.9


def test_chat_composes_from_prose_that_the_judge_accepts(retrieval: Retrieval) -> None:
    reply = reply_of(retrieval, ScriptedJudge(["paid cheque"]), "What is the price of a copy of a cheque?")
    assert (reply.outcome, reply.text) == (Outcome.GENERATED, "A copy costs £4 [1].")


def test_chat_hands_off_when_the_judge_accepts_nothing(retrieval: Retrieval) -> None:
    assert reply_of(retrieval, ScriptedJudge(), "I have lost my card, haven't I?").outcome is Outcome.HANDOFF


@pytest.mark.parametrize(("word", "need"), [(n.value, n) for n in Need if n is not Need.ANSWER])
def test_chat_hands_over_whoever_needs_a_person(retrieval: Retrieval, word: str, need: Need) -> None:
    judge = ScriptedJudge(["0800"], {word: need})
    reply = reply_of(retrieval, judge, f"I have lost my card and {word}")
    assert reply.outcome is Outcome.HANDOFF
    assert reply.text == reply_of(retrieval, judge, f"my card, {word}").text
    assert reply_of(retrieval, judge, "I have lost my card, haven't I?").outcome is Outcome.TEMPLATE


def test_chat_answers_a_curated_question_word_for_word_whatever_the_need(retrieval: Retrieval) -> None:
    judge = ScriptedJudge([], {"lost": Need.DISTRESS})
    assert reply_of(retrieval, judge, "I have lost my card. What should I do?").outcome is Outcome.TEMPLATE
