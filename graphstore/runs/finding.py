"""The run directories under a folder: all of them, or the one that an id or its beginning names."""

import logging
from collections.abc import Sequence
from pathlib import Path

from ipgraph.graphstore.common.errors import IpgraphError, UsageError, unknown
from ipgraph.graphstore.runs.creation import FOLDERS, MANIFEST
from ipgraph.graphstore.runs.directory import RunDirectory

log = logging.getLogger(__name__)


def list_runs(root: str | Path) -> list[RunDirectory]:
    """Return the run directories under `root`, newest first; those that cannot be read are logged.

    Of several folders with one run, it is the one that has the run's id as its name, else the first.
    """
    runs: dict[str, RunDirectory] = {}
    files = Path(root).glob(f"{FOLDERS}/{MANIFEST}")
    for run in filter(None, map(_opened, sorted(file.parent for file in files))):
        first = runs.setdefault(run.id, run)
        if first is not run:
            kept, left = (run, first) if run.path.name == run.id else (first, run)
            runs[run.id] = kept
            log.warning("left out: %s holds run %s, and so does %s", left.path, run.id, kept.path)
    return sorted(runs.values(), key=lambda run: (run.manifest["created"], run.id), reverse=True)


def _opened(path: Path) -> RunDirectory | None:
    try:
        return RunDirectory.open(path)
    except IpgraphError as error:
        log.warning("left out: %s", error)
        return None


def find_run(root: str | Path, name: str) -> RunDirectory:
    """Return the run directory under `root` whose id is `name` or begins with it, or the one at path `name`.

    Raises UsageError, listing the ids, if none or several match.
    """
    if (Path(name) / MANIFEST).exists():
        return RunDirectory.open(name)
    runs = {run.id: run for run in list_runs(root)}
    return runs[match_id(name, list(runs), str(root))]


def match_id(name: str, ids: Sequence[str], where: str) -> str:
    """Return the id among `ids` that is `name` or the only one to begin with it, else raise UsageError."""
    if name in ids:
        return name
    matches = [key for key in ids if name and key.startswith(name)]
    if len(matches) > 1:
        raise UsageError(f"several runs in {where} begin with {name!r}: {', '.join(sorted(matches))}")
    if not matches and not ids:
        raise UsageError(f"there is no run {name!r} in {where}: it has no runs")
    if not matches:
        raise unknown("run", name, ids)
    return matches[0]
