"""What figures are drawn from, asked of a store by templates."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ipgraph.cli.figures.diagram import Sentence, Traced
from ipgraph.graphstore.schema.records import LEVELS, Level, Run
from ipgraph.queries.language.running import ask

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

EVERY = 10**9
"""A limit that leaves nothing out."""
ALL = "all instances"
"""What a figure is of that is restricted to nothing."""

Record = dict[str, Any]

_SAME = (
    "name",
    "subtask",
    "condition",
    "text",
    "correct",
    "wrong",
    "label",
    "qoi",
    "is_correct",
    "completeness_error",
    "target",
)
"""The fields of a Sentence that are called so in the rows too."""


def scope_name(*names: str) -> str:
    """Return what a figure is restricted to (a role, subtask, condition; empty ones not), in words."""
    return " ".join(filter(None, names))


def levels(run: Run) -> list[Level]:
    """Return the levels that a run has patterns of."""
    return [level for level in LEVELS if run.level in (level, "both")]


def load_sentence(store: "Store", run: Run, instance: str) -> Sentence:
    """Return an instance, by its id, its row's name or the beginning of its id, with its patterns."""
    about: Record = ask("instance", store, run=run.id, instance=instance).records()[0]
    given = {"run": run.id, "instance": about["instance"]}
    rows = [ask("patterns-of-instance", store, level=level, **given) for level in levels(run)]
    return _sentence(about, [pattern for steps in rows for pattern in _patterns(steps)])


def load_sentences(
    store: "Store", run: Run, *, subtask: str = "", condition: str = "", limit: int = EVERY
) -> list[Sentence]:
    """Return the first `limit` instances, by id, of a subtask and condition (all where empty)."""
    scope = {"run": run.id, "subtask": subtask, "condition": condition}
    patterns: dict[str, list[Traced]] = defaultdict(list)
    for level in levels(run):
        steps: Iterable[Record] = ask("pattern-steps", store, level=level, instances=limit, **scope)
        for instance, rows in groupby(steps, key=lambda row: str(row["instance"])):
            patterns[instance] += _patterns(rows)
    about = ask("predictions", store, limit=limit, **scope)
    return [_sentence(row, patterns[str(row["instance"])]) for row in about]


def _patterns(steps: Iterable[Record]) -> Iterator[Traced]:
    for _, rows in groupby(steps, key=lambda row: row["position"]):
        yield _traced(list(rows))


def _traced(steps: Sequence[Record]) -> Traced:
    first = steps[0]
    return Traced(
        level=first["level"],
        position=first["position"],
        sign=first["sign"],
        total_influence=first["total_influence"],
        influence=first["influence"],
        labels=tuple(step["label"] for step in steps),
        influences=tuple(step["step_influence"] for step in steps),
        margins=tuple(step["margin"] for step in steps),
    )


def _sentence(about: Record, patterns: Sequence[Traced]) -> Sentence:
    return Sentence(
        id=about["instance"],
        patterns=tuple(patterns),
        tokens=tuple(about["tokens"]),
        roles=tuple(about["roles"]),
        **{name: about[name] for name in _SAME},
    )
