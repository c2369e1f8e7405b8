"""What is said at the end of an ingest: how much, how well, what was skipped, where it is, what to try."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from ipgraph.cli.render import console

if TYPE_CHECKING:
    from ipgraph.graphstore.runs.directory import RunDirectory

REASONS = 5
"""Reasons for skipped rows that are listed, the commonest first."""


def print_summary(run: "RunDirectory", time: str, store: str, then: str) -> None:
    """Print the summary of an extraction and its loading; `store` is "" where there was none."""
    record = run.run
    found = _findings(run)
    levels = 2 if record.level == "both" else 1
    lines = {
        "sentences": f"{record.instances}, {_right(record.accuracy)}",
        "words": str(record.patterns // levels),
        "patterns": f"{record.patterns} ({record.level if levels == 1 else 'embedding and attention'} level)",
        "skipped": _skipped(run),
        "completeness": f"error {found['error']:.3g} on average, {found['largest']:.3g} at most, "
        f"of a QoI difference of {found['difference']:.3g}",
        "time": time,
        "run": str(run.path),
        "store": store,
        "next": then,
    }
    _print_lines(lines)


def _right(accuracy: float | None) -> str:
    if accuracy is None:
        return "none with a label"
    return f"{accuracy:.1%} of them answered correctly by the model"


def print_loaded(runs: "Sequence[RunDirectory]", store: str, new: int, seconds: float) -> None:
    """Print what loading run directories came to."""
    patterns = sum(run.run.patterns for run in runs)
    lines = {
        "runs": f"{new} added, {len(runs) - new} there already ({', '.join(run.id for run in runs)})",
        "patterns": str(patterns),
        "time": f"{seconds:.1f} s",
        "store": store,
    }
    _print_lines(lines)


def _print_lines(lines: dict[str, str]) -> None:
    from rich.text import Text

    width = max(map(len, lines)) + 2
    for name, value in lines.items():
        if value:
            console().print(Text.assemble((f"{name:<{width}}", "bold"), value), soft_wrap=True)


def _findings(run: "RunDirectory") -> dict[str, float]:
    errors: list[float] = []
    differences: list[float] = []
    for table in run.tables("predictions"):
        errors += [abs(error) for error in table["completeness_error"].to_pylist()]
        qois, baselines = table["qoi"].to_pylist(), table["qoi_baseline"].to_pylist()
        differences += [abs(qoi - baseline) for qoi, baseline in zip(qois, baselines, strict=True)]
    return {"error": fmean(errors), "largest": max(errors), "difference": fmean(differences)}


def _skipped(run: "RunDirectory") -> str:
    rows = run.manifest["skipped"]
    if not rows:
        return "0 rows"
    counts = Counter(row["reason"] for row in rows)
    listed = [f"\n  {count} x {reason}" for reason, count in counts.most_common(REASONS)]
    more = f"\n  and {len(counts) - REASONS} more reasons" if len(counts) > REASONS else ""
    count = "1 row" if len(rows) == 1 else f"{len(rows)} rows"
    # A run that was there already has on record what was skipped when it was made, which may differ.
    is_on_record = run.open(run.path).manifest["skipped"] == rows
    where = f" (see ipgraph run show {run.id})" if is_on_record else ""
    return count + where + "".join(listed) + more
