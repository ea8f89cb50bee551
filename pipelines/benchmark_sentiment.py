"""Measure texts per second of the classifier beside a BERT-base-shaped one, on headlines and articles.

The other has the shape of bert-base (12 layers, width 768, 110 M parameters) and random weights, which cost what
trained ones do; its words are single tokens for both models. "pipeline": transformers' text-classification
pipeline, one text at a time in float32, as people use it. "batched": the same model on length-sorted batches in
bfloat16. All engines take turns in every round, on texts that none has seen.
"""

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, pipeline

from app.bootstrap import build_classifier, load_backbone
from app.domain.errors import InvalidInput
from app.domain.news import Sentiment
from app.ml.sentiment import SentimentClassifier
from pipelines import command_line

WORDS = tuple(
    re.findall(
        r"\w+",
        "the bank said that profit rose in first half year and its shares fell after report on costs sales debt "
        "market growth company group loss price rate of a to by with from for at new more less than was were had "
        "will would could board plan deal cut raise trade oil gas data power cash fund loan tax demand supply",
    )
)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BERT_VOCABULARY = 30_522
WARM_UP = 2  # texts before the first round
Engine = Callable[[Sequence[str]], object]


@dataclass(frozen=True)
class Task:
    """One kind of text: how many words, which are tokens, and how many texts a round."""

    name: str
    tokens: int
    count: int


@dataclass(frozen=True)
class Speed:
    """What one engine did on one task, in texts per second, a figure a round."""

    engine: str
    task: Task
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.rounds)


def main() -> None:
    parser = command_line.parser((__doc__ or "").splitlines()[0])
    parser.add_argument("--headlines", type=int, default=128, metavar="N", help="a round (default 128)")
    parser.add_argument("--articles", type=int, default=16, metavar="N", help="a round (default 16)")
    parser.add_argument("--headline-tokens", type=int, default=25, metavar="N")
    parser.add_argument("--article-tokens", type=int, default=400, metavar="N")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=12, help="of the other model (default 12, as bert-base)")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    arguments = parser.parse_args()
    if min(arguments.headlines, arguments.articles, arguments.rounds) < 1:
        raise InvalidInput("--headlines, --articles and --rounds must be 1 or more.")
    settings = command_line.settings_of(arguments)
    backbone = load_backbone(settings, command_line.show_progress)
    classifier = build_classifier(settings, backbone, settings.sentiment_adapter)
    # Articles are read whole, so that both models read the same words.
    classifier.max_tokens = max(classifier.max_tokens, arguments.article_tokens + 32)
    engines = engines_of(classifier, arguments.layers, settings.batch_tokens)
    tasks = (
        Task("headlines", arguments.headline_tokens, arguments.headlines),
        Task("articles", arguments.article_tokens, arguments.articles),
    )
    speeds = [speed for task in tasks for speed in measure(engines, task, arguments.rounds)]
    about = {"threads": settings.threads, "dtype": str(backbone.dtype).removeprefix("torch.")}
    if arguments.json:
        command_line.print_json({**about, "results": [as_row(speed, speeds) for speed in speeds]})
    else:
        print(f"{about['threads']} threads, own classifier in {about['dtype']}, {arguments.rounds} rounds\n")
        print(as_table(speeds))


def engines_of(classifier: SentimentClassifier, layers: int, batch_tokens: int) -> dict[str, Engine]:
    """Engines by name; ratios are against the first."""
    tokenizer = bert_tokenizer()
    config = BertConfig(vocab_size=BERT_VOCABULARY, num_hidden_layers=layers, pad_token_id=0)
    config.num_labels = len(Sentiment)
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).eval()
    one_by_one = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    half = BertForSequenceClassification(config).eval().to(torch.bfloat16)
    return {
        "BERT-base shape, pipeline, float32": lambda texts: [one_by_one(text) for text in texts],
        "BERT-base shape, batched, bfloat16": lambda texts: classify_batched(half, tokenizer, texts, batch_tokens),
        "own classifier": lambda texts: classifier.classify(list(texts)),
    }


def bert_tokenizer() -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer that knows WORDS and letters; made here, since nothing may be downloaded."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
    pieces = [*SPECIAL, *dict.fromkeys(WORDS), *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=512,
    )  # fmt: skip


def classify_batched(
    model: Any, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], batch_tokens: int
) -> list[int]:
    """Labels in the order of the texts, computed in length-sorted batches of at most `batch_tokens`."""
    rows = [tokenizer(text)["input_ids"] for text in texts]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    labels = [0] * len(rows)
    while order:
        size = 1
        while size < len(order) and len(rows[order[size]]) * (size + 1) <= batch_tokens:
            size += 1
        batch, order = order[:size], order[size:]
        inputs = tokenizer.pad({"input_ids": [rows[i] for i in batch]}, return_tensors="pt")
        with torch.inference_mode():
            scores = torch.softmax(model(**inputs).logits.float(), 1)
        for i, label in zip(batch, scores.argmax(1).tolist(), strict=True):
            labels[i] = label
    return labels


def measure(engines: dict[str, Engine], task: Task, rounds: int) -> list[Speed]:
    """Texts per second of each engine in each round; every round has new texts, the same for all engines."""
    rng = random.Random(task.tokens)
    for engine in engines.values():
        engine(make_texts(task, rng, WARM_UP))
    found: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(rounds):
        texts = make_texts(task, rng, task.count)
        for name, engine in engines.items():
            started = time.perf_counter()
            engine(texts)
            found[name].append(len(texts) / (time.perf_counter() - started))
        command_line.show_progress(f"Measuring {task.name}", (number + 1) / rounds)
    return [Speed(name, task, tuple(values)) for name, values in found.items()]


def make_texts(task: Task, rng: random.Random, count: int) -> list[str]:
    """Texts of exactly `task.tokens` words, no two alike: a cache must not answer for the model."""
    return [" ".join(rng.choices(WORDS, k=task.tokens)) for _ in range(count)]


def as_row(speed: Speed, speeds: Sequence[Speed]) -> dict[str, Any]:
    """A result with its ratio to the first engine on the same task."""
    base = next(other for other in speeds if other.task == speed.task)
    return {
        "texts": speed.task.name,
        "tokens": speed.task.tokens,
        "engine": speed.engine,
        "texts_per_second": round(speed.median, 2),
        "ratio": round(speed.median / base.median, 2),
        "rounds": [round(value, 2) for value in speed.rounds],
    }


def as_table(speeds: Sequence[Speed]) -> str:
    """Markdown."""
    lines = ["| texts | engine | texts/s (median) | lowest to highest | ratio |", "|---|---|---:|---:|---:|"]
    for speed in speeds:
        row = as_row(speed, speeds)
        lines.append(
            f"| {speed.task.count} {speed.task.name} of {speed.task.tokens} tokens | {speed.engine} "
            f"| {speed.median:.1f} | {min(speed.rounds):.1f} to {max(speed.rounds):.1f} | {row['ratio']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    command_line.run(main)
