"""Gemma 3 as it is served: an adapter merged into packed weights, and the next tokens of many replies in a pass.

On a processor the time of a token is that of reading every weight once, so weights are packed as 8-bit integers,
a scale for each output row (as in Dettmers et al. 2022, arXiv:2208.07339). A row that they meet becomes two rows
of such integers, its whole steps and the remainders, since 8 bits alone would move log-probabilities ten times as
far as bfloat16 does. Each row has its own scale: its result does not depend on the rows beside it. The
vocabulary's integers only nominate: near-best tokens are scored again with the exact weights.
"""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from peft import PeftType
from peft.tuners.tuners_utils import BaseTunerLayer
from torch.nn.functional import gelu, linear, rms_norm, scaled_dot_product_attention
from transformers import Gemma3ForCausalLM

from app.ml.backbone import Backbone
from app.ml.executor import Priority

MARGIN = 8.0  # logits; those of the integer vocabulary were off by 3.4 at most
KEPT_PROMPTS = 4  # whose keys and values stay, for prompts that begin alike
FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass
class Slot:
    """Keys and values of a text, (layers, heads, capacity, width), and the tokens that they belong to."""

    keys: torch.Tensor
    values: torch.Tensor
    tokens: list[int] = field(default_factory=list)


class Step(NamedTuple):
    """What a pass does for one text: read `tokens`, and choose what follows each of the last `wanted`."""

    slot: Any
    tokens: Sequence[int]
    wanted: int


def open_decoder(backbone: Backbone, adapter: str | None, *, integers: bool = True) -> "Decoder | None":
    """A decoder of the backbone with the adapter merged, or None where either is of another kind.

    It is a copy: later changes of the adapter do not reach it. Without `integers` it computes in float32.
    """
    model = backbone.causal_lm
    plain = isinstance(model, Gemma3ForCausalLM) and not (
        model.config.use_bidirectional_attention
        or model.config.attention_bias
        or model.config.attn_logit_softcapping
        or model.config.final_logit_softcapping
    )
    mergeable = adapter is None or backbone.model.peft_config[adapter].peft_type == PeftType.LORA
    if not plain or not mergeable or "fbgemm" not in torch.backends.quantized.supported_engines:
        return None
    decoder: Decoder = backbone.executor.run(lambda: Decoder(model, adapter, integers), Priority.CUSTOMER)
    return decoder


class Decoder:
    """Reads and writes texts with packed weights; greedy. Only on the model thread."""

    def __init__(self, model: Any, adapter: str | None, integers: bool = True) -> None:
        config = model.config
        form: type[_Linear] = _Packed if integers else _Whole
        self._heads, self._kv_heads = config.num_attention_heads, config.num_key_value_heads
        self._width = config.head_dim
        self._eps, self._window, self._types = config.rms_norm_eps, config.sliding_window, config.layer_types
        self._embed, self._rotary = model.model.embed_tokens, model.model.rotary_emb
        torch.backends.quantized.engine = "fbgemm"  # its products of few rows are the fastest
        with torch.inference_mode():
            self._layers = [_Layer.pack(layer, adapter, form) for layer in model.model.layers]
            self._norm = _norm(model.model.norm)
            self._exact = _merged(model.get_output_embeddings(), adapter)
            self._vocabulary = _Packed(self._exact, fine=False) if integers else _Whole(self._exact)
        self._kept: list[Slot] = []

    def open(self, prompt: Sequence[int], capacity: int) -> Slot:
        """Room for `capacity` tokens; it holds what the prompt has in common with one read before."""
        shape = (len(self._layers), self._kv_heads, capacity, self._width)
        slot = Slot(torch.empty(shape), torch.empty(shape))
        before = max(self._kept, key=lambda kept: _common(kept.tokens, prompt), default=slot)
        size = min(_common(before.tokens, prompt), len(prompt) - 1)
        slot.keys[:, :, :size], slot.values[:, :, :size] = before.keys[:, :, :size], before.values[:, :, :size]
        slot.tokens = list(prompt[:size])
        self._kept = [slot, *self._kept[: KEPT_PROMPTS - 1]]
        return slot

    def length(self, slot: Slot) -> int:
        """Tokens that a slot holds."""
        return len(slot.tokens)

    def cut(self, slot: Slot, count: int) -> None:
        """Forget the last `count` tokens of a slot."""
        del slot.tokens[-count:]

    def forget(self) -> None:
        """Keep no prompt for others that begin alike."""
        self._kept = []

    def choose(self, steps: Sequence[Step]) -> list[list[int]]:
        """Read the tokens of all steps in one pass; give the likeliest token behind each of the last `wanted`."""
        states = self._read(steps)
        ends = 0
        rows: list[int] = []
        for step in steps:
            ends += len(step.tokens)
            rows += range(ends - step.wanted, ends)
        best = iter(self._likeliest(states[rows]) if rows else [])
        return [[next(best) for _ in range(step.wanted)] for step in steps]

    def _likeliest(self, states: torch.Tensor) -> list[int]:
        """The best token of each row, (rows, hidden): nominated by integers, chosen by exact weights."""
        logits = self._vocabulary(states)
        row, token = (logits > logits.amax(1, keepdim=True) - MARGIN).nonzero(as_tuple=True)
        exact = (states[row] * self._exact[token].float()).sum(1)
        best = exact.new_full((len(states),), -torch.inf).scatter_reduce_(0, row, exact, "amax")
        # The last write of a row wins; turned round, that is the first of equals, as with argmax.
        chosen = torch.zeros(len(states), dtype=torch.long)
        for r, t in zip(row[exact == best[row]].flip(0), token[exact == best[row]].flip(0), strict=True):
            chosen[r] = t
        return chosen.tolist()

    def _read(self, steps: Sequence[Step]) -> torch.Tensor:
        """Last hidden states of the tokens of all steps, one below the other, (tokens, hidden)."""
        views = [_View(step.slot, len(step.tokens), self._window) for step in steps]
        states = self._embed(torch.tensor([t for step in steps for t in step.tokens])).float()
        positions = torch.cat([view.positions for view in views])
        turns = {kind: self._turn(positions, kind) for kind in set(self._types)}
        for number, (layer, kind) in enumerate(zip(self._layers, self._types, strict=True)):
            mixed = self._attend(layer, number, kind, states, turns[kind], views)
            states = states + rms_norm(layer.out(mixed), layer.after_out.shape, layer.after_out, self._eps)
            gate, up = layer.up(rms_norm(states, layer.before_up.shape, layer.before_up, self._eps)).chunk(2, 1)
            down = layer.down(gelu(gate, approximate="tanh").mul_(up))
            states = states + rms_norm(down, layer.after_down.shape, layer.after_down, self._eps)
        for step in steps:
            step.slot.tokens.extend(step.tokens)
        return rms_norm(states, self._norm.shape, self._norm, self._eps)

    def _turn(self, positions: torch.Tensor, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines, and sines with the sign of the half that they belong to, (tokens, 1, width)."""
        cos, sin = self._rotary(torch.empty(0), positions[None], kind)
        sin[..., : self._width // 2].neg_()
        return cos[0, :, None], sin[0, :, None]

    def _attend(
        self, layer: "_Layer", number: int, kind: str, states: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor], views: Sequence["_View"],
    ) -> torch.Tensor:  # fmt: skip
        """What each token takes from its own text, (tokens, heads * width); fills the slots."""
        turned, (cos, sin) = self._heads + self._kv_heads, turn
        all_heads = layer.qkv(rms_norm(states, layer.before_qkv.shape, layer.before_qkv, self._eps))
        all_heads = all_heads.view(len(states), turned + self._kv_heads, self._width)
        scaled = rms_norm(all_heads[:, :turned], (self._width,), None, self._eps) * layer.heads
        scaled = scaled * cos + scaled.roll(self._width // 2, -1) * sin
        mixed, group, row = [], self._heads // self._kv_heads, 0
        for view in views:
            rows, row = slice(row, row + view.count), row + view.count
            keys, values = view.slot.keys[number], view.slot.values[number]
            keys[:, view.start : view.end] = scaled[rows, self._heads :].transpose(0, 1)
            values[:, view.start : view.end] = all_heads[rows, turned:].transpose(0, 1)
            first, mask = view.sees(kind, group)
            # The heads that share keys are rows of one product: (key heads, tokens * group, width).
            queries = (
                scaled[rows, : self._heads].unflatten(1, (self._kv_heads, group)).transpose(0, 1).flatten(1, 2)
            )
            seen = scaled_dot_product_attention(
                queries[None], keys[None, :, first : view.end], values[None, :, first : view.end], mask, scale=1.0
            )
            mixed.append(seen[0].unflatten(1, (view.count, group)).transpose(0, 1).flatten(1))
        return torch.cat(mixed)


class _View:
    """Which tokens of its text each of the `count` new ones sees."""

    def __init__(self, slot: Slot, count: int, window: int) -> None:
        self.slot, self.count, self.window = slot, count, window
        self.start = len(slot.tokens)
        self.end = self.start + count
        self.positions = torch.arange(self.start, self.end)
        self._seen: dict[str, tuple[int, torch.Tensor | None]] = {}

    def sees(self, kind: str, group: int) -> tuple[int, torch.Tensor | None]:
        """The first token that any sees, and what to add to the scores, (count * group, tokens from there on)."""
        if kind not in self._seen:
            window = self.window if kind == SLIDING else self.end
            first = max(0, self.start - window + 1)
            distance = self.positions[:, None] - torch.arange(first, self.end)
            hidden = (distance < 0) | (distance >= window)
            mask = torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf).repeat_interleave(group, 0)
            self._seen[kind] = first, mask if self.count > 1 else None
        return self._seen[kind]


class _Packed:
    """A linear layer without bias as 8-bit integers; what it meets becomes such at once, or finer in two parts."""

    def __init__(self, weight: torch.Tensor, fine: bool = True) -> None:
        self._fine = fine
        parts = [_integers(part.float()) for part in weight.split(8192)]  # a vocabulary is large in float32
        integers, scale = (torch.cat(part) for part in zip(*parts, strict=True))
        zeros = torch.zeros(len(weight), dtype=torch.long)
        with warnings.catch_warnings():  # of an end in some future version; requirements.txt pins this one
            warnings.simplefilter("ignore", UserWarning)
            quantized = torch._make_per_channel_quantized_tensor(integers, scale.double(), zeros, 0)
        self._weight = torch.ops.quantized.linear_prepack(quantized, None)
        # Without VNNI, products of whole bytes overflow when two are summed: a bit of the input goes.
        self._levels = 127 if torch.cpu.get_capabilities().get("avx512_vnni") else 63

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        scale = rows.abs().amax(1, keepdim=True).clamp_(min=1e-8)
        units = rows / scale
        if not self._fine:
            return self._product(units).mul_(scale)
        steps = (units * self._levels).round_().div_(self._levels)
        finer = 2 * self._levels  # a remainder is half a step at most
        whole, rest = self._product(torch.cat([steps, (units - steps) * finer])).chunk(2)
        return torch.add(whole, rest, alpha=1 / finer).mul_(scale)

    def _product(self, units: torch.Tensor) -> torch.Tensor:
        """For rows within [-1, 1]."""
        compute = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        product: torch.Tensor = compute(units, 1 / self._levels, self._levels + 1, self._weight)
        return product


def _integers(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows in steps of a 127th of their greatest weight, and those steps."""
    scale = rows.abs().amax(1).clamp_(min=1e-8).div_(127)
    return (rows / scale[:, None]).round_().to(torch.int8), scale


class _Whole:
    """A linear layer without bias in float32."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight = weight.float()

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return linear(rows, self._weight)


_Linear = _Packed | _Whole


class _Layer(NamedTuple):
    """Packed weights and norms of a layer; `heads` scales queries and keys, (heads, width)."""

    before_qkv: torch.Tensor
    qkv: _Linear
    heads: torch.Tensor
    out: _Linear
    after_out: torch.Tensor
    before_up: torch.Tensor
    up: _Linear
    down: _Linear
    after_down: torch.Tensor

    @classmethod
    def pack(cls, layer: Any, adapter: str | None, form: type[_Linear]) -> "_Layer":
        attention, mlp, config = layer.self_attn, layer.mlp, layer.self_attn.config
        heads, key_heads = config.num_attention_heads, config.num_key_value_heads
        queries, keys = _norm(attention.q_norm) * attention.scaling, _norm(attention.k_norm)
        join = lambda *parts: form(torch.cat([_merged(part, adapter).float() for part in parts]))  # noqa: E731
        return cls(
            _norm(layer.input_layernorm),
            join(attention.q_proj, attention.k_proj, attention.v_proj),
            torch.cat([queries.expand(heads, -1), keys.expand(key_heads, -1)]),
            join(attention.o_proj),
            _norm(layer.post_attention_layernorm),
            _norm(layer.pre_feedforward_layernorm),
            join(mlp.gate_proj, mlp.up_proj),
            join(mlp.down_proj),
            _norm(layer.post_feedforward_layernorm),
        )


def _norm(norm: Any) -> torch.Tensor:
    """What a norm multiplies by: Gemma keeps it less one."""
    return 1 + norm.weight.float()


def _merged(layer: Any, adapter: str | None) -> torch.Tensor:
    """The weight of a linear layer with the adapter in it; the layer itself stays as it is."""
    tuned = isinstance(layer, BaseTunerLayer)
    if tuned and adapter:
        layer = deepcopy(layer).float()
        layer.merge(adapter_names=[adapter])
    weight: torch.Tensor = (layer.get_base_layer() if tuned else layer).weight
    return weight


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
