"""Measure how fast the chat answers: for one visitor, for many at once, and beside llama.cpp.

"whole answer": a prompt of --prompt-tokens from the knowledge base and --new-tokens written, past any end of the
reply, so that all engines write as much. They take turns in every round, on prompts that none has seen, given as
the same token ids. llama.cpp (--llama-cpp; pip install xllamacpp) runs the GGUF file that the backbone was made
from, without the adapter, as its server does by default: greedy, no draft.
"""

import importlib
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from app.bootstrap import build_chat, build_judge, load_backbone
from app.config import Settings
from app.domain.conversations import Outcome, Passage
from app.domain.errors import AppError, InvalidInput
from app.ml.backbone import Backbone
from app.ml.backbone_files import PACKAGES
from app.ml.decoder import open_decoder
from app.ml.embedder import load_embedder
from app.ml.executor import Priority
from app.ml.responder import ADAPTER, DRAFT_TOKENS, Engine, Responder
from app.services.chat import Finished
from app.services.retrieval import Retrieval
from app.storage.conversations import Conversations
from app.storage.database import open_database
from app.storage.knowledge_index import KnowledgeIndex
from pipelines import command_line

OWN, NO_DRAFTS, PLAIN, OTHER = "own", "own, no drafts", "transformers", "llama.cpp"
Writer = Callable[[list[int]], object]


@dataclass(frozen=True)
class Load:
    """What `visitors` at once got: seconds to each reply's first tokens, tokens written, and seconds in all."""

    visitors: int
    first: tuple[float, ...]
    tokens: int
    seconds: float

    def as_row(self) -> dict[str, Any]:
        return {
            "visitors": self.visitors,
            "first_token_p50": round(median(self.first), 3),
            "first_token_p95": round(percentile(self.first, 95), 3),
            "tokens_per_second": round(self.tokens / self.seconds, 1),
            "answers_per_minute": round(60 * len(self.first) / self.seconds, 1),
        }


def main() -> None:
    parser = command_line.parser((__doc__ or "").splitlines()[0])
    parser.add_argument("--index", type=Path, required=True, metavar="DIR", help="where prompts are made from")
    parser.add_argument("--visitors", type=int, nargs="+", default=[1, 4, 16], metavar="N")
    parser.add_argument("--replies", type=int, default=2, metavar="N", help="that each visitor asks for")
    parser.add_argument("--prompt-tokens", type=int, default=400, metavar="N")
    parser.add_argument("--new-tokens", type=int, default=60, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of whole answers and templates")
    parser.add_argument("--llama-cpp", action="store_true", help="measure llama.cpp in the same rounds")
    parser.add_argument("--transformers", action="store_true", help="and the backbone as transformers runs it")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the tables")
    arguments = parser.parse_args()
    numbers = (*arguments.visitors, arguments.replies, arguments.rounds, arguments.new_tokens)
    if min(numbers) < 1 or arguments.prompt_tokens < 32:
        raise InvalidInput("Every number must be 1 or more, and --prompt-tokens 32 or more.")
    settings = command_line.settings_of(arguments)
    index = KnowledgeIndex.load(arguments.index)
    backbone = load_backbone(settings, command_line.show_progress)
    if settings.responder_adapter:
        backbone.load_adapter(ADAPTER, settings.responder_adapter)
    bench = Bench(settings, backbone, index, arguments.prompt_tokens, arguments.new_tokens)
    with bench.engines(arguments.llama_cpp, arguments.transformers) as engines:
        answers = measure_answers(engines, bench.prompts(), arguments.rounds)
    loads = [measure_load(bench.responder, bench.prompts(), n, arguments.replies) for n in arguments.visitors]
    report = {
        "threads": settings.threads,
        "engine": "packed" if bench.packed else "transformers",
        "prompt_tokens": arguments.prompt_tokens,
        "new_tokens": arguments.new_tokens,
        "answers": answer_rows(answers),
        "visitors": [load.as_row() for load in loads],
        "template": measure_templates(settings, backbone, index, bench.responder, 4 * arguments.rounds),
    }
    if arguments.json:
        command_line.print_json(report)
    else:
        print(as_tables(report))


class Bench:
    """What is measured, and prompts to measure it with."""

    def __init__(
        self, settings: Settings, backbone: Backbone, index: KnowledgeIndex, prompt_tokens: int, new_tokens: int
    ) -> None:
        self.settings, self.backbone, self.index = settings, backbone, index
        self.prompt_tokens, self.new_tokens = prompt_tokens, new_tokens
        self.adapter = ADAPTER if settings.responder_adapter else None
        self.packed = open_decoder(backbone, self.adapter)
        self.responder = self._responder(self.packed)

    def _responder(self, engine: Engine | None, draft_tokens: int = DRAFT_TOKENS) -> Responder:
        return Responder(
            self.backbone, self.adapter, max_new_tokens=self.new_tokens, draft_tokens=draft_tokens, engine=engine
        )

    def prompts(self) -> Iterator[list[int]]:
        """Prompts of exactly `prompt_tokens`: a curated question, its passage behind others; no two alike."""
        rng = random.Random(17)
        passages = self.index.passages
        asked = [p for p in passages if p.question] or passages
        while True:
            rng.shuffle(asked := list(asked))
            for passage in asked:
                ids = self._prompt(passage, rng.sample(passages, len(passages)))
                yield ids[:1] + ids[1 - self.prompt_tokens :]

    def _prompt(self, passage: Passage, others: Sequence[Passage]) -> list[int]:
        # The size that suffices is doubled up to: encoding a long prompt once more for each passage takes long.
        self.responder.max_prompt_tokens, size = 1_000_000, 4
        while True:
            sources = [*others[:size], passage]
            ids = self.responder.encode(passage.question or passage.title, sources)
            if len(ids) >= self.prompt_tokens or size >= len(others):
                return ids
            size *= 2

    @contextmanager
    def engines(self, llama_cpp: bool, transformers: bool) -> Iterator[dict[str, Writer]]:
        """What writes a whole answer, by name."""
        found: dict[str, Writer] = {}
        with tempfile.TemporaryDirectory() as folder:
            if llama_cpp:
                found[OTHER] = llama_writer(self.settings, Path(folder), self.new_tokens)
            found[OWN] = self._writer(self.responder)
            found[NO_DRAFTS] = self._writer(self._responder(self.packed, 0))
            if transformers:
                found[PLAIN] = self._writer(self._responder(None))
            yield found

    def _writer(self, responder: Responder) -> Writer:
        """Writes to the limit, whatever the text, and reads every prompt from its first token on."""

        def write(prompt: list[int]) -> object:
            if self.packed:
                self.backbone.executor.run(self.packed.forget, Priority.CUSTOMER)
            return list(responder.tokens(prompt, to_the_limit=True))

        return write


def llama_writer(settings: Settings, folder: Path, new_tokens: int) -> Writer:
    """llama.cpp on the backbone's GGUF file. Raises InvalidInput without the file or the package."""
    model = gguf_file(settings.backbone, folder)
    try:
        library = importlib.import_module("xllamacpp")
    except ImportError as error:
        raise InvalidInput("--llama-cpp needs xllamacpp: pip install -r requirements-dev.txt") from error
    params = library.CommonParams()
    params.model.path = str(model)
    params.n_ctx, params.n_parallel, params.n_gpu_layers, params.warmup = 2048, 1, 0, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.verbosity = 0
    server = library.Server(params)

    def write(prompt: list[int]) -> object:
        request = {"prompt": prompt, "n_predict": new_tokens, "ignore_eos": True, "temperature": 0.0}
        answer = server.handle_completions({**request, "cache_prompt": False})
        written = answer.get("tokens_predicted", answer.get("usage", {}).get("completion_tokens"))
        if written != new_tokens:
            raise InvalidInput(f"llama.cpp wrote {written} tokens instead of {new_tokens}: {str(answer)[:200]}")
        return answer

    return write


def gguf_file(backbone: str, folder: Path) -> Path:
    """The GGUF file of the backbone; a package's is put together in `folder`."""
    name = backbone.removeprefix("package:")
    if name in PACKAGES:
        module: Any = importlib.import_module(PACKAGES[name][0])
        return Path(module.assemble(folder / "model.gguf"))
    if not backbone.endswith(".gguf"):
        raise InvalidInput("--llama-cpp needs a backbone that is a GGUF file or a package of one.")
    return Path(backbone).expanduser()


def measure_answers(
    engines: dict[str, Writer], prompts: Iterator[list[int]], rounds: int
) -> dict[str, list[float]]:
    """Seconds of each engine for a whole answer in each round; the prompt of a round is the same for all."""
    warm_up = next(prompts)
    for write in engines.values():
        write(warm_up)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(rounds):
        prompt = next(prompts)
        for name, write in engines.items():
            started = time.perf_counter()
            write(prompt)
            seconds[name].append(time.perf_counter() - started)
        command_line.show_progress("Measuring whole answers", (number + 1) / rounds)
    return seconds


def measure_load(responder: Responder, prompts: Iterator[list[int]], visitors: int, replies: int) -> Load:
    """All visitors ask at once, and again as soon as they have their reply."""
    questions = [[next(prompts) for _ in range(replies)] for _ in range(visitors)]
    first: list[float] = []
    counts: list[int] = []
    errors: list[AppError] = []

    def visit(own: Sequence[list[int]]) -> None:
        try:
            for prompt in own:
                started = time.perf_counter()
                tokens = responder.tokens(prompt, to_the_limit=True)
                counts.append(len(next(tokens)))
                first.append(time.perf_counter() - started)
                counts.extend(map(len, tokens))
        except AppError as error:
            errors.append(error)

    threads = [threading.Thread(target=visit, args=[own]) for own in questions]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return Load(visitors, tuple(first), sum(counts), time.perf_counter() - started)


def measure_templates(
    settings: Settings, backbone: Backbone, index: KnowledgeIndex, responder: Responder, count: int
) -> dict[str, Any]:
    """Milliseconds to the approved answer of curated questions, asked as they stand in the knowledge base."""
    retrieval = Retrieval(index, load_embedder(settings.embedder, backbone, settings.threads))
    judge = build_judge(settings, backbone)
    chat = build_chat(settings, Conversations(open_database("sqlite://")), retrieval, responder, judge)
    questions = [p.question for p in index.passages if p.question]
    chosen = random.Random(17).sample(questions, min(count + 1, len(questions)))
    found: list[float] = []
    for question in chosen:
        finished = next(e for e in chat.answer(question) if isinstance(e, Finished))
        if finished.reply.outcome is Outcome.TEMPLATE:
            found.append(1000 * finished.seconds)
    del found[:1]  # the first one warms up
    if not found:
        return {"count": 0}
    return {
        "count": len(found),
        "ms_p50": round(median(found), 1),
        "ms_p95": round(percentile(found, 95), 1),
    }


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` % do not exceed, between neighbours by their distance."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def answer_rows(seconds: dict[str, list[float]]) -> list[dict[str, Any]]:
    """A row an engine: median seconds, and the median ratio to llama.cpp (or the first engine) in a round."""
    base = seconds.get(OTHER) or next(iter(seconds.values()))
    return [
        {
            "engine": name,
            "seconds": round(median(values), 3),
            "ratio": round(median(v / b for v, b in zip(values, base, strict=True)), 3),
            "rounds": [round(value, 3) for value in values],
        }
        for name, values in seconds.items()
    ]


def as_tables(report: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        f"{report['threads']} threads, engine: {report['engine']}; a prompt of {report['prompt_tokens']} tokens, "
        f"{report['new_tokens']} written\n",
        "| whole answer | s (median) | lowest to highest | ratio |",
        "|---|---:|---:|---:|",
    ]
    for row in report["answers"]:
        low, high = min(row["rounds"]), max(row["rounds"])
        lines.append(f"| {row['engine']} | {row['seconds']:.2f} | {low:.2f} to {high:.2f} | {row['ratio']:.2f} |")
    lines += [
        "\n| visitors at once | first token, s (p50) | (p95) | tokens/s | answers/min |",
        "|---:|---:|---:|---:|---:|",
    ]
    for row in report["visitors"]:
        lines.append(
            f"| {row['visitors']} | {row['first_token_p50']:.2f} | {row['first_token_p95']:.2f} "
            f"| {row['tokens_per_second']:.1f} | {row['answers_per_minute']:.1f} |"
        )
    template = report["template"]
    if template["count"]:
        lines.append(
            f"\nTemplate answers ({template['count']}): {template['ms_p50']:.0f} ms (p50), "
            f"{template['ms_p95']:.0f} ms (p95)"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    command_line.run(main)
