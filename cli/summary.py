"""What is printed at the end of an extraction or a loading."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from ipgraph.cli.options import RUNS_DIR
from ipgraph.cli.render import console
from ipgraph.graphstore.common.suggested import suggested
from ipgraph.graphstore.schema.records import levels_of

if TYPE_CHECKING:
    from ipgraph.extractor.datasets.example import Reason
    from ipgraph.graphstore.runs.directory import RunDirectory
    from ipgraph.graphstore.schema.records import Run

REASONS = 5
"""How many reasons for skipped rows are listed, the commonest first."""


def print_summary(
    run: "RunDirectory", time: str, store: str, next_command: str, before: "RunDirectory | None" = None
) -> None:
    """Print the summary of an extraction, and of its loading unless `store` is "".

    What is said of the dataset is not said again where it was of the run before.
    """
    record = run.run
    _print_lines(
        {
            "method": "" if record.method == "gpr" else record.method,
            "sentences": f"{record.instances}, {_accuracy(record.accuracy)}",
            **_patterns(record),
            **_of_dataset(run, before),
            "points": _points(run),
            "completeness": _completeness(run),
            "time": time,
            "run": str(run.path) + (f" ({run.label})" if run.label else ""),
            "store": store,
            "next": next_command,
        }
    )


def next_command(record: "Run", instance: str, store: str | None) -> str:
    """Return the command to suggest for a run in the store, or for the one instance that is of interest."""
    if record.level and instance:
        return suggested("show", instance, "--run", record.id, store=store)
    return suggested(_first_look(record), "--run", record.id, store=store)


def _first_look(record: "Run") -> str:
    """Return the command that says most about a run: its method's report, of others the scores."""
    from ipgraph.queries.reports.registry import REPORTS

    if record.level:
        return "report overview"
    of_method = (f"report {name}" for name, one in REPORTS.items() if record.method in one.methods)
    return next(of_method, "report scores")


def _patterns(record: "Run") -> dict[str, str]:
    levels = levels_of(record.level)
    if not levels:
        return {"scores": "one per token"}
    listed = f"{record.patterns} ({' and '.join(levels)} level)"
    return {"words": str(record.patterns // len(levels)), "patterns": listed}


def print_loaded(runs: "Sequence[RunDirectory]", stored: Sequence[str], store: str, seconds: float) -> None:
    """Print the summary of loading run directories; those whose ids are in `stored` were there already."""
    added = [run.id for run in runs if run.id not in stored]
    _print_lines(
        {
            "added": ", ".join(added) or "no run",
            "already there": ", ".join(stored),
            "patterns": str(sum(run.run.patterns for run in runs)),
            "time": f"{seconds:.1f} s",
            "store": store,
        }
    )


def _print_lines(lines: dict[str, str]) -> None:
    from rich.text import Text

    width = max(map(len, lines)) + 2
    for name, value in lines.items():
        if value:
            console().print(Text.assemble((f"{name:<{width}}", "bold"), value), soft_wrap=True)


def _accuracy(accuracy: float | None) -> str:
    if accuracy is None:
        return "none of them with a label"
    return f"{accuracy:.1%} of them answered correctly by the model"


def _points(run: "RunDirectory") -> str:
    record = run.run
    if not record.quadrature:
        return ""
    if record.tolerance is None:
        return f"{record.n_steps} per sentence ({record.quadrature})"
    counts: Counter[int] = Counter()
    for table in run.tables("predictions"):
        counts.update(table["points"].to_pylist())
    listed = ", ".join(f"{points} for {counts[points]}" for points in sorted(counts))
    unsettled = (
        f"; {record.unsettled} did not settle (see ipgraph report quality --run {run.id})"
        if record.unsettled
        else ""
    )
    return f"{listed}, to an error of {record.tolerance:.2g} of the change in QoI{unsettled}"


def _completeness(run: "RunDirectory") -> str:
    errors: list[float] = []
    differences: list[float] = []
    for table in run.tables("predictions"):
        errors += [abs(error) for error in table["completeness_error"].to_pylist() if error is not None]
        qois, baselines = table["qoi"].to_pylist(), table["qoi_baseline"].to_pylist()
        pairs = zip(qois, baselines, strict=True)
        differences += [abs(qoi - baseline) for qoi, baseline in pairs if baseline is not None]
    if not errors:
        return ""
    return (
        f"mean error {fmean(errors):.3g}, largest {max(errors):.3g}; "
        f"the QoI changes by {fmean(differences):.3g} on average"
    )


def _of_dataset(run: "RunDirectory", before: "RunDirectory | None") -> dict[str, str]:
    """Return what is said of the columns and the skipped rows, less what was said of the run before."""
    columns, skipped = _columns(run), run.manifest["skipped"]
    if before is None:
        return {"columns": columns, "skipped": _skipped(run)}
    is_known = columns == _columns(before)
    return {
        "columns": "" if is_known else columns,
        "skipped": "as before" if skipped and skipped == before.manifest["skipped"] else _skipped(run),
    }


def _columns(run: "RunDirectory") -> str:
    from ipgraph.extractor.datasets.example import columns_in_words

    columns = run.manifest["environment"].get("columns")
    return columns_in_words(columns["read"], columns["unread"]) if columns else ""


def skipped_reasons(rows: Sequence[Mapping[str, str]]) -> "list[Reason]":
    """Return the kinds of reasons among a run's skipped rows, the commonest first."""
    from ipgraph.extractor.datasets.example import Skipped, reasons

    return reasons(Skipped(row["where"], row["reason"], row.get("kind", "")) for row in rows)


def _skipped(run: "RunDirectory") -> str:
    rows = run.manifest["skipped"]
    if not rows:
        return "0 rows"
    found = skipped_reasons(rows)
    listed = [f"\n  {reason}" for reason in found[:REASONS]]
    more = f"\n  and {len(found) - REASONS} more reasons" if len(found) > REASONS else ""
    count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    # A run that existed already has recorded what was skipped when it was made, which may differ.
    is_recorded = run.open(run.path).manifest["skipped"] == rows
    runs_dir = () if run.path.parent == RUNS_DIR else ("--runs-dir", str(run.path.parent))
    where = f" (see {suggested('run show', run.id, *runs_dir)})" if is_recorded else ""
    return count + where + "".join(listed) + more
