"""The run directories under a folder: all of them, or the one that an id, its beginning or a label names."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from ipgraph.graphstore.common.errors import IpgraphError, UsageError, unknown
from ipgraph.graphstore.runs.creation import FOLDERS, MANIFEST
from ipgraph.graphstore.runs.directory import RunDirectory

log = logging.getLogger(__name__)


def _log(_: Path, error: IpgraphError) -> None:
    log.warning("left out: %s", error)


def list_runs(root: str | Path, on_damage: Callable[[Path, IpgraphError], None] = _log) -> list[RunDirectory]:
    """Return the run directories under `root`, newest first; `on_damage` gets those that cannot be read.

    Of several folders with one run, it is the one that has the run's id as its name, else the first.
    """
    runs: dict[str, RunDirectory] = {}
    files = Path(root).glob(f"{FOLDERS}/{MANIFEST}")
    for path in sorted(file.parent for file in files):
        try:
            run = RunDirectory.open(path)
        except IpgraphError as error:
            on_damage(path, error)
            continue
        first = runs.setdefault(run.id, run)
        if first is not run:
            kept, left = (run, first) if run.path.name == run.id else (first, run)
            runs[run.id] = kept
            log.warning("left out: %s holds run %s, and so does %s", left.path, run.id, kept.path)
    return sorted(runs.values(), key=lambda run: (run.manifest["created"], run.id), reverse=True)


def find_run(root: str | Path, name: str) -> RunDirectory:
    """Return the run directory under `root` that `name` names (see `match_run`), or the one at path `name`.

    Raises UsageError, listing the ids, if none or several match.
    """
    if folder := folder_named(name):
        return folder
    runs = {run.id: run for run in list_runs(root)}
    return runs[match_run(name, {key: run.label for key, run in runs.items()}, str(root))]


def folder_named(path: str | Path) -> RunDirectory | None:
    """Return the run directory at a path, None where there is none."""
    return RunDirectory.open(path) if (Path(path) / MANIFEST).exists() else None


def require_free_label(root: str | Path, label: str, run: str) -> None:
    """Raise UsageError where another run under `root` has the label: it would name neither."""
    others = [other.id for other in list_runs(root) if label and other.label == label and other.id != run]
    if others:
        raise UsageError(f"the label {label!r} is that of run {others[0]}; choose another")


def match_run(name: str, labels: Mapping[str, str], where: str) -> str:
    """Return the id that `name` names among runs, given as id to label, else raise UsageError.

    It is an id, the label of only one run, or the beginning of only one id.
    """
    if name in labels:
        return name
    labelled = [key for key, label in labels.items() if name and label == name]
    matches = labelled or [key for key in labels if name and key.startswith(name)]
    if len(matches) > 1:
        are = "have the label" if labelled else "begin with"
        raise UsageError(f"several runs in {where} {are} {name!r}: {', '.join(sorted(matches))}")
    if not matches and not labels:
        raise UsageError(f"there is no run {name!r} in {where}: it has no runs")
    if not matches:
        raise unknown("run", name, [*labels, *filter(None, labels.values())])
    return matches[0]
