"""Put the questions of a frozen set to the chat and measure its replies.

JSON Lines: "question", "answerable", and where there are: "history", "source", "reference", "must_include" (a
list; of an inner list any text will do), "must_not_include", "outcome" (those that are right), "kind", "language",
"passage" (put among the knowledge for this question alone, as an attacker might).
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from app.config import Settings
from app.integrations.documents import read_folder
from app.ml.answer_metrics import Judged, Observed, answer_report, judge_reply
from app.ml.embedder import Embedder
from app.ml.evaluation_rows import Expected, load_questions
from app.services.chat import Finished
from app.services.indexing import entries_of
from app.storage.knowledge_index import KnowledgeIndex
from pipelines import command_line
from pipelines.answers_page import write_page
from pipelines.ask import OpenChat, open_chat, text_of
from pipelines.kept_answers import KeptAnswers, setup_of

FOUND = 10  # passages whose rank is looked at


def main() -> None:
    parser = command_line.parser((__doc__ or "").splitlines()[0])
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--questions", type=Path, required=True, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON line (default: indented)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page to read row by row")
    parser.add_argument("--limit", type=int, metavar="N", help="no more than N questions, spread over the file")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="keep every reply; a stopped run goes on")
    arguments = parser.parse_args()
    questions = load_questions(arguments.questions)
    index = KnowledgeIndex.load(arguments.index)
    settings = command_line.settings_of(arguments)
    kept = KeptAnswers(arguments.answers, setup_of(settings, index), questions)
    asked = spread(questions, arguments.limit)
    judged = evaluate(open_chat(settings, index), asked, kept)
    kept.save()
    report = answer_report(judged)
    if arguments.html:
        write_page(arguments.html, arguments.questions.name, judged, report)
    print(json.dumps(report, ensure_ascii=False, indent=None if arguments.json else 2))


def evaluate_adapter(settings: Settings, adapter: Path, questions: Path) -> dict[str, float]:
    """The figures over all questions with another responder adapter, on the index of the settings.

    Figures that the questions do not give are left out. Raises AppError, as when the index is not built.
    """
    rows = load_questions(questions)
    settings = settings.model_copy(update={"responder_adapter": adapter})
    index = KnowledgeIndex.load(settings.effective_index_dir)
    opened = open_chat(settings, index)
    try:
        report = answer_report(evaluate(opened, rows, KeptAnswers(None, "", rows)))
    finally:
        opened.backbone.close()
    return {name: float(value) for name, value in report.items() if isinstance(value, int | float)}


def spread(questions: Sequence[Expected], limit: int | None) -> list[Expected]:
    """At most `limit` questions at equal distances, since files are sorted by kind."""
    count = len(questions) if limit is None else min(max(1, limit), len(questions))
    return [questions[i * len(questions) // count] for i in range(count)]


def evaluate(opened: OpenChat, questions: Sequence[Expected], kept: KeptAnswers) -> list[Judged]:
    """Ask what was not asked before, and judge every reply."""
    opened.retrieval.retrieve("warm-up")
    unknown = [question for question in questions if kept.find(question) is None]
    started = time.perf_counter()
    for done, question in enumerate(unknown):
        spent = time.perf_counter() - started
        left = f", {spent / done * (len(unknown) - done) / 60:.0f} min left" if done else ""
        command_line.show_progress(f"Asking {done + 1} of {len(unknown)}{left}", done / len(unknown))
        kept.add(question, ask(opened, question))
    command_line.show_progress(f"Asked {len(unknown)} questions", 1.0)
    answers = [(question, kept.find(question)) for question in questions]
    return [(question, answer, judge_reply(question, answer)) for question, answer in answers if answer]


def ask(opened: OpenChat, question: Expected) -> Observed:
    """One question, with its passage among the knowledge."""
    with added_passage(opened, question.passage):
        events = opened.chat.answer(question.question, question.history)
        finished = next(event for event in events if isinstance(event, Finished))
        found = opened.retrieval.retrieve(question.question, question.history, FOUND)  # after what is timed
    reply = finished.reply
    return Observed(
        text_of(reply),
        reply.outcome,
        reply.citations,
        tuple((hit.passage.source, round(hit.cosine, 4)) for hit in found),
        round(finished.seconds_to_first_token, 4),
        round(finished.seconds, 4),
    )


@contextmanager
def added_passage(opened: OpenChat, text: str) -> Iterator[None]:
    """The index with one more document, which is read and cut as any other; then the index as it was."""
    plain = opened.retrieval.index
    if text:
        opened.retrieval.reload(extended(plain, opened.retrieval.embedder, text))
    try:
        yield
    finally:
        opened.retrieval.reload(plain)


def extended(index: KnowledgeIndex, embedder: Embedder, text: str) -> KnowledgeIndex:
    """A copy of an index, in memory, that also holds a document."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "notice.md").write_text(text, "utf-8")
        passages, _ = read_folder(Path(folder))
    entries = [replace(entry, passage=entry.passage + len(index)) for entry in entries_of(passages)]
    vectors = np.concatenate([index.vectors(), embedder.embed_passages([entry.text for entry in entries])])
    return KnowledgeIndex([*index.passages, *passages], [*index.entries, *entries], vectors, index.meta)


if __name__ == "__main__":
    command_line.run(main)
