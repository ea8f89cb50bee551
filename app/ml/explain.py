"""Which words made the classifier give a sentiment.

An attribution says how much a word moved the log-odds of the label: above 0 towards it, below 0 away from it.
pipelines.compare_explanations measures the methods against each other; DEFAULT_METHOD is what it chose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from app.domain.errors import ConfigurationError
from app.domain.news import Excerpt, Sentiment
from app.ml.executor import Priority
from app.ml.prompts import sentiment_text
from app.ml.sentiment import SentimentClassifier
from app.ml.word_spans import align, word_spans

MAX_CHARS_PER_TOKEN = 32  # what is certainly behind the model's window is not looked at
PATH_STEPS = 24  # of integrated gradients
GUIDED_WORDS = 24  # that are worth a forward pass each
PATH_BATCH_TOKENS = 2048  # that take gradients at once; more would keep the activations of all of them


@dataclass(frozen=True)
class Span:
    """A word of the original text, text[start:end], with its attribution in log-odds."""

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Explanation:
    """Why `text` was given `sentiment`. A long text has words only as far as the model read it."""

    text: str
    sentiment: Sentiment
    probability: float  # of that sentiment
    method: str
    tokens: tuple[Span, ...]


@dataclass(frozen=True)
class Reading:
    """A text as far as the model reads it, with the words to which its tokens belong.

    `letters[i]` are the characters of the original text that token `i` stands for; none for the suffix,
    a style tag and the like.
    """

    excerpt: Excerpt
    ids: tuple[int, ...]
    letters: tuple[tuple[int, ...], ...]
    words: tuple[tuple[int, int], ...]
    target: int  # the label's place among the sentiments

    def merged(self, token_scores: Sequence[float]) -> list[float]:
        """Scores of words from those of tokens; a token in two words is shared by its characters."""
        of_letter: dict[int, float] = {}
        for letters, score in zip(self.letters, token_scores, strict=True):
            for letter in letters:
                of_letter[letter] = of_letter.get(letter, 0.0) + score / len(letters)
        return [sum(of_letter.get(i, 0.0) for i in range(start, end)) for start, end in self.words]


Method = Callable[[SentimentClassifier, Reading, Priority], list[float]]


def explain(
    classifier: SentimentClassifier,
    excerpt: Excerpt | str,
    label: Sentiment | None = None,
    *,
    method: str = "",
    priority: Priority = Priority.ANALYST,
) -> Explanation:
    """Attribute `label` (by default the sentiment that the classifier gives) to the words of a text."""
    excerpt = Excerpt(excerpt) if isinstance(excerpt, str) else excerpt
    method = method or DEFAULT_METHOD
    beginning = replace(excerpt, text=excerpt.text[: MAX_CHARS_PER_TOKEN * classifier.max_tokens])
    result = classifier.classify([beginning], priority)[0]
    label = label or result.sentiment
    reading = read(classifier, beginning, label)
    scores = METHODS[method](classifier, reading, priority) if reading.words else []
    spans = (
        Span(excerpt.text[start:end], start, end, score)
        for (start, end), score in zip(reading.words, scores, strict=True)
    )
    return Explanation(excerpt.text, label, result.scores[label], method, tuple(spans))


def read(classifier: SentimentClassifier, excerpt: Excerpt, label: Sentiment) -> Reading:
    """The prompt of a text, and which of its tokens stand for which characters."""
    ids = classifier.encode(excerpt)
    rendered = sentiment_text(excerpt.text, excerpt.style)
    body = classifier.backbone.tokenizer(rendered, return_offsets_mapping=True)
    kept = 0
    while kept < min(len(ids), len(body["input_ids"])) and ids[kept] == body["input_ids"][kept]:
        kept += 1
    offsets = body["offset_mapping"][:kept]
    place = align(rendered[: max((end for _, end in offsets), default=0)], excerpt.text)
    letters = [tuple(sorted({j for j in place[a:b] if j is not None})) for a, b in offsets]
    letters += [()] * (len(ids) - kept)
    seen = max((last for row in letters for last in row), default=-1) + 1
    words = word_spans(excerpt.text[:seen])
    target = classifier.sentiments.labels.index(label)
    return Reading(replace(excerpt, text=excerpt.text[:seen]), tuple(ids), tuple(letters), tuple(words), target)


def gradient_times_input(classifier: SentimentClassifier, reading: Reading, priority: Priority) -> list[float]:
    """The slope at the text itself times its embeddings (Shrikumar et al. 2016, arXiv:1605.01713): one step."""

    def step(embeddings: torch.Tensor, blank: torch.Tensor) -> torch.Tensor:
        embeddings.requires_grad_()
        _log_odds_at(classifier, embeddings, reading).sum().backward()
        return embeddings.grad * (embeddings.detach() - blank)  # type: ignore[operator]

    return _by_gradient(classifier, reading, step, priority)


def integrated_gradients(classifier: SentimentClassifier, reading: Reading, priority: Priority) -> list[float]:
    """Slopes along the line from a text of padding (Sundararajan et al. 2017, arXiv:1703.01365), through captum.

    One long step on the model thread: for comparison, not for serving.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise ConfigurationError("Integrated gradients need captum: pip install captum==0.9.0.") from error

    def step(embeddings: torch.Tensor, blank: torch.Tensor) -> torch.Tensor:
        engine = IntegratedGradients(lambda rows: _log_odds_at(classifier, rows, reading))
        width = max(1, PATH_BATCH_TOKENS // len(reading.ids))
        return engine.attribute(embeddings, blank, n_steps=PATH_STEPS, internal_batch_size=width)

    return _by_gradient(classifier, reading, step, priority)


def leave_one_out(classifier: SentimentClassifier, reading: Reading, priority: Priority) -> list[float]:
    """How far the log-odds fall without each word (Li et al. 2016, arXiv:1612.08220)."""
    return _without_each(classifier, reading, list(range(len(reading.words))), priority)


def guided(classifier: SentimentClassifier, reading: Reading, priority: Priority) -> list[float]:
    """Leave one out for the words with the steepest gradients; in a long text the others count as 0."""
    if len(reading.words) <= GUIDED_WORDS:
        return leave_one_out(classifier, reading, priority)
    rough = gradient_times_input(classifier, reading, priority)
    chosen = sorted(range(len(rough)), key=lambda i: -abs(rough[i]))[:GUIDED_WORDS]
    scores = [0.0] * len(rough)
    for i, score in zip(chosen, _without_each(classifier, reading, chosen, priority), strict=True):
        scores[i] = score
    return scores


METHODS: dict[str, Method] = {
    "integrated_gradients": integrated_gradients,
    "gradient_times_input": gradient_times_input,
    "leave_one_out": leave_one_out,
    "guided": guided,
}
DEFAULT_METHOD = "leave_one_out"


def log_odds(scores: torch.Tensor, target: int) -> torch.Tensor:
    """Log-odds of a label against the others, (batch,), from logits (batch, labels)."""
    others = [i for i in range(scores.shape[1]) if i != target]
    return scores[:, target] - torch.logsumexp(scores[:, others], 1)


def _log_odds_at(classifier: SentimentClassifier, embeddings: torch.Tensor, reading: Reading) -> torch.Tensor:
    """Log-odds, (batch,), with `embeddings` (batch, tokens, width) in place of those of the reading's tokens."""
    ids = torch.tensor([reading.ids] * len(embeddings))
    embed = classifier.backbone.causal_lm.get_input_embeddings()
    hook = embed.register_forward_hook(lambda _layer, _ids, given: embeddings.to(given.dtype))
    try:
        return log_odds(classifier.logits(ids, torch.ones_like(ids))[0], reading.target)
    finally:
        hook.remove()


def _by_gradient(
    classifier: SentimentClassifier,
    reading: Reading,
    step: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    priority: Priority,
) -> list[float]:
    """Run `step` on the text's embeddings and those of padding in its place, both (1, tokens, width), float32."""
    backbone = classifier.backbone

    def work() -> list[float]:
        # Only the embeddings take gradients; the weights stay frozen.
        with torch.inference_mode(False), torch.enable_grad():
            backbone.activate(classifier.adapter)
            ids = torch.tensor([reading.ids])
            fixed = torch.tensor([[not row for row in reading.letters]])
            embed: Any = backbone.causal_lm.get_input_embeddings()
            given = embed(ids).float().detach()
            padding = embed(torch.full_like(ids, backbone.tokenizer.pad_token_id)).float().detach()
            blank = torch.where(fixed[..., None], given, padding)
            return step(given, blank).detach().sum(-1)[0].tolist()

    return reading.merged(backbone.executor.run(work, priority))


def _without_each(
    classifier: SentimentClassifier, reading: Reading, chosen: Sequence[int], priority: Priority
) -> list[float]:
    """How far the log-odds fall without each of the words `chosen`, in batches of `batch_tokens`."""
    rows = [reading.ids]
    text = reading.excerpt.text
    for i in chosen:
        start, end = reading.words[i]
        rows.append(tuple(classifier.encode(replace(reading.excerpt, text=text[:start] + text[end:]))))
    size = max(1, classifier.batch_tokens // max(len(row) for row in rows))
    found: list[float] = []
    for first in range(0, len(rows), size):
        found += _log_odds_of(classifier, rows[first : first + size], reading.target, priority)
    return [found[0] - other for other in found[1:]]


def _log_odds_of(
    classifier: SentimentClassifier, rows: Sequence[Sequence[int]], target: int, priority: Priority
) -> list[float]:
    ids, mask = classifier.backbone.pad(rows)
    scores, _ = classifier.backbone.run(classifier.adapter, lambda: classifier.logits(ids, mask), priority)
    return log_odds(scores, target).tolist()
