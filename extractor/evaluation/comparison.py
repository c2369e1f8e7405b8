"""What an evaluation collects in a batch of instances: guided patterns beside the other methods."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ipgraph.extractor.evaluation.ablation.accuracy import (
    Ablator,
    guided_ablations,
    pi_plus,
    scored_ablations,
    whole_ablations,
)
from ipgraph.extractor.evaluation.estimates import Collected, Floats
from ipgraph.extractor.evaluation.instances import InstancePatterns, TracedBatch
from ipgraph.extractor.evaluation.metrics import (
    add_alignment,
    add_concentration,
    add_path_shares,
    stacked,
)
from ipgraph.extractor.evaluation.positions import InstancePaths
from ipgraph.extractor.evaluation.searches.figures import add_several
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.patterns.chance import random_hops, random_paths
from ipgraph.extractor.methods.patterns.paths import Scored
from ipgraph.extractor.methods.registry import path_method
from ipgraph.extractor.tracing.sets import ALL_HEADS, SKIP, influence, paths
from ipgraph.graphstore.schema.records import Level


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What guided patterns are compared with, and how many draws and nodes per layer that takes."""

    methods: Sequence[str]
    draws: int
    nodes_per_layer: int
    seed: int


class Comparison:
    """Collects, batch by batch, what every method comes to in each instance.

    `paths` are those that entropy is measured of, by method and level.
    """

    def __init__(
        self, collected: Collected, instances: Sequence[InstancePatterns], compared: Compared
    ) -> None:
        self.collected = collected
        self.compared = compared
        self.levels: tuple[Level, ...] = tuple(instances[0].influence)
        self.paths: dict[tuple[str, Level], list[InstancePaths]] = {
            ("gpr", level): [
                InstancePaths(p.positions, p.choices if level == "attention" else None, p.influence[level])
                for p in instances
            ]
            for level in self.levels
        }

    def add(self, batch: TracedBatch) -> None:
        """Add everything that is measured in these instances."""
        methods = self.compared.methods
        finders = {name: path_method(name).scored for name in methods if name in METHODS}
        scored = {name: find(batch.trace, batch.words) for name, find in finders.items() if find}
        self._add_ablations(batch, scored)
        for level in self.levels:
            add_concentration(self.collected, batch, "gpr", level, stacked(batch.patterns, level))
            add_path_shares(self.collected, batch, level, pi_plus(batch, level))
        add_alignment(self.collected, batch)
        self._add_scored_paths(batch, scored)
        if "random" in methods:
            self._add_random_paths(batch)
        if "skip_replaced" in methods and batch.choices is not None:
            all_heads = batch.choices.masked_fill(batch.choices == SKIP, ALL_HEADS)
            self._carried(batch, "skip_replaced", batch.positions, all_heads)
        # One node per layer is the pattern itself.
        add_several(self.collected, batch, range(2, self.compared.nodes_per_layer + 1))

    def _add_ablations(self, batch: TracedBatch, scored: dict[str, Scored]) -> None:
        ablator, methods = Ablator(self.collected, batch), self.compared.methods
        ablator.add(whole_ablations(batch))
        if scored:
            ablator.add(scored_ablations(batch, scored))
        for level in self.levels:
            ablator.add(guided_ablations(batch, level, skip_replaced="skip_replaced" in methods))
            if "random" in methods:
                ablator.add_random(level, self.compared.draws, self.compared.seed)

    def _add_scored_paths(self, batch: TracedBatch, scored: dict[str, Scored]) -> None:
        """Add what scored paths carry, and keep the paths of methods whose entropy is measured."""
        for name, (positions, _) in scored.items():
            carried = self._carried(batch, name, positions)
            if not METHODS[name].has_entropy:
                continue
            # Every instance gets its paths in one of the batches.
            kept = self.paths.setdefault((name, "embedding"), list(self.paths["gpr", self.levels[0]]))
            for row, index in enumerate(batch.index):
                n = len(batch.patterns[row].total)
                kept[index] = InstancePaths(positions[row, :n].cpu().numpy(), None, carried[row, :n])

    def _add_random_paths(self, batch: TracedBatch) -> None:
        positions = random_paths(batch.trace, batch.words, batch.keys, seed=self.compared.seed)
        self._carried(batch, "random", positions)
        if batch.choices is not None:
            hops = random_hops(batch.trace, positions, batch.keys, seed=self.compared.seed)
            self._carried(batch, "random", positions, hops)

    def _carried(
        self, batch: TracedBatch, name: str, positions: Tensor, choices: Tensor | None = None
    ) -> Floats:
        """Return the influence of paths [B, N], and add its concentration."""
        heads = batch.trace.heads
        parts = [
            influence(
                batch.trace,
                paths(positions[:, some], None if choices is None else choices[:, some], heads),
            )
            for some in batch.chunks()
        ]
        carried: Floats = torch.cat(parts, 1).double().cpu().numpy()
        level: Level = "embedding" if choices is None else "attention"
        add_concentration(self.collected, batch, name, level, carried)
        return carried
