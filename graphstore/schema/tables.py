"""The registry of tables: each label and relationship type of the graph, declared once.

Writing, loading, removing, counting, checking, digests and exports read it, in both stores. A new table is a
record and an entry here: its rows go into shards (`Shard.further`), and a run is complete when they are in.
What run directories keep and stores do not is an entry of KEPT.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ipgraph.graphstore.schema.records import (
    Attribution,
    ColumnType,
    Contribution,
    Flow,
    Instance,
    LayerMatrix,
    Measure,
    Node,
    Pattern,
    Prediction,
    Run,
    Step,
    View,
    columns,
)

Owner = Literal["run", "all", "several", "model"]
"""Whose a row is: one run's; shared by all runs that name it; of the runs that it lists; its model's."""


@dataclass(frozen=True, slots=True)
class Table:
    """A label, or a relationship type: in Cypher a node `n`, or a relationship `e` from `a` to `b`.

    `file` names the Parquet file of a shard that holds the rows; the table with a `record` is the file's own,
    and others are read from two of its columns. Where rows are `derived`, the file is a run's: finishing the
    run computes it from the shards. A `link` is the relationship from a Run to rows of a label.
    `run` and `instance` say in Cypher which run and which instance a row belongs to; where `run` is empty, it
    is the link that tells. Relationships with the same ends are told apart by the properties `apart`.
    """

    name: str
    record: type | None
    owner: Owner
    file: str = ""
    link: str = ""
    ends: tuple[type, type] | None = None
    keys: tuple[str, str] = ("", "")  # columns of the file that name the ends, not stored as properties
    run: str = ""
    instance: str = ""
    apart: tuple[str, ...] = ()
    derived: bool = False

    @property
    def properties(self) -> dict[str, ColumnType]:
        """What is stored with each node or relationship: name to type, in the columns' order."""
        if self.record is None:
            return {}
        return {name: kind for name, kind in columns(self.record).items() if name not in self.keys}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the file that the table takes: those that name the ends, then the properties."""
        return (*self.keys, *self.properties) if self.ends else tuple(self.properties)

    @property
    def match(self) -> str:
        """The MATCH clause that finds every row."""
        if self.ends is None:
            return f"MATCH (n:{self.name})"
        source, target = self.ends
        return f"MATCH (a:{source.__name__})-[e:{self.name}]->(b:{target.__name__})"

    @property
    def of_runs(self) -> str:
        """The condition on a row that belongs to one of `$runs`; to a model's graph: to one of `$models`."""
        if self.owner == "model":
            return f"{'a' if self.ends else 'n'}.model IN $models"
        if self.run:
            return f"{self.run} IN $runs"
        return f"EXISTS {{ MATCH (owner:Run)-[:{self.link}]->(n) WHERE owner.id IN $runs }}"

    @property
    def items(self) -> str:
        """The RETURN items of a row, under the names of its columns."""
        ends = [f"{end}.id AS {key}" for end, key in zip("ab", self.keys, strict=True) if key]
        variable = "e" if self.ends else "n"
        return ", ".join(ends + [f"{variable}.{name} AS {name}" for name in self.properties])


TABLES: tuple[Table, ...] = (
    Table("Run", Run, "run", run="n.id"),
    Table("Instance", Instance, "all", file="instances", link="PREDICTED", instance="n.id"),
    Table("Node", Node, "model"),
    Table("Pattern", Pattern, "run", file="patterns", link="PRODUCED", run="n.run", instance="n.instance"),
    Table("Measure", Measure, "several", link="MEASURED"),
    Table(
        "PREDICTED",
        Prediction,
        "run",
        file="predictions",
        ends=(Run, Instance),
        keys=("run", "instance"),
        run="a.id",
        instance="b.id",
    ),
    Table(
        "PRODUCED",
        None,
        "run",
        file="patterns",
        ends=(Run, Pattern),
        keys=("run", "id"),
        run="a.id",
        instance="b.instance",
    ),
    Table(
        "HAS_PATTERN",
        None,
        "run",
        file="patterns",
        ends=(Instance, Pattern),
        keys=("instance", "id"),
        run="b.run",
        instance="a.id",
    ),
    Table(
        "THROUGH",
        Step,
        "run",
        file="steps",
        ends=(Pattern, Node),
        keys=("pattern", "node"),
        run="a.run",
        instance="a.instance",
    ),
    *(
        Table(
            name,
            record,
            "run",
            file=file,
            ends=(Run, Instance),
            keys=("run", "instance"),
            run="a.id",
            instance="b.id",
        )
        for name, record, file in (("ATTRIBUTES", Attribution, "attributions"), ("VIEWS", View, "views"))
    ),
    Table("FLOWS_TO", Flow, "model", ends=(Node, Node), keys=("source", "target")),
    Table(
        "CONTRIBUTES",
        Contribution,
        "run",
        file="contributions",
        ends=(Node, Node),
        keys=("source", "target"),
        run="e.run",
        apart=("run", "subtask", "condition"),
        derived=True,
    ),
    Table("MEASURED", None, "several", ends=(Run, Measure), keys=("runs", "id"), run="a.id"),
)
"""Labels before the relationships between them."""

KEPT: dict[str, type] = {"matrices": LayerMatrix}
"""Files of a shard that only run directories keep, by name without suffix: their records. Read in pieces."""

PATTERN_TABLES = ("Pattern", "PRODUCED", "HAS_PATTERN", "THROUGH")
"""What patterns and their steps become: the bulk of a store, loaded in a way of its own by each kind."""


def nodes() -> list[Table]:
    """Return the labels."""
    return [table for table in TABLES if table.ends is None]


def relationships() -> list[Table]:
    """Return the relationship types."""
    return [table for table in TABLES if table.ends is not None]


def filed() -> list[Table]:
    """Return what is loaded from a run's files."""
    return [table for table in TABLES if table.file]


def files() -> dict[str, Table]:
    """Return the files that stores load: by name without suffix, the table whose records they hold."""
    return {table.file: table for table in filed() if table.record is not None}


def derived() -> list[str]:
    """Return the files that finishing a run computes."""
    return [file for file, table in files().items() if table.derived]


def written() -> list[str]:
    """Return the files of a run, by name without suffix."""
    return [*sharded(), *derived()]


def sharded() -> list[str]:
    """Return the files of a shard, by name without suffix."""
    return [*(file for file, table in files().items() if not table.derived), *KEPT]


def record_of(file: str) -> type:
    """Return the record whose rows a file of a run holds."""
    record = KEPT.get(file) or files()[file].record
    assert record is not None  # noqa: S101 - `files` leaves the others out
    return record


def schema_names() -> dict[str, list[str]]:
    """Return the names that a query can use, by what they name: "label", "relationship" or "property"."""
    names: dict[str, Iterable[str]] = {
        "label": (table.name for table in nodes()),
        "relationship": (table.name for table in relationships()),
        "property": {name for table in TABLES for name in table.properties},
    }
    return {what: sorted(known) for what, known in names.items()}
