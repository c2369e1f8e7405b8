"""What scores, views, layer matrices and contributions must be to belong to a run, whoever wrote them."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ipgraph.graphstore.runs.contributions import layers_of
from ipgraph.graphstore.schema.graph import GraphShape, nodes
from ipgraph.graphstore.schema.records import VIEWED, Run


class NotFitting(Exception):  # noqa: N818
    """Says what does not fit; the caller says where."""


def require(fits: pa.ChunkedArray, name: str, what: str) -> None:
    """Raise NotFitting that names the first row of a table where `fits` is false."""
    row = pc.index(fits, False).as_py()
    if row >= 0:
        raise NotFitting(f"{name} row {row}: {what}")


def require_scores(attributions: pa.Table, views: pa.Table, tokens: Mapping[str, int], run: Run) -> None:
    """Raise NotFitting for lists that are not as long as an instance's tokens, or as a run's layers."""
    for name, rows in (("attributions", attributions), ("views", views)):
        _require_distinct(rows, name, ["instance"])
    due = pa.array([tokens[instance] for instance in attributions["instance"].to_pylist()], pa.int32())
    lengths = {name: pc.list_value_length(attributions[name]) for name in ("scores", "cut_layers", "mixing")}
    require(pc.equal(lengths["scores"], due), "attributions", "scores are not as many as its tokens")
    fits = pc.or_(pc.equal(lengths["cut_layers"], due), pc.equal(lengths["cut_layers"], 0))
    require(fits, "attributions", "cut_layers are not as many as its tokens")
    _require_layers(attributions["cut_layers"], run)
    fits = pc.is_in(lengths["mixing"], pa.array([0, run.layers], pa.int32()))
    require(fits, "attributions", "mixing has not one value per layer")
    masses = len(VIEWED)
    each = {"divergences": 1, "correlations": 1, "local_masses": masses, "global_masses": masses}
    for name, number in each.items():
        fits = pc.equal(pc.list_value_length(views[name]), number * run.layers * run.heads)
        require(fits, "views", f"{name} are not {number} per head and layer")


def _require_layers(column: pa.ChunkedArray, run: Run) -> None:
    values = pc.list_flatten(column)
    bad = pc.index(pc.and_(pc.greater_equal(values, 0), pc.less_equal(values, run.layers)), False).as_py()
    if bad >= 0:
        row = pc.list_parent_indices(column)[bad].as_py()
        raise NotFitting(f"attributions row {row}: cut_layers has a layer that the model does not have")


def require_matrices(rows: pa.Table, tokens: Mapping[str, int], run: Run) -> None:
    """Raise NotFitting for matrices whose sizes fit neither their values nor an instance's tokens.

    `values` is how many there are. An encoder-decoder's tokens are the encoder's, then the decoder's.
    """
    _require_distinct(rows, "matrices", ["instance", "name"])
    sizes: dict[str, dict[str, tuple[int, int]]] = {}
    shape = GraphShape.from_json(run.graph)
    for number, row in enumerate(rows.to_pylist()):
        size = (row["layers"], row["rows"], row["columns"])
        if min(size) < 1 or size[0] * size[1] * size[2] != row["values"]:
            raise NotFitting(f"matrices row {number}: its values are not layers x rows x columns")
        if size[0] > (len(layers_of(shape, row["name"])) or run.layers):
            raise NotFitting(f"matrices row {number}: it has more layers than the model")
        sizes.setdefault(row["instance"], {})[row["name"]] = size[1:]
    for instance, found in sizes.items():
        if not _fit(found, tokens[instance]):
            raise NotFitting(f"matrices of {instance}: their sizes do not fit its {tokens[instance]} tokens")


def _fit(sizes: Mapping[str, tuple[int, int]], tokens: int) -> bool:
    """Tell whether matrices' sizes are an instance's: N x N, or S x S, T x T and T x S with S + T tokens."""
    if "encoder" not in sizes:
        return set(sizes.values()) == {(tokens, tokens)}
    source = sizes["encoder"][0]
    own = tokens - source
    due = {"encoder": (source, source), "self": (own, own), "cross": (own, source)}
    return all(due.get(name) == size for name, size in sizes.items())


def require_contributions(rows: pa.Table, run: Run) -> None:
    """Raise NotFitting for contributions that are not between a run's nodes, are twice or of no sentence."""
    require(pc.equal(rows["run"], run.id), "contributions", "is of another run")
    require(pc.greater(rows["instances"], 0), "contributions", "is a mean over no sentence")
    _require_distinct(rows, "contributions", ["source", "target", "subtask", "condition"])
    known = nodes(run.model, GraphShape.from_json(run.graph), run.positions) if len(rows) else []
    below = pa.array([node.id for node in known if node.kind in ("input", "embedding")], pa.string())
    for end in ("source", "target"):
        require(pc.is_in(rows[end], below), "contributions", f"{end} is not an embedding of the run's graph")


def _require_distinct(rows: pa.Table, name: str, keys: list[str]) -> None:
    if rows.select(keys).group_by(keys).aggregate([]).num_rows < len(rows):
        raise NotFitting(f"{name}: several rows have the same {' and '.join(keys)}")
