"""An instance as one run sees it: its sentence, and the patterns of its words."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from ipgraph.graphstore.schema.labels import NodeKey, parse_label
from ipgraph.graphstore.schema.records import LEVELS, Level, Run, levels_of
from ipgraph.queries.language.parameters import NO_LIMIT
from ipgraph.queries.language.running import Parameters, Record, ask

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Hop:
    """One layer of a pattern: from where to where, through what, and how that was chosen.

    `through` is a head ("1".."A"), SKIP, or "" at the embedding level; `influence` is that of the pattern so
    far. What came second is a head (0: the skip), or at the embedding level a position; `margin` and
    `runner_up` are None where there was one candidate.
    """

    layer: int
    source: int
    target: int
    through: str
    influence: float
    margin: float | None
    runner_up: int | None


@dataclass(frozen=True, slots=True)
class WordPattern:
    """A word's pattern: its nodes' labels in step order, and for each step what `Hop` says of a choice."""

    level: Level
    position: int
    sign: int
    total_influence: float
    influence: float
    labels: tuple[str, ...]
    influences: tuple[float, ...]
    margins: tuple[float | None, ...]
    runner_ups: tuple[int | None, ...]

    def hops(self) -> Iterator[Hop]:
        """Yield the pattern's hops, layer by layer."""
        nodes = [parse_label(label) for label in self.labels]
        per_layer = 2 if self.level == "attention" else 1
        for source, target in pairwise(nodes[::per_layer]):
            step = 1 + (target.layer - 1) * per_layer
            chosen = (self.influences[step], self.margins[step], self.runner_ups[step])
            yield Hop(target.layer, source.position, target.position, _through(nodes[step]), *chosen)


def _through(node: NodeKey) -> str:
    return SKIP if node.kind == "skip" else str(node.head or "")


@dataclass(frozen=True, slots=True)
class Sentence:
    """An instance as one run sees it, with its patterns."""

    id: str
    name: str
    subtask: str
    condition: str
    text: str
    correct: str
    wrong: str
    label: int
    class_name: str
    toward: str
    against: str
    qoi: float
    is_correct: bool
    label_is_predicted: bool
    completeness_error: float | None
    target: int
    tokens: tuple[str, ...]
    roles: tuple[str, ...]
    patterns: tuple[WordPattern, ...]

    @property
    def expected(self) -> str:
        """What the model should say: its words, or the name of the class; "" where nothing is right."""
        if self.label_is_predicted:
            return ""
        return f"{self.correct}, not {self.wrong}" if self.correct else self.class_name

    @property
    def qoi_of(self) -> str:
        """What the QoI is of: two words or classes, the second subtracted from the first, or one class."""
        pair = (self.correct, self.wrong) if self.correct else (self.toward, self.against)
        return " − ".join(filter(None, pair))

    @property
    def levels(self) -> list[Level]:
        """The levels that it has patterns of."""
        levels = {pattern.level for pattern in self.patterns}
        return [level for level in LEVELS if level in levels]

    def at(self, level: Level) -> list[WordPattern]:
        """Return its patterns at a level."""
        return [pattern for pattern in self.patterns if pattern.level == level]


def load_sentence(store: "Store", run: Run, instance: str) -> Sentence:
    """Return an instance, by its id, its row's name or the beginning of its id, with its patterns."""
    about = ask("instance", store, run=run.id, instance=instance).records()[0]
    given: Parameters = {"run": run.id, "instance": about["instance"]}
    steps = [ask("patterns-of-instance", store, level=level, **given) for level in levels_of(run.level)]
    return _sentence(about, [pattern for rows in steps for pattern in _patterns(rows)])


def load_sentences(
    store: "Store", run: Run, *, subtask: str = "", condition: str = "", limit: int = NO_LIMIT
) -> list[Sentence]:
    """Return the first `limit` instances, by id, of a subtask and condition (all where empty)."""
    scope: Parameters = {"run": run.id, "subtask": subtask, "condition": condition}
    patterns: dict[str, list[WordPattern]] = defaultdict(list)
    for level in levels_of(run.level):
        steps = ask("pattern-steps", store, level=level, instances=limit, **scope)
        for instance, rows in groupby(steps, key=lambda row: str(row["instance"])):
            patterns[instance] += _patterns(rows)
    instances = ask("predictions", store, limit=limit, **scope)
    return [_sentence(row, patterns[str(row["instance"])]) for row in instances]


def _patterns(steps: Iterable[Record]) -> Iterator[WordPattern]:
    for _, rows in groupby(steps, key=lambda row: row["position"]):
        yield _pattern(list(rows))


def _pattern(steps: Sequence[Record]) -> WordPattern:
    same = ("level", "position", "sign", "total_influence", "influence")
    return WordPattern(
        **{name: steps[0][name] for name in same},
        labels=tuple(step["label"] for step in steps),
        influences=tuple(step["step_influence"] for step in steps),
        margins=tuple(step["margin"] for step in steps),
        runner_ups=tuple(step["runner_up"] for step in steps),
    )


def _sentence(row: Record, patterns: Sequence[WordPattern]) -> Sentence:
    own = {"id", "tokens", "roles", "patterns"}
    return Sentence(
        id=row["instance"],
        tokens=tuple(row["tokens"]),
        roles=tuple(row["roles"]),
        patterns=tuple(patterns),
        **{field.name: row[field.name] for field in fields(Sentence) if field.name not in own},
    )
