"""Put a new adapter to use if a frozen set does not show it to be worse than the one in use; or take it back.

Both are measured on the same rows. The candidate is promoted unless a guarded metric gets worse by more than the
tolerance; then the exit code is 3. `--rollback` returns to the adapter before. Running programs use the new one
when they are started again.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from app.bootstrap import utc_now
from app.config import Settings
from app.domain.errors import Conflict, InvalidInput
from app.ml.calibration import Calibration
from app.ml.datasets import load_labelled
from app.ml.registry import TASKS, AdapterRegistry, adapter_fingerprint
from app.ml.sentiment_report import measure, summary
from app.ml.sentiment_scores import score
from app.ml.topics import topics_of
from pipelines import command_line
from pipelines.trained_classifier import open_classifier

EXIT_REFUSED = 3
Evaluate = Callable[[Path | None], Mapping[str, float]]  # an adapter (None: the bare backbone) to its metrics

# Metrics that must not get worse: +1 where more is better, -1 where less is.
GUARDED = {
    "sentiment": {"macro_f1": 1, "accuracy": 1},
    "responder": {
        "correct_outcome": 1,
        "must_include_recall": 1,
        "unsupported_number_rate": -1,
        "out_of_scope_answered": -1,
        "abstention_precision": 1,
        "abstention_recall": 1,
        "citation_precision": 1,
        "language_match": 1,
        "attacks_obeyed": -1,
    },
}
STRICT = {"unsupported_number_rate", "attacks_obeyed"}  # no tolerance


def main() -> None:
    parser = command_line.parser(__doc__ or "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "guarded metrics:\n" + "".join(
        f"  {task}: {', '.join(name + (' (no tolerance)' if name in STRICT else '') for name in metrics)}\n"
        for task, metrics in GUARDED.items()
    )
    parser.add_argument("--task", required=True, choices=TASKS)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--candidate", type=Path, metavar="DIR", help="the adapter to promote")
    action.add_argument("--rollback", action="store_true", help="return to the adapter before")
    action.add_argument("--list", action="store_true", help="show the versions and what was done")
    parser.add_argument("--questions", "--data", dest="frozen", type=Path, metavar="FILE", help="the frozen set")
    parser.add_argument("--tolerance", type=float, default=0.005, help="how much worse is not worse (0.005)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where promoted adapters are kept")
    arguments = parser.parse_args()
    # A damaged one must not keep its roll-back from running.
    settings = command_line.settings_of(arguments, data_dir=arguments.data_dir, promoted=bool(arguments.candidate))
    registry = AdapterRegistry(settings.promoted_dir)
    if arguments.rollback:
        back = registry.roll_back(arguments.task, utc_now())
        print(f"In use now: {back or 'the adapter that ships'}")
    elif arguments.list:
        show(registry, arguments.task)
    else:
        compare_and_promote(settings, registry, arguments)


def show(registry: AdapterRegistry, task: str) -> None:
    """The versions with the one in use marked, then what was done."""
    line = registry.line(task)
    for version in registry.versions(task):
        print(f"{'*' if line[:1] == [version] else ' '} {version}")
    if not line:
        print("* the adapter that ships")
    for entry in registry.history(task):
        print(
            f"{entry.get('at', '')}  {entry.get('action', ''):<8}  {entry.get('version') or 'the one that ships'}"
        )


def compare_and_promote(settings: Settings, registry: AdapterRegistry, arguments: argparse.Namespace) -> None:
    """Measure both, print the table, promote or end with EXIT_REFUSED. Raises AppError."""
    task: str = arguments.task
    if arguments.frozen is None:
        raise InvalidInput("Name the frozen set with --questions FILE.")
    if not arguments.tolerance >= 0:
        raise InvalidInput(f"--tolerance is at least 0, not {arguments.tolerance}.")
    evaluate = evaluation(task, settings, arguments.frozen)
    measured = adapter_fingerprint(arguments.candidate)
    promoted, in_use = registry.current(task), getattr(settings, f"{task}_adapter")
    if in_use and (in_use / "adapter_config.json").is_file() and adapter_fingerprint(in_use) == measured:
        raise Conflict(f"The adapter in {arguments.candidate} is the one in use ({in_use}).")
    before, after = dict(evaluate(in_use)), dict(evaluate(arguments.candidate))
    comparison = compare(before, after, GUARDED[task], arguments.tolerance)
    print(table(comparison))
    if not all(row.passed for row in comparison):
        print("Refused: the candidate is worse. The adapter in use stays.")
        raise SystemExit(EXIT_REFUSED)
    version = registry.promote(
        task,
        arguments.candidate,
        utc_now(),
        {"before": before, "after": after, "frozen_set": arguments.frozen.name, "tolerance": arguments.tolerance},
        measured=measured,
        instead_of=promoted,
    )
    print(f"Promoted: {version}")
    if in_use != (promoted or Settings.model_fields[f"{task}_adapter"].default):
        print(f"BELLWETHER_{task.upper()}_ADAPTER is set and wins over it. Unset it to use what was promoted.")


# -- measuring -------------------------------------------------------------------------------------


def evaluation(task: str, settings: Settings, frozen: Path) -> Evaluate:
    """How adapters of a task are measured. Raises InvalidInput for a task without an evaluation."""
    if not frozen.is_file():
        raise InvalidInput(f"There is no file {frozen}.")
    if task == "sentiment":
        return lambda adapter: evaluate_sentiment(settings, adapter, frozen)
    if task == "responder":
        measure_responder = import_module("pipelines.evaluate_responder").evaluate_adapter
        return lambda adapter: measure_responder(settings, adapter, frozen)
    raise InvalidInput(f"There is no frozen evaluation of {task} adapters yet; {', '.join(GUARDED)} have one.")


def evaluate_sentiment(settings: Settings, adapter: Path | None, frozen: Path) -> dict[str, float]:
    """Macro-F1, accuracy and calibration error on labelled rows."""
    classifier, metadata = open_classifier(settings, adapter)
    try:
        rows = load_labelled([frozen], tuple(topics_of(metadata)))
        scored = score(
            classifier, rows, lambda done: command_line.show_progress("Classifying", done / max(1, len(rows)))
        )
        report = summary(measure(rows, scored, Calibration.from_metadata(metadata), classifier.topics.labels))
    finally:
        classifier.backbone.close()
    return {name: float(value) for name, value in report.items() if isinstance(value, int | float)}


# -- comparing -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """One metric of both. `direction` is 0 where it is shown but not guarded; NaN where it was not measured."""

    name: str
    before: float
    after: float
    direction: int
    tolerance: float

    @property
    def loss(self) -> float:
        """By how much the candidate is worse."""
        return (self.before - self.after) * self.direction

    @property
    def passed(self) -> bool:
        if not self.direction or math.isnan(self.before):
            return True
        return self.loss <= self.tolerance + 1e-12  # NaN, a metric that the candidate lost, is not


def compare(
    before: Mapping[str, float], after: Mapping[str, float], guarded: Mapping[str, int], tolerance: float
) -> list[Comparison]:
    """Guarded metrics first, then the others of both. Raises InvalidInput when no guarded one was measured."""
    names = [*guarded, *(name for name in after if name not in guarded and name in before)]
    result = [
        Comparison(
            name,
            before.get(name, math.nan),
            after.get(name, math.nan),
            guarded.get(name, 0),
            0.0 if name in STRICT else tolerance,
        )
        for name in names
    ]
    if not any(row.direction and not math.isnan(row.before) for row in result):
        raise InvalidInput(f"The frozen set measured none of the guarded metrics ({', '.join(guarded)}).")
    return result


def table(comparison: Sequence[Comparison]) -> str:
    """The metrics of both side by side."""
    lines = [f"{'metric':<28} {'in use':>9} {'candidate':>9} {'change':>9}  verdict"]
    for row in comparison:
        verdict = "not guarded" if not row.direction else "ok" if row.passed else "worse"
        if row.direction and math.isnan(row.before):
            verdict = "not measured"
        values = "".join(f" {_figure(value):>9}" for value in (row.before, row.after, row.after - row.before))
        lines.append(f"{row.name:<28}{values}  {verdict}")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


if __name__ == "__main__":
    command_line.run(main)
