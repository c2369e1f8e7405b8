"""Pattern entropy by template position and of Pi_+, beside mean influence and QoI (Lu et al. 2021, figure 5).

Positions mean the same in sentences of one structure only: each group's most frequent structure (length,
target and roles) is measured; instances of others are left out and counted in the note.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ipgraph.extractor.evaluation.estimates import Details, Floats, Ints, Resampled, with_intervals
from ipgraph.extractor.evaluation.instances import InstancePatterns
from ipgraph.graphstore.common.bootstrap import Bootstrap, ratios
from ipgraph.graphstore.common.entropy import pattern_entropy
from ipgraph.graphstore.schema.graph import GraphShape, graph_size
from ipgraph.graphstore.schema.measures import MeasureKey
from ipgraph.graphstore.schema.records import Level, Measure

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class InstancePaths:
    """One method's paths of one instance: positions [N, L + 1], choices [N, L] or None, influences [N]."""

    positions: Ints
    choices: Ints | None
    influence: Floats


PathsByMethod = Mapping[tuple[str, Level], Sequence[InstancePaths]]
"""The paths of every instance, by method and level."""


def entropy_measures(
    run: str,
    instances: Sequence[InstancePatterns],
    paths: PathsByMethod,
    groups: Mapping[str, Ints],
    *,
    graph: GraphShape,
    bootstrap: Bootstrap,
) -> list[Measure]:
    """Return each group's position_entropy and position_influence, entropy (of Pi_+) and (mean) qoi."""
    return [
        measure
        for grouping, members in groups.items()
        for measure in with_intervals(
            run, grouping, _of_group(instances, paths, members, graph, bootstrap), bootstrap
        )
    ]


def _of_group(
    instances: Sequence[InstancePatterns],
    paths: PathsByMethod,
    members: Ints,
    graph: GraphShape,
    bootstrap: Bootstrap,
) -> Iterator[Resampled]:
    alike, details = one_structure(instances, members)
    patterns = [instances[i] for i in alike]
    counts = bootstrap.counts(len(alike))
    qoi = ratios(counts, [p.qoi for p in patterns])
    yield Resampled(MeasureKey("qoi", "gpr", ""), qoi, len(alike), details)
    for (method, level), of_all in paths.items():
        structure = _Structure(patterns, [of_all[i] for i in alike], graph, counts)
        yield from structure.measures(method, level, details)


def one_structure(instances: Sequence[InstancePatterns], members: Ints) -> tuple[Ints, Details]:
    """Return the instances of the most frequent structure, and a note on it and what was left out."""
    structures = [
        (len(instances[i].encoded.ids), instances[i].encoded.target, tuple(instances[i].encoded.roles))
        for i in members
    ]
    (commonest, count), *_ = Counter(structures).most_common(1)
    length, target, _ = commonest
    note = f"one structure: {length} tokens, target at {target}"
    if others := len(members) - count:
        note += f"; {others} of {len(members)} instances have another and are left out"
    return members[[structure == commonest for structure in structures]], Details(note=note)


@dataclass(frozen=True)
class _Structure:
    """Instances of one structure with one method's paths, and how often each is in every sample."""

    patterns: Sequence[InstancePatterns]
    paths: Sequence[InstancePaths]
    graph: GraphShape
    counts: Floats  # [1 + resamples, n]

    def measures(self, method: str, level: Level, details: Details) -> Iterator[Resampled]:
        """Yield entropy and mean |influence| by position, and the entropy of Pi_+."""
        union: Bools | None = None
        for position in range(len(self.patterns[0].encoded.ids)):
            present = np.array([p.real[position] for p in self.patterns])
            if not present.any():
                continue
            nodes = nodes_of(self.paths, position, max(layer.heads for layer in self.graph.layers))
            positive = nodes & np.array([p.positive[position] for p in self.patterns])[:, None]
            union = positive if union is None else union | positive
            here = replace(details, word=self._word(position))
            for metric, values in (
                ("position_entropy", self._entropy(nodes, level, present)),
                ("position_influence", self._influence(position, present)),
            ):
                key = MeasureKey(metric, method, level, position=position)
                yield Resampled(key, values, int(present.sum()), here)
        if union is not None:
            entropy = self._entropy(union, level, np.ones(len(union), bool))
            yield Resampled(MeasureKey("entropy", method, level), entropy, len(union), details)

    def _entropy(self, nodes: Bools, level: Level, present: Bools) -> Floats:
        length = len(self.patterns[0].encoded.ids)
        used = nodes[present][:, nodes[present].any(0)]
        counts = self.counts[:, present]
        return pattern_entropy(probabilities(used, counts), graph_size(self.graph, length, level))

    def _influence(self, position: int, present: Bools) -> Floats:
        influence = np.abs([p.influence[position] for p in self.paths])
        return ratios(self.counts[:, present], influence[present])

    def _word(self, position: int) -> str:
        """Return what stands at a position: its role, or its most frequent token where there is no role."""
        role = self.patterns[0].encoded.roles[position]
        tokens = Counter(p.encoded.tokens[position] for p in self.patterns)
        return role if role != "other" else tokens.most_common(1)[0][0]


def probabilities(nodes: Bools, counts: Floats) -> Floats:
    """Return the share of instances that have each node, [samples, nodes]; nan in a sample without any.

    `nodes` [n, nodes] says which instance has which node, `counts` [samples, n] how often.
    """
    with np.errstate(invalid="ignore"):
        shares: Floats = counts @ nodes.astype(np.float64) / counts.sum(1, keepdims=True)
    return shares


def nodes_of(paths: Sequence[InstancePaths], position: int, heads: int) -> Bools:
    """Return which nodes the pattern of the word at a position has in each instance, [n, nodes]."""
    places = np.array([p.positions[position] for p in paths])
    n, length = len(paths), len(paths[0].positions)
    layers = np.arange(places.shape[1])
    embeddings = np.zeros((n, len(layers), length), bool)
    embeddings[np.arange(n)[:, None], layers, places] = True
    if paths[0].choices is None:
        return embeddings.reshape(n, -1)
    choices = np.array([p.choices[position] for p in paths if p.choices is not None])
    hops = np.zeros((n, len(layers) - 1, length, heads + 1), bool)
    hops[np.arange(n)[:, None], layers[:-1], places[:, 1:], choices + 1] = True
    return np.concatenate([embeddings.reshape(n, -1), hops.reshape(n, -1)], 1)
