"""What the rows of a shard must be to belong together, whoever wrote them: checked column by column."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ipgraph.graphstore.common.errors import IpgraphError
from ipgraph.graphstore.runs.fitting import (
    NotFitting,
    require,
    require_contributions,
    require_matrices,
    require_scores,
)
from ipgraph.graphstore.schema.arrow import arrow_schema
from ipgraph.graphstore.schema.labels import LABEL_WIDTH, ROLE_LABEL_WIDTH, node_label, parse_label
from ipgraph.graphstore.schema.records import LayerMatrix, Run, levels_of

_LEAST = {
    "instances": {"label": -1},
    "predictions": {"target": 0, "label": -1, "points": 0},
    "patterns": {"position": 0, "word_index": -1},
    "steps": {"runner_up": 0},
}
"""The least that a column may hold."""
_OF_TOKENS = ("words", "word_indices", "roles")


@dataclass
class ShardValues:
    """A run's shards, to be checked one after the other; every table's types and finiteness are known."""

    run: Run
    seen: set[str] = field(default_factory=set)
    """Ids of the instances so far."""
    labels: dict[str, str] = field(default_factory=dict)
    """Labels of the nodes so far, by their ids."""

    def check(self, tables: Mapping[str, pa.Table], matrices: Iterable[pa.Table], where: object) -> None:
        """Raise IpgraphError that names the first table and row of a shard that do not belong to the run.

        `matrices` is the table of that name in pieces.
        """
        rows = {name: table.combine_chunks() for name, table in tables.items()}
        try:
            rows["matrices"] = _sizes(matrices)
            self._belong(rows)
            self._predictions(rows["predictions"], rows["instances"])
            self._patterns(rows["patterns"], rows["predictions"])
            self._steps(rows["steps"], rows["patterns"])
            tokens = pc.list_value_length(rows["predictions"]["tokens"])
            lengths = dict(zip(rows["predictions"]["instance"].to_pylist(), tokens.to_pylist(), strict=True))
            require_scores(rows["attributions"], rows["views"], lengths, self.run)
            require_matrices(rows["matrices"], lengths, self.run)
        except NotFitting as error:
            raise IpgraphError(f"run {self.run.id} is damaged: {where}: {error}") from error

    def check_contributions(self, rows: pa.Table) -> None:
        """Raise IpgraphError that names the first row of a run's contributions that cannot be one."""
        try:
            require_contributions(rows.combine_chunks(), self.run)
        except NotFitting as error:
            raise IpgraphError(f"run {self.run.id} is damaged: {error}") from error

    def _belong(self, rows: Mapping[str, pa.Table]) -> None:
        ids = rows["instances"]["id"]
        texts = ids.to_pylist()
        if len(set(texts)) < len(texts) or self.seen & set(texts):
            raise NotFitting("instances: an id appears twice")
        self.seen.update(texts)
        for name, table in rows.items():
            if "run" in table.column_names:
                require(pc.equal(table["run"], self.run.id), name, "is of another run")
            if "instance" in table.column_names:
                require(pc.is_in(table["instance"], ids), name, "names an instance that is not in the shard")
            for column, least in _LEAST.get(name, {}).items():
                fits = pc.fill_null(pc.greater_equal(table[column], least), True)
                require(fits, name, f"{column} is less than {least}")

    def _predictions(self, rows: pa.Table, instances: pa.Table) -> None:
        if not rows["instance"].equals(instances["id"]):
            raise NotFitting("predictions: there is not one for each instance, in the same order")
        tokens = pc.list_value_length(rows["tokens"])
        for name in _OF_TOKENS:
            even = pc.equal(pc.list_value_length(rows[name]), tokens)
            require(even, "predictions", f"{name} are not as many as its tokens")
        require(pc.less(rows["target"], tokens), "predictions", "target is not one of its tokens")
        require(pc.less_equal(tokens, self.run.positions), "predictions", "has more tokens than the run says")

    def _patterns(self, rows: pa.Table, predictions: pa.Table) -> None:
        own = pc.index_in(rows["instance"], predictions["instance"])
        tokens = pc.take(pc.list_value_length(predictions["tokens"]), own)
        require(pc.less(rows["position"], tokens), "patterns", "position is not one of its tokens")
        require(pc.equal(pc.abs(rows["sign"]), 1), "patterns", "sign is neither 1 nor -1")
        levels = pa.array(levels_of(self.run.level), pa.string())
        require(
            pc.is_in(rows["level"], levels),
            "patterns",
            f"level is not one of {', '.join(levels.to_pylist()) or 'a run without paths'}",
        )
        place = pc.utf8_lpad(pc.cast(rows["position"], pa.string()), 4, "0")
        place = pc.binary_join_element_wise(pc.utf8_slice_codeunits(rows["level"], 0, 1), place, "")
        due = pc.binary_join_element_wise(rows["run"], rows["instance"], place, "/")
        require(
            pc.equal(rows["id"], due), "patterns", "id is not that of its run, instance, level and position"
        )
        if pc.count_distinct(rows["id"]).as_py() < len(rows):
            raise NotFitting("patterns: an id appears twice")
        require(pc.greater(pc.list_value_length(rows["path"]), 0), "patterns", "path has no nodes")

    def _steps(self, rows: pa.Table, patterns: pa.Table) -> None:
        paths = _chunk(patterns["path"])
        parents = pc.list_parent_indices(paths)
        starts = pc.subtract(paths.offsets, paths.offsets[0] if len(paths.offsets) else 0)
        due = np.arange(len(parents)) - np.asarray(starts)[np.asarray(parents)]
        if (
            not _chunk(rows["node"]).equals(paths.flatten())
            or not _chunk(rows["pattern"]).equals(pc.take(_chunk(patterns["id"]), parents))
            or not np.array_equal(np.asarray(rows["step"]), due)
        ):
            raise NotFitting("steps do not follow the patterns' paths")
        nodes = _chunk(rows["node"]).dictionary_encode()
        labels = pa.array([self._label(node) for node in nodes.dictionary.to_pylist()], pa.string())
        lists = pa.ListArray.from_arrays(starts, pc.take(labels, nodes.indices))
        require(
            pc.equal(patterns["route"], pc.binary_join(lists, " ")), "patterns", "route is not its path's"
        )
        count = pc.list_value_length(paths)
        for name, width in (("role_route", ROLE_LABEL_WIDTH), ("target_route", LABEL_WIDTH)):
            due = pc.subtract(pc.multiply(count, width + 1), 1)
            require(
                pc.equal(pc.utf8_length(patterns[name]), due),
                "patterns",
                f"{name} is not as long as its path",
            )

    def _label(self, node: str) -> str:
        """Return the label in a node's id; raises NotFitting for an id that is not of the run's graph."""
        if node not in self.labels:
            self.labels[node] = self._parsed(node)
        return self.labels[node]

    def _parsed(self, node: str) -> str:
        model, _, label = node.rpartition("/")
        try:
            key = parse_label(label)
            sound = label == node_label(*key)
        except (KeyError, ValueError, IndexError, IpgraphError):
            sound = False
        if not sound or model != self.run.model or not -1 <= key.position < self.run.positions:
            raise NotFitting(f"steps: {node[:80]!r} is not a node of the run's graph")
        return label


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _sizes(matrices: Iterable[pa.Table]) -> pa.Table:
    """Return the rows of `matrices`, how many `values` they have in the place of these."""
    parts = [arrow_schema(LayerMatrix).empty_table(), *matrices]
    counted = [(part.drop(["values"]), pc.list_value_length(part["values"])) for part in parts]
    return pa.concat_tables(
        [part.append_column("values", numbers) for part, numbers in counted]
    ).combine_chunks()
