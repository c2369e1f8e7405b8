"""The flow network of an instance as a diagram: one token's maximum flow, and the minimum cut."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ipgraph.queries.views.flow import Diagram, Edge, Row
from ipgraph.queries.views.scored import Scored

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NOTE = (
    "The width of an edge is what it carries of a maximum flow. How the flow divides over edges is not "
    "unique; its value and the minimum cut nearest the token are."
)
SIGNS = ("flow", "flow through the minimum cut")


def flow_network(
    matrices: "Mapping[str, npt.NDArray[np.float64]]", scored: Scored, target: int, token: int
) -> Diagram:
    """Return the diagram of the maximum flow from a token to the output, both by their positions.

    `matrices` are as `RunDirectory.matrices` gives them. The bars are the scores of all tokens.
    """
    from ipgraph.extractor.methods.attention_flow.edges import flow_edges

    depth, sources = matrices["encoder"].shape[:2] if "encoder" in matrices else (0, 0)
    layers = depth + len(matrices["self"]) * (2 if "cross" in matrices else 1)
    edges = flow_edges(matrices, target - sources, token)
    flow = sum(edge.flow for edge in edges if edge.is_cut)
    return Diagram(
        title=f'{scored.title}   flow from "{scored.tokens[token]}" ({token}) = {flow:.3g}',
        rows=tuple(
            Row(text, bars=(score, None, None), layers=_layers(position < sources, depth, layers))
            for position, (text, score) in enumerate(zip(scored.tokens, scored.scores, strict=True))
        ),
        edges=tuple(
            Edge(e.layer, e.source, e.target, "", -1 if e.is_cut else 1, e.flow, e.layer - 1 - e.start)
            for e in edges
        ),
        layers=layers,
        target=target,
        weight="flow",
        signs=SIGNS,
        note=NOTE,
        empty="" if edges else f"nothing flows from {scored.tokens[token]} to the output",
        measure="score",
        bar_names=(),
    )


def _layers(is_of_encoder: bool, depth: int, layers: int) -> range:
    """Return the layers in which a token of the encoder, or another one, has nodes."""
    return range(depth + 1) if is_of_encoder else range(depth, layers + 1)
