"""`evaluate`: a finished run of guided patterns in, figures with intervals out, kept with the run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ipgraph.extractor.evaluation.ablation.accuracy import (
    Ablator,
    guided_ablations,
    pi_plus,
    scored_ablations,
    whole_ablations,
)
from ipgraph.extractor.evaluation.estimates import Collected, Floats, Ints, estimate
from ipgraph.extractor.evaluation.instances import Guided, Traced, batches, read
from ipgraph.extractor.evaluation.metrics import (
    add_alignment,
    add_concentration,
    add_path_shares,
    add_skip_share,
    stacked,
)
from ipgraph.extractor.evaluation.positions import Paths, entropy_measures
from ipgraph.extractor.evaluation.searches.figures import Searches, add_searches, add_several
from ipgraph.extractor.evaluation.searches.wider import exhaustive_width
from ipgraph.extractor.extraction.extract import batch_sentences
from ipgraph.extractor.extraction.options import Options
from ipgraph.extractor.methods.catalogue import COMPARABLE, COMPARED, METHODS
from ipgraph.extractor.methods.patterns.chance import random_hops, random_paths
from ipgraph.extractor.methods.patterns.paths import Scored
from ipgraph.extractor.methods.registry import path_method
from ipgraph.extractor.models.loading import COMMIT_LENGTH, DEMOS, LoadedModel, load_model
from ipgraph.extractor.tracing.memory import out_of_memory_as_error
from ipgraph.extractor.tracing.sets import ALL_HEADS, SKIP, influence, paths
from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.graphstore.runs.directory import RunDirectory
from ipgraph.graphstore.schema.records import Level, Measure

Progress = Callable[[int, int], None]


def evaluate(
    run: RunDirectory,
    *,
    model: LoadedModel | None = None,
    methods: Sequence[str] = COMPARED,
    searches: Searches | None = None,
    draws: int = 50,
    repeats: int = 1000,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | str = "auto",
    on_progress: Progress | None = None,
) -> list[Measure]:
    """Measure a finished run of guided patterns, keep the measures with it and return them.

    `methods` are compared with guided patterns; `draws` random sets of nodes are ablated; intervals come
    from `repeats` bootstrap samples of instances. The model is the run's own, loaded again unless given.
    Raises UsageError where the run is not one that can be evaluated.
    """
    for name in methods:
        if name not in COMPARABLE:
            raise unknown("method", name, COMPARABLE)
    if draws < 2 or repeats < 2:
        raise UsageError(f"{draws} draws and {repeats} resamples were asked for; both need at least 2")
    model = model or model_of(run, device=device)
    work = _Work(run, model, methods, searches or Searches(), draws, repeats, seed)
    with torch.no_grad(), out_of_memory_as_error(model):
        work.go(batch_sentences(batch_size), on_progress)
    measures = work.measures()
    run.write_measures(measures)
    return measures


def model_of(
    run: RunDirectory, name: str = "", revision: str | None = None, device: str = "auto"
) -> LoadedModel:
    """Load the model that a run was made with, from where it came from then, or from `name`.

    Raises UsageError where the folder it came from is not there.
    """
    record, digest = run.run, str(run.manifest["settings"]["model"])
    if name:
        return load_model(name, revision=revision, device=device, dtype=record.dtype)
    is_commit = len(digest) == COMMIT_LENGTH
    if not is_commit and record.model_name not in DEMOS and not Path(record.model_name).is_dir():
        raise UsageError(
            f"run {run.id} was made with the model in the folder {record.model_name!r}, which is not here; "
            "name its folder (--model)"
        )
    revision = digest if is_commit else None
    return load_model(record.model_name, revision=revision, device=device, dtype=record.dtype)


@dataclass
class _Work:
    """One evaluation as it goes on."""

    run: RunDirectory
    model: LoadedModel
    methods: Sequence[str]
    searches: Searches
    draws: int
    repeats: int
    seed: int

    def __post_init__(self) -> None:
        record = self.run.run
        self.options = Options(
            qoi=record.qoi, baseline=record.baseline, n_steps=record.n_steps, quadrature=record.quadrature
        )
        self.guided: list[Guided] = read(self.run, self.model)
        self.levels = tuple(self.guided[0].influence)
        if self.searches.exhaustive:  # too many paths are said before the work, not after
            length = max((len(self.guided[i].one.ids) for i in self._searched()), default=0)
            for level in self.levels:
                exhaustive_width(level, len(self.model.adapter.layers), self.model.adapter.heads, length)
        self.collected = Collected(len(self.guided))
        self.paths: dict[tuple[str, Level], list[Paths]] = {
            ("gpr", level): [
                Paths(g.positions, g.choices if level == "attention" else None, g.influence[level])
                for g in self.guided
            ]
            for level in self.levels
        }

    def go(self, sentences: int | None, on_progress: Progress | None) -> None:
        """Trace every instance and collect its figures; then search in some of them."""
        searched = self._searched()
        done, total = 0, len(self.guided) + len(searched)
        add_skip_share(self.collected, self.guided)
        for part, add in ((np.arange(len(self.guided)), self._add), (searched, self._search)):
            some = [self.guided[i] for i in part]
            for batch in batches(some, self.model, self.options, sentences):
                add(replace(batch, index=part[batch.index]))
                done += len(batch.guided)
                del batch  # and its trace, see `batches`
                if on_progress is not None:
                    on_progress(done, total)

    def measures(self) -> list[Measure]:
        """Return every figure collected, with its interval."""
        subtasks = [g.one.instance.subtask for g in self.guided]
        groups = {"": np.arange(len(subtasks))}
        if len(set(subtasks)) > 1:
            named = sorted(set(subtasks) - {""})  # "" is the whole run
            groups |= {name: np.flatnonzero([s == name for s in subtasks]) for name in named}
        entropies = entropy_measures(
            self.run.id,
            self.guided,
            self.paths,
            groups,
            heads=self.model.adapter.heads,
            repeats=self.repeats,
            seed=self.seed,
        )
        return [*estimate(self.run.id, self.collected, groups, self.repeats, self.seed), *entropies]

    def _searched(self) -> Ints:
        if not self.searches.any_search:
            return np.array([], int)
        count = min(self.searches.instances, len(self.guided))
        return np.sort(np.random.default_rng(self.seed).permutation(len(self.guided))[:count])

    def _search(self, batch: Traced) -> None:
        add_searches(self.collected, batch, self.searches, self.seed)

    def _add(self, batch: Traced) -> None:
        ablator = Ablator(self.collected, batch)
        ablator.add(whole_ablations(batch))
        scored = self._scored(batch)
        if scored:
            ablator.add(scored_ablations(batch, scored))
        for level in self.levels:
            ablator.add(guided_ablations(batch, level, skip_replaced="skip_replaced" in self.methods))
            if "random" in self.methods:
                ablator.add_random(level, self.draws, self.seed)
            add_concentration(self.collected, batch, "gpr", level, stacked(batch.guided, level))
            add_path_shares(self.collected, batch, level, pi_plus(batch, level))
        add_alignment(self.collected, batch)
        self._add_influences(batch, scored)
        if self.searches.nodes_per_layer > 1:
            add_several(self.collected, batch, self.searches.nodes_per_layer)

    def _scored(self, batch: Traced) -> dict[str, Scored]:
        methods = {name: path_method(name).scored for name in self.methods if name in METHODS}
        return {name: scored(batch.trace, batch.words) for name, scored in methods.items() if scored}

    def _add_influences(self, batch: Traced, scored: dict[str, Scored]) -> None:
        """Add what the other methods' paths carry, and keep those that entropy is measured of."""
        for name, (positions, _) in scored.items():
            carried = self._carried(batch, name, positions)
            if name.startswith("attention"):
                kept = self.paths.setdefault((name, "embedding"), list(self.paths["gpr", self.levels[0]]))
                for row, index in enumerate(batch.index):
                    n = len(batch.guided[row].total)
                    path = positions[row, :n].cpu().numpy()
                    kept[index] = Paths(path, None, carried[row, :n])
        if "random" in self.methods:
            positions = random_paths(batch.trace, batch.words, batch.keys, seed=self.seed)
            self._carried(batch, "random", positions)
            if batch.choices is not None:
                hops = random_hops(batch.trace, positions, batch.keys, seed=self.seed)
                self._carried(batch, "random", positions, hops)
        if "skip_replaced" in self.methods and batch.choices is not None:
            every = batch.choices.masked_fill(batch.choices == SKIP, ALL_HEADS)
            self._carried(batch, "skip_replaced", batch.positions, every)

    def _carried(self, batch: Traced, name: str, positions: Tensor, choices: Tensor | None = None) -> Floats:
        """Return the influence of paths [B, N], and add the concentration of it."""
        parts = [
            influence(
                batch.trace,
                paths(positions[:, some], None if choices is None else choices[:, some], batch.trace.heads),
            )
            for some in batch.chunks()
        ]
        carried: Floats = torch.cat(parts, 1).double().cpu().numpy()
        level: Level = "embedding" if choices is None else "attention"
        add_concentration(self.collected, batch, name, level, carried)
        return carried
