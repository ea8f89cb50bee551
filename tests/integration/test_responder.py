import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import DynamicCache

from app.domain.conversations import Message, Passage, Role
from app.domain.errors import ModelError
from app.ml.backbone import Backbone
from app.ml.decoder import Step, open_decoder
from app.ml.executor import ModelExecutor, Priority
from app.ml.prompts import answer_prompt
from app.ml.responder import Responder
from tests.tiny_model import save_random_adapter

PASSAGES = (
    Passage("fees.csv#0", "A copy of a cheque costs £4, a copy of a statement £5.", question="What is the fee?"),
    Passage("fees.csv#1", "手续费为零，三个工作日内到账。", question="手续费多少？"),
)
QUESTIONS = ("What is the fee for a copy of a cheque?", "手续费多少？", "How do I close my account?")


class ScriptedModel:
    """Answers every prompt with the same tokens, and keeps a cache as a real model does."""

    def __init__(self, prompt: Sequence[int], script: Sequence[int], vocabulary: int, end: int) -> None:
        self.text, self.start, self.vocabulary = [*prompt, *script], len(prompt), vocabulary
        self.generation_config = SimpleNamespace(eos_token_id=end)
        self.passes = 0

    def __call__(
        self, input_ids: torch.Tensor, past_key_values: DynamicCache, use_cache: bool, logits_to_keep: int
    ) -> SimpleNamespace:
        self.passes += 1
        past, new = past_key_values.get_seq_length(), input_ids.shape[1]
        past_key_values.update(torch.zeros(1, 1, new, 1), torch.zeros(1, 1, new, 1), 0)
        agreed = self.text[past : past + new] == input_ids[0].tolist()[: len(self.text) - past]
        assert agreed or logits_to_keep > 1, "a token that was not accepted stayed in the cache"
        logits = torch.zeros(1, logits_to_keep, self.vocabulary)
        for i in range(logits_to_keep):
            position = past + new - logits_to_keep + i + 1
            if position < len(self.text):
                logits[0, i, self.text[position]] = 1.0
        return SimpleNamespace(logits=logits)


def scripted(tiny: Backbone, reply: str | Sequence[int], **options: int) -> tuple[Responder, ScriptedModel]:
    """A responder on a model that writes `reply` to the first question, then the end token."""
    tokens = tiny.tokenizer(reply, add_special_tokens=False)["input_ids"] if isinstance(reply, str) else list(reply)
    prompt = Responder(tiny, None).encode(QUESTIONS[0], PASSAGES)
    end = tiny.tokenizer.eos_token_id
    model = ScriptedModel(prompt, [*tokens, end], len(tiny.tokenizer), end)
    return Responder(Backbone(model, tiny.tokenizer, "", tiny.executor), None, **options), model


def pieces(responder: Responder, question: str = QUESTIONS[0]) -> list[str]:
    return list(responder.stream(question, PASSAGES))


def greedy(backbone: Backbone, adapter: str | None, prompt: list[int], count: int) -> list[int]:
    """The likeliest token each time, the whole text computed anew: slow, and without a doubt."""
    text = list(prompt)
    while len(text) < len(prompt) + count:
        ids = torch.tensor([text])
        logits = backbone.run(adapter, lambda ids=ids: backbone.model(input_ids=ids).logits, Priority.ANALYST)
        best = int(logits[0, -1].argmax())
        if best == backbone.tokenizer.eos_token_id:
            break
        text.append(best)
    return text[len(prompt) :]


@pytest.fixture(scope="module")
def adapted(tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A backbone with an adapter of noise, since the bare one soon repeats itself."""
    folder = tmp_path_factory.mktemp("adapter")
    backbone = Backbone.load(str(tiny_backbone_folder), folder, dtype="float32", threads=1)
    backbone.load_adapter("noise", save_random_adapter(tiny_backbone_folder, folder, 3))
    return backbone


@pytest.mark.parametrize("adapter", [None, "noise"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_drafts_from_the_prompt_do_not_change_the_text(
    adapted: Backbone, question: str, adapter: str | None
) -> None:
    plain = Responder(adapted, adapter, max_new_tokens=24, draft_tokens=0)
    drafted = Responder(adapted, adapter, max_new_tokens=24, draft_tokens=6)
    text = "".join(pieces(plain, question))
    assert "".join(pieces(drafted, question)) == text
    tokens = greedy(adapted, adapter, plain.encode(question, PASSAGES), 24)
    written = adapted.tokenizer.decode(tokens, skip_special_tokens=True)
    assert text.rstrip() == written.lstrip().split("\n")[0].rstrip("\ufffd").rstrip()


def test_a_reply_that_copies_its_source_takes_fewer_passes(tiny_backbone: Backbone) -> None:
    reply = " A copy of a cheque costs £4, a copy of a statement £5. [1]"
    passes = {}
    for draft_tokens in (0, 6):
        responder, model = scripted(tiny_backbone, reply, draft_tokens=draft_tokens)
        assert "".join(pieces(responder)) == reply.strip()
        passes[draft_tokens] = model.passes
    assert passes[0] == len(tiny_backbone.tokenizer(reply, add_special_tokens=False)["input_ids"]) + 1
    assert passes[6] < passes[0] / 2


def test_a_draft_that_fails_midway_leaves_no_trace(tiny_backbone: Backbone) -> None:
    """The reply begins like the source and parts from it: what was drafted behind must leave the cache."""
    reply = " A copy of a cheque costs nothing, a copy of a statement £5, and a copy of a card £9."
    responder, model = scripted(tiny_backbone, reply)
    assert "".join(pieces(responder)) == reply.strip()
    assert model.passes < len(tiny_backbone.tokenizer(reply, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("draft_tokens", [0, 6])
def test_a_reply_ends_at_a_line_break(tiny_backbone: Backbone, draft_tokens: int) -> None:
    responder, _ = scripted(
        tiny_backbone, "\n It is £4. [1] \nCustomer: And a statement?", draft_tokens=draft_tokens
    )
    assert "".join(pieces(responder)).rstrip() == "It is £4. [1]"


def test_a_reply_ends_at_the_end_token(tiny_backbone: Backbone) -> None:
    tokens = tiny_backbone.tokenizer(" It is £4.", add_special_tokens=False)["input_ids"]
    more = [tiny_backbone.tokenizer.eos_token_id, *tokens]
    responder, _ = scripted(tiny_backbone, [*tokens, *more])
    assert "".join(pieces(responder)) == "It is £4."


def test_a_reply_ends_at_an_end_token_of_the_generation_config_alone(tiny_backbone: Backbone) -> None:
    tokens = tiny_backbone.tokenizer(" It is £4.", add_special_tokens=False)["input_ids"]
    responder, model = scripted(tiny_backbone, tokens)
    model.generation_config.eos_token_id = [tokens[-1], 7]
    assert "".join(pieces(responder)) == tiny_backbone.tokenizer.decode(tokens[:-1]).strip()


def test_a_reply_has_at_most_so_many_tokens_and_no_pass_for_another(tiny_backbone: Backbone) -> None:
    reply = " A copy of a cheque costs £4, a copy of a statement £5."
    tokens = tiny_backbone.tokenizer(reply, add_special_tokens=False)["input_ids"]
    for draft_tokens in (0, 6):
        responder, model = scripted(tiny_backbone, reply, max_new_tokens=5, draft_tokens=draft_tokens)
        assert "".join(pieces(responder)) == tiny_backbone.tokenizer.decode(tokens[:5]).lstrip()
        assert model.passes <= 5


def test_half_a_character_is_never_shown(tiny_backbone: Backbone) -> None:
    reply = "费用为😀零龘"  # letters that the vocabulary knows only as several bytes
    tokens = tiny_backbone.tokenizer(reply, add_special_tokens=False)["input_ids"]
    assert len(tokens) > len(reply)
    responder, _ = scripted(tiny_backbone, reply, draft_tokens=0)
    shown = pieces(responder)
    assert "".join(shown) == reply
    assert not any("\ufffd" in piece for piece in shown)
    cut, _ = scripted(tiny_backbone, reply, draft_tokens=0, max_new_tokens=len(tokens) - 1)
    assert "".join(pieces(cut)) == reply[:-1]


HISTORY = (Message(Role.CUSTOMER, "Hello"), Message(Role.ASSISTANT, "Hello, how can I help?"))


def test_a_prompt_that_is_too_long_loses_its_last_passages(tiny_backbone: Backbone) -> None:
    passages = [Passage(f"{i}", f"Fact {i}. " + "More of it. " * 10) for i in range(8)]
    whole = Responder(tiny_backbone, None).encode(QUESTIONS[0], passages, HISTORY)
    for limit in (len(whole) - 1, len(whole) // 2):
        ids = Responder(tiny_backbone, None, max_prompt_tokens=limit).encode(QUESTIONS[0], passages, HISTORY)
        prompt = tiny_backbone.tokenizer.decode(ids, skip_special_tokens=True)
        kept = sum(f"[{i + 1}] Fact {i}." in prompt for i in range(8))
        assert 0 < kept < 8
        assert prompt == answer_prompt(QUESTIONS[0], passages[:kept], HISTORY)
        assert len(ids) <= limit


def test_a_prompt_with_one_endless_passage_keeps_its_first_token_and_the_question(tiny_backbone: Backbone) -> None:
    endless = Passage("a", "More of it. " * 2000)
    responder = Responder(tiny_backbone, None, max_prompt_tokens=120)
    for passages in ([endless], [endless, *PASSAGES]):
        ids = responder.encode(QUESTIONS[0], passages, HISTORY)
        assert len(ids) == 120
        assert ids[0] == tiny_backbone.tokenizer.bos_token_id
        assert tiny_backbone.tokenizer.decode(ids).endswith(f"Customer: {QUESTIONS[0]}\nAssistant:")


def test_a_prompt_without_passages_holds_the_question(tiny_backbone: Backbone) -> None:
    ids = Responder(tiny_backbone, None).encode(QUESTIONS[0], [])
    assert tiny_backbone.tokenizer.decode(ids, skip_special_tokens=True) == answer_prompt(QUESTIONS[0], [])


class CountingEngine:
    """Writes the number behind the last one; remembers how many tokens each pass read of each text."""

    def __init__(self) -> None:
        self.passes: list[list[int]] = []
        self.error: Exception | None = None
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()

    def open(self, prompt: Sequence[int], capacity: int) -> list[int]:
        return []

    def length(self, slot: list[int]) -> int:
        return len(slot)

    def cut(self, slot: list[int], count: int) -> None:
        del slot[-count:]

    def choose(self, steps: Sequence[Step]) -> list[list[int]]:
        self.entered.set()
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        self.passes.append([len(step.tokens) for step in steps])
        for step in steps:
            step.slot.extend(step.tokens)
        return [[step.slot[len(step.slot) - n] + 1 for n in range(step.wanted, 0, -1)] for step in steps]


def counting(tiny: Backbone, **options: int) -> tuple[Responder, CountingEngine]:
    engine = CountingEngine()
    return Responder(tiny, None, engine=engine, **options), engine


def together(responder: Responder, texts: Sequence[list[int]]) -> list[list[int]]:
    """What follows each of the texts when all are asked for at once."""
    with ThreadPoolExecutor(len(texts)) as pool:
        return list(pool.map(lambda text: [*chain(*responder.tokens(text, to_the_limit=True))], texts))


@pytest.mark.parametrize("packed", [True, False])
def test_replies_at_once_are_as_each_alone(adapted: Backbone, packed: bool) -> None:
    engine = open_decoder(adapted, "noise") if packed else None
    responder = Responder(adapted, "noise", max_new_tokens=16, engine=engine)
    questions = [f"{question} {number}" for number in (1, 2) for question in QUESTIONS] + ["Hello?", "为什么？"]
    alone = ["".join(pieces(responder, question)) for question in questions]
    with ThreadPoolExecutor(len(questions)) as pool:
        assert list(pool.map(lambda question: "".join(pieces(responder, question)), questions)) == alone
    assert len(set(alone)) > 2


@pytest.mark.parametrize("draft_tokens", [0, 6])
def test_each_of_many_visitors_gets_their_own_tokens(tiny_backbone: Backbone, draft_tokens: int) -> None:
    responder, engine = counting(tiny_backbone, max_new_tokens=20, draft_tokens=draft_tokens)
    texts = [[1000 * n, 1000 * n + 1] for n in range(8)]
    engine.gate.clear()
    threading.Timer(0.2, engine.gate.set).start()  # so that they are all in line
    assert together(responder, texts) == [list(range(text[-1] + 1, text[-1] + 21)) for text in texts]
    assert len(engine.passes) < 8 * 20 / 2  # they shared passes


def test_a_long_prompt_is_read_in_pieces_while_another_reply_goes_on(tiny_backbone: Backbone) -> None:
    responder, engine = counting(tiny_backbone, max_new_tokens=40, draft_tokens=0)
    engine.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        ask = lambda text: [*chain(*responder.tokens(text, to_the_limit=True))]  # noqa: E731
        short = pool.submit(ask, [1, 2])
        assert engine.entered.wait(10)
        long = pool.submit(ask, list(range(5000, 5600)))
        deadline = time.monotonic() + 10
        while responder.waiting() < 2:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        engine.gate.set()
        assert [short.result(10), long.result(10)] == [list(range(3, 43)), list(range(5600, 5640))]
    assert engine.passes[:4] == [[2], [1, 256], [1, 256], [1, 88]]
    assert responder.waiting() == 0


def test_a_reader_who_leaves_ends_the_reply(tiny_backbone: Backbone) -> None:
    responder, engine = counting(tiny_backbone, max_new_tokens=100_000, draft_tokens=0)
    tokens = responder.tokens([1, 2])
    assert next(tokens) == [3]
    tokens.close()
    tiny_backbone.executor.run(lambda: None, Priority.SCHEDULED)  # behind the last pass
    passes = len(engine.passes)
    tiny_backbone.executor.run(lambda: None, Priority.SCHEDULED)
    assert len(engine.passes) == passes < 100_000


def test_an_error_reaches_every_reader_and_ends_nothing_else(tiny_backbone: Backbone) -> None:
    responder, engine = counting(tiny_backbone, max_new_tokens=5)
    engine.error = RuntimeError("out of memory")
    with ThreadPoolExecutor(3) as pool:
        failed = [pool.submit(list, responder.tokens([n, n + 1])) for n in (10, 20, 30)]
        assert all(isinstance(future.exception(10), RuntimeError) for future in failed)
    engine.error = None
    assert together(responder, [[1, 2]]) == [[3, 4, 5, 6, 7]]


def test_a_reply_fails_once_the_model_is_shut_down(tiny_backbone: Backbone) -> None:
    closed = Backbone(tiny_backbone.model, tiny_backbone.tokenizer, "", ModelExecutor())
    responder = Responder(closed, None, engine=CountingEngine())
    closed.close()
    with pytest.raises(ModelError, match="shut down"):
        list(responder.tokens([1, 2]))
    assert responder.waiting() == 0
