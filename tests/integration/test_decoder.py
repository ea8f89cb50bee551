from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from app.domain.conversations import Passage
from app.ml.backbone import Backbone
from app.ml.decoder import Decoder, Step, open_decoder
from app.ml.executor import ModelExecutor, Priority
from app.ml.responder import Responder
from tests.tiny_model import save_random_adapter

PASSAGES = (
    Passage("fees.csv#0", "A copy of a cheque costs £4, a copy of a statement £5.", question="What is the fee?"),
    Passage("fees.csv#1", "手续费为零，三个工作日内到账。", question="手续费多少？"),
)
QUESTIONS = ("What is the fee for a copy of a cheque?", "手续费多少？", "How do I close my account?")


@pytest.fixture(scope="module")
def adapted(tiny_backbone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A backbone with two adapters of noise, the second in force."""
    backbone = Backbone.load(
        str(tiny_backbone_folder), tmp_path_factory.mktemp("cache"), dtype="float32", threads=1
    )
    for seed, name in enumerate(("noise", "other"), 3):
        folder = save_random_adapter(tiny_backbone_folder, tmp_path_factory.mktemp(name), seed)
        backbone.load_adapter(name, folder)
    return backbone


def opened(backbone: Backbone, adapter: str | None, *, integers: bool = True) -> Decoder:
    decoder = open_decoder(backbone, adapter, integers=integers)
    assert decoder
    return decoder


def write(decoder: Decoder, prompt: list[int], count: int) -> list[int]:
    """The likeliest token each time, one a pass."""
    slot = decoder.open(prompt, len(prompt) + count)
    [[token]] = decoder.choose([Step(slot, prompt[decoder.length(slot) :], 1)])
    text = [token]
    while len(text) < count:
        [[token]] = decoder.choose([Step(slot, text[-1:], 1)])
        text.append(token)
    return text


def prompts(backbone: Backbone) -> list[list[int]]:
    return [Responder(backbone, None).encode(question, PASSAGES) for question in QUESTIONS]


@pytest.mark.parametrize("adapter", [None, "noise", "other"])
def test_without_integers_it_chooses_what_the_backbone_chooses(adapted: Backbone, adapter: str | None) -> None:
    decoder = opened(adapted, adapter, integers=False)
    for prompt in prompts(adapted):
        text = prompt + write(decoder, prompt, 12)
        logits = adapted.run(
            adapter, lambda text=text: adapted.model(torch.tensor([text])).logits, Priority.ANALYST
        )
        assert logits[0, len(prompt) - 1 : -1].argmax(-1).tolist() == text[len(prompt) :]


def test_integers_change_what_is_read_by_little(adapted: Backbone) -> None:
    """A random model magnifies errors; a trained one less."""
    packed, whole = opened(adapted, "noise"), opened(adapted, "noise", integers=False)
    for prompt in prompts(adapted):
        states = []
        for decoder in (packed, whole):
            decoder.forget()
            slot = decoder.open(prompt, len(prompt))
            states.append(decoder._read([Step(slot, prompt, 0)]))
        errors = (states[0] - states[1]).norm(dim=1) / states[1].norm(dim=1)
        assert 0 < float(errors.mean()) < 0.05, errors


def test_the_vocabulary_chooses_by_exact_weights(adapted: Backbone) -> None:
    decoder = opened(adapted, None)
    weight = adapted.causal_lm.get_output_embeddings().weight
    torch.manual_seed(0)
    nearly_equal = torch.stack([weight[5] + weight[9], weight[5] * 1.01 + weight[9], torch.randn(64)])
    exact = nearly_equal @ weight.T
    assert decoder._likeliest(nearly_equal) == exact.argmax(1).tolist()


def test_many_texts_in_a_pass_are_as_each_alone(adapted: Backbone) -> None:
    decoder = opened(adapted, "noise")
    alone = []
    for prompt in prompts(adapted):
        decoder.forget()
        alone.append(write(decoder, prompt, 6))
    decoder.forget()
    slots = [decoder.open(prompt, len(prompt) + 6) for prompt in prompts(adapted)]
    unread = [prompt[decoder.length(slot) :] for prompt, slot in zip(prompts(adapted), slots, strict=True)]
    together: list[list[int]] = [[], [], []]
    for _ in range(6):
        chosen = decoder.choose([Step(slot, text, 1) for slot, text in zip(slots, unread, strict=True)])
        unread = chosen
        for text, new in zip(together, chosen, strict=True):
            text += new
    assert together == alone


def test_tokens_that_were_cut_leave_no_trace(adapted: Backbone) -> None:
    decoder = opened(adapted, "noise", integers=False)
    prompt = prompts(adapted)[0]
    slot = decoder.open(prompt, len(prompt) + 20)
    decoder.choose([Step(slot, [*prompt, 7, 8, 9], 0)])
    decoder.cut(slot, 4)
    assert decoder.length(slot) == len(prompt) - 1
    assert decoder.choose([Step(slot, prompt[-1:], 1)]) == [write(decoder, prompt, 1)]


def test_a_prompt_that_begins_like_another_is_read_from_where_it_parts(adapted: Backbone) -> None:
    decoder = opened(adapted, "noise", integers=False)
    first, _, third = prompts(adapted)
    text = write(decoder, third, 8)
    decoder.forget()
    write(decoder, first, 8)
    slot = decoder.open(third, len(third))
    common = next(i for i, (a, b) in enumerate(zip(first, third, strict=False)) if a != b)
    assert decoder.length(slot) == common > 10
    assert write(decoder, third, 8) == text
    assert decoder.length(decoder.open(third, len(third))) == len(third) - 1  # one must be read to go on from it


def test_open_decoder_gives_none_for_another_architecture(tiny_backbone_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone_folder)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=1)).eval()
    backbone = Backbone(model, tokenizer, "", ModelExecutor())
    assert open_decoder(backbone, None) is None
    assert "".join(Responder(backbone, None, max_new_tokens=4).stream("Fee?", PASSAGES)) is not None
    backbone.close()


def test_the_decoder_leaves_the_adapters_of_the_backbone_as_they_are(adapted: Backbone) -> None:
    ids = torch.tensor([prompts(adapted)[0]])
    run = lambda name: adapted.run(name, lambda: adapted.model(ids).logits, Priority.ANALYST)  # noqa: E731
    before = [run(name) for name in (None, "noise", "other")]
    opened(adapted, "noise")
    assert all(torch.equal(run(n), b) for n, b in zip((None, "noise", "other"), before, strict=True))
    assert not torch.equal(before[0], before[1])


def test_responder_writes_with_an_engine_that_comes_later(tiny_backbone: Backbone) -> None:
    responder = Responder(tiny_backbone, None, max_new_tokens=8)
    before = "".join(responder.stream("What is free?", []))
    responder.use(None)
    assert "".join(responder.stream("What is free?", [])) == before
    decoder = open_decoder(tiny_backbone, None, integers=False)
    assert decoder is not None
    responder.use(decoder)
    assert "".join(responder.stream("What is free?", [])) == before
