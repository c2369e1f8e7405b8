"""Whether attention flows are Shapley values, for flows through a model's first layers, one more each time.

    python benchmarks/shapley_games.py MODEL DATASET [SENTENCES]

The first game is what tokens send in one maximum flow of all, the second the maximum flow from a set of
tokens alone. Their values are held against the flows as the method `flow` gives them: one per token, divided
by their sum. Sentences have at most 12 tokens.
"""

import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ipgraph.extractor.datasets import load, subset
from ipgraph.extractor.methods.attention_flow.flow import maximum_flow, shares, token_flows
from ipgraph.extractor.methods.attention_flow.matrices import Floats, Matrices, layer_matrices
from ipgraph.extractor.methods.attention_flow.network import UNIT, network_of
from ipgraph.extractor.methods.attention_flow.shapley import (
    MAX_PLAYERS,
    fixed_flow_game,
    flow_game,
    shapley_values,
)
from ipgraph.extractor.models.attentions import attentions
from ipgraph.extractor.models.encoding import encode
from ipgraph.extractor.models.loading import load_model
from ipgraph.extractor.models.texts import text_of
from ipgraph.queries.reports.correlation import spearman


class Games(NamedTuple):
    """One sentence's values, through its first layers only."""

    identity: float  # the largest difference of the first game's values from the flow that it is made of
    fixed: float  # the largest difference of the first game's values from the method's flows
    own: float  # the largest difference of the second game's values from the method's flows
    rank: float  # Spearman's rho of the latter two; nan where one is constant
    first: bool  # whether the latter two have the same largest token
    spread: float  # the largest flow of the method to its smallest


def main() -> None:
    """Print a row per depth."""
    name, dataset = sys.argv[1:3]
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    print("| layers | sentences | identity | fixed game | own game | Spearman | same first | max / min |")
    print("| ---: " * 8 + "|")
    for depth, games in enumerate(by_depth(list(texts(name, dataset, limit))), 1):
        identity, fixed, own = (max(game[k] for game in games) for k in range(3))
        rank, first, spread = (np.nanmean([game[k] for game in games]) for k in range(3, 6))
        cells = f"{identity:.0e} | {fixed:.3f} | {own:.3f} | {rank:.2f} | {first:.0%} | {spread:.2f}"
        print(f"| {depth} | {len(games)} | {cells} |", flush=True)


def texts(name: str, dataset: str, limit: int) -> Iterator[tuple[Matrices, int]]:
    """Yield the layer matrices and the target of sentences of at most 12 tokens."""
    model = load_model(name)
    examples = load(dataset, task=model.task).examples
    fitting, _ = encode(model, examples, max_tokens=MAX_PLAYERS)
    by_id = {sentence.instance.id: sentence for sentence in fitting}
    chosen = subset([example for example in examples if example.instance.id in by_id], limit)
    sentences = [by_id[example.instance.id] for example in chosen]
    found = attentions(model.module, [text_of(sentence) for sentence in sentences])
    for sentence, layers in zip(sentences, found, strict=True):
        yield layer_matrices(layers), sentence.target


def by_depth(found: list[tuple[Matrices, int]]) -> Iterator[list[Games]]:
    """Yield all sentences' games through the first layer, the first two, and so on."""
    for depth in range(1, len(found[0][0]["self"]) + 1):
        yield [games({"self": matrices["self"][:depth]}, target) for matrices, target in found]


def games(matrices: Matrices, target: int) -> Games:
    """Return both games of a sentence beside its flows."""
    network = network_of(matrices, target)
    flows = shares(token_flows(matrices, target).flows)
    sent = maximum_flow(network, np.ones(len(network.tokens), np.bool_)).found
    fixed, own = shapley_values(fixed_flow_game(network)), shapley_values(flow_game(network))
    rank = spearman(flows.round(9).tolist(), own.round(9).tolist())
    return Games(
        largest(fixed - sent[[network.nodes]].toarray()[0, network.tokens] / UNIT),
        largest(fixed - flows),
        largest(own - flows),
        np.nan if rank is None else rank,
        bool(flows.argmax() == own.argmax()),
        float(flows.max() / flows[flows > 0].min()),
    )


def largest(differences: Floats) -> float:
    """Return the largest absolute difference."""
    return float(np.abs(differences).max())


if __name__ == "__main__":
    main()
