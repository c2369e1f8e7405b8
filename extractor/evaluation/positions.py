"""Pattern entropy by template position and of Pi_+, beside mean influence and QoI (Lu et al. 2021, figure 5).

Positions mean the same in sentences of one structure only: each group's most frequent structure (length,
target and roles) is measured; instances of others are left out and counted in the note.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ipgraph.extractor.evaluation.entropy import pattern_entropy
from ipgraph.extractor.evaluation.estimates import Floats, Ints, Key, measure, resamples
from ipgraph.extractor.evaluation.instances import Guided
from ipgraph.graphstore.schema.graph import GraphShape, graph_size
from ipgraph.graphstore.schema.records import Level, Measure

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Paths:
    """One method's paths of one instance: positions [N, L + 1], hops [N, L] or None, influences [N]."""

    positions: Ints
    choices: Ints | None
    influence: Floats


PathsBy = Mapping[tuple[str, Level], Sequence[Paths]]
"""The paths of every instance, by method and level."""


def entropy_measures(
    run: str,
    guided: Sequence[Guided],
    paths: PathsBy,
    groups: Mapping[str, Ints],
    *,
    heads: int,
    repeats: int,
    seed: int,
) -> list[Measure]:
    """Return each group's position_entropy and position_influence, entropy (of Pi_+) and (mean) qoi."""
    found = []
    for grouping, members in groups.items():
        same, note = one_structure(guided, members)
        # The sample itself first, then its resamples.
        counts = np.vstack([np.ones(len(same), int), resamples(len(same), repeats, seed)])
        some = [guided[i] for i in same]
        figures = [
            (Key("qoi", "gpr", "", note=note), _mean(np.array([g.qoi for g in some]), counts), len(some))
        ]
        for (method, level), every in paths.items():
            here = [every[i] for i in same]
            figures += _figures(Key("", method, level, note=note), some, here, heads, counts)
        found += [measure(run, key, grouping, v[0], v[1:], count, seed) for key, v, count in figures]
    return found


def one_structure(guided: Sequence[Guided], members: Ints) -> tuple[Ints, str]:
    """Return the instances of the most frequent structure, and a note on it and what was left out."""
    structures = [(len(guided[i].one.ids), guided[i].one.target, tuple(guided[i].one.roles)) for i in members]
    ((length, target, _), count) = (most := Counter(structures).most_common(1)[0])
    chosen = np.array([i for i, s in zip(members, structures, strict=True) if s == most[0]])
    left = len(members) - count
    note = f"one structure: {length} tokens, target at {target}"
    return chosen, note + (
        f"; {left} of {len(members)} instances have another and are left out" if left else ""
    )


def _figures(
    key: Key, guided: Sequence[Guided], paths: Sequence[Paths], heads: int, counts: Ints
) -> Iterator[tuple[Key, Floats, int]]:
    """Yield each figure of one method and level, in the sample and its resamples, with its instances."""
    length, depth = len(guided[0].one.ids), paths[0].positions.shape[1] - 1
    level: Level = "embedding" if paths[0].choices is None else "attention"
    size = graph_size(GraphShape.uniform(depth, heads), length, level)
    union: Bools | None = None
    for position in range(length):
        has = np.array([g.real[position] for g in guided])
        if not has.any():
            continue
        held = held_nodes(paths, position, heads)
        chosen = held & np.array([g.positive[position] for g in guided])[:, None]
        union = chosen if union is None else union | chosen
        at = key._replace(variant=f"position={position:02d}", note=f"{_name(guided, position)}; {key.note}")
        entropy = pattern_entropy(held[has], size, counts[:, has])
        yield at._replace(metric="position_entropy"), entropy, int(has.sum())
        influence = np.abs([p.influence[position] for p in paths])
        yield at._replace(metric="position_influence"), _mean(influence[has], counts[:, has]), int(has.sum())
    if union is not None:
        yield key._replace(metric="entropy"), pattern_entropy(union, size, counts), len(guided)


def _name(guided: Sequence[Guided], position: int) -> str:
    """Return what stands at a position: its role, or its most frequent token where roles are not known."""
    role = guided[0].one.roles[position]
    return role if role != "other" else Counter(g.one.tokens[position] for g in guided).most_common(1)[0][0]


def held_nodes(paths: Sequence[Paths], position: int, heads: int) -> Bools:
    """Return which nodes the pattern of the word at a position holds in each instance, [n, nodes]."""
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


def _mean(values: Floats, counts: Ints) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = counts @ values / counts.sum(1)
    return mean
