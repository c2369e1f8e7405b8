"""The rows of run directories' Parquet files as plain Python, for computing what templates must return.

Nothing here reads a pattern's route texts, which the templates rely on: nodes come from the steps' ids.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ipgraph.graphstore.runs.directory import RunDirectory

Row = dict[str, Any]
Rows = list[list[Any]]
_LABEL = re.compile(r"([xehsq])(\d\d)\.(\d\d|--)@(\d{4})")
_KIND = {"x": "input", "e": "embedding", "h": "head", "s": "skip"}


@dataclass(frozen=True)
class At:
    """A node on a path, with what its step says."""

    label: str
    kind: str
    layer: int
    head: int
    position: int
    influence: float
    margin: float | None
    runner_up: int | None

    @property
    def short(self) -> str:
        return self.label[:6]


@dataclass
class Data:
    """The rows of some run directories, as their Parquet files hold them."""

    instances: dict[str, Row] = field(default_factory=dict)
    predictions: dict[tuple[str, str], Row] = field(default_factory=dict)
    patterns: list[Row] = field(default_factory=list)
    paths: dict[str, list[At]] = field(default_factory=dict)
    measures: list[Row] = field(default_factory=list)
    classes: dict[str, list[str]] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    attributions: list[Row] = field(default_factory=list)
    views: list[Row] = field(default_factory=list)
    matrices: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, *runs: RunDirectory) -> "Data":
        data = cls()
        for run in runs:
            data.instances |= {row["id"]: row for row in _rows(run, "instances")}
            data.predictions |= {(run.id, row["instance"]): row for row in _rows(run, "predictions")}
            data.patterns += _rows(run, "patterns")
            data.classes[run.id] = run.run.classes
            data.heads[run.id] = run.run.heads
            data.attributions += _rows(run, "attributions")
            data.views += _rows(run, "views")
            data.matrices += _rows(run, "matrices")
            data.measures += map(asdict, run.measures())
            steps = defaultdict(list)
            for row in _rows(run, "steps"):
                steps[row["pattern"]].append(row)
            for pattern, found in steps.items():
                data.paths[pattern] = [_at(row) for row in sorted(found, key=lambda row: row["step"])]
        return data

    def scope(
        self,
        run: str,
        level: str = "attention",
        subtask: str = "",
        condition: str = "",
        role: str = "",
        sign: int = 0,
        position: int = -1,
        roles: tuple[str, ...] = (),
    ) -> list[Row]:
        """Return the patterns in scope, each with its instance, prediction and path."""
        found = []
        for pattern in self.patterns:
            instance = self.instances[pattern["instance"]]
            prediction = self.predictions[run, instance["id"]] if pattern["run"] == run else {}
            if (
                (pattern["run"], pattern["level"]) == (run, level)
                and subtask in ("", instance["subtask"])
                and condition in ("", instance["condition"])
                and role in ("", pattern["role"])
                and sign in (0, pattern["sign"])
                and position in (-1, pattern["position"])
                and (not roles or list(roles) == prediction["roles"])
            ):
                path = self.paths[pattern["id"]]
                found.append(pattern | {"i": instance, "e": prediction, "at": path})
        return found

    def evaluated(self, run: str, subtask: str = "", condition: str = "") -> list[tuple[Row, Row]]:
        """Return (instance, prediction) of a run's instances in scope, by id."""
        pairs = [(self.instances[i], e) for (r, i), e in sorted(self.predictions.items()) if r == run]
        return [
            (i, e) for i, e in pairs if subtask in ("", i["subtask"]) and condition in ("", i["condition"])
        ]

    def scored(
        self, rows: list[Row], run: str, subtask: str = "", condition: str = ""
    ) -> list[tuple[Row, Row, Row]]:
        """Return (instance, prediction, row) of a run's rows in scope, by instance."""
        own = {row["instance"]: row for row in rows if row["run"] == run}
        return [(i, e, own[i["id"]]) for i, e in self.evaluated(run, subtask, condition) if i["id"] in own]


def _rows(run: RunDirectory, name: str) -> list[Row]:
    return [row for table in run.tables(name) for row in table.to_pylist()]


def _at(step: Row) -> At:
    label = step["node"].rpartition("/")[2]
    match = _LABEL.fullmatch(label)
    assert match is not None
    letter, layer, head, position = match.groups()
    return At(
        label,
        _KIND[letter],
        int(layer),
        0 if head == "--" else int(head),
        int(position),
        step["influence"],
        step["margin"],
        step["runner_up"],
    )


def mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


def by(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(sorted(groups.items()))


def instances_of(patterns: Iterable[Row]) -> int:
    return len({p["instance"] for p in patterns})


def node(label: str) -> At:
    """Return a node by its label alone."""
    return _at({"node": f"/{label}", "influence": 0.0, "margin": None, "runner_up": None})


def carried_by(patterns: Iterable[Row], within: list[Row]) -> list[float]:
    """Return the sum of |influence| of patterns in an instance and its share, averaged over instances.

    `within` are all patterns in scope: each instance of theirs counts.
    """
    sums: dict[str, float] = defaultdict(float)
    for p in within:
        sums[p["instance"]] += abs(p["influence"])
    found = list(patterns)
    carried = math.fsum(abs(p["influence"]) for p in found)
    shares = math.fsum(abs(p["influence"]) / sums[p["instance"]] for p in found)
    return [carried / len(sums), shares / len(sums)]


def words_of(patterns: list[Row]) -> Iterator[Row]:
    """Yield each word of each instance, its pieces' patterns together."""
    for ps in by(patterns, lambda p: (p["instance"], p["role"], p["word"], p["word_index"])).values():
        total = math.fsum(p["total_influence"] for p in ps)
        carried = math.fsum(p["influence"] for p in ps)
        yield ps[0] | {"total": total, "carried": carried, "sign": 1 if total >= 0 else -1, "pieces": ps}


def columns_of(pattern: Row) -> list[At]:
    """Return the path's input and embeddings, by layer."""
    return [at for at in pattern["at"] if at.kind in ("input", "embedding")]
