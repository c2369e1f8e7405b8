"""What `ipgraph draw` shows of instances: their paths, flow networks, layer matrices and scored tokens."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from ipgraph.graphstore.common.errors import UsageError
from ipgraph.queries.language.needs import NOTHING, PATTERNS, Need
from ipgraph.queries.views.flow import Diagram, of_sentence
from ipgraph.queries.views.layers import LayerMap, layer_maps
from ipgraph.queries.views.scope import telling_names
from ipgraph.queries.views.scored import Scored, scored
from ipgraph.queries.views.sentence import Sentence, load_sentence

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ipgraph.graphstore.schema.records import Level, Run
    from ipgraph.graphstore.store.protocol import Store

    Matrices: TypeAlias = Mapping[str, npt.NDArray[np.float64]]

Kind = Literal["paths", "flow", "matrix", "text"]

_MATRICES, _SCORES = Need(("matrices",)), Need(("attributions",))
_NETWORKS = Need(methods=("flow", "rollout", "alti", "alti_l2", "norm"))
"""Runs whose layer matrices hold shares of the layer before, the ones that are meant first."""
_ABOVE = 1e-6
"""How far rounding may take the sum of a row of shares above 1."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Instances under one or more runs, in the order in which they are drawn."""

    store: "Store"
    runs: "Sequence[Run]"
    instances: Sequence[str]
    runs_dir: Path

    def paths(self, level: "Level | None", threshold: float) -> list[Diagram]:
        """Return the diagrams of the instances' patterns."""
        return [named(of_sentence(s, level, threshold), run, self.runs) for run, s in self._sentences()]

    def texts(self) -> list[Scored]:
        """Return the instances' tokens with their scores."""
        return [text for _, _, text in self._scored()]

    def flows(self, token: str) -> list[Diagram]:
        """Return the flow from a token, by its text or position; from the most attributed one where empty."""
        from ipgraph.cli.flow_network import flow_network

        return [
            flow_network(self._network(run, sentence), text, sentence.target, text.position_of(token))
            for run, sentence, text in self._scored()
        ]

    def matrices(self, layers: Sequence[int]) -> list[LayerMap]:
        """Return the layer matrices of some layers, of the last one where none is named."""
        return [
            drawn
            for run, sentence, text in self._scored()
            for drawn in layer_maps(self._matrices(run, sentence), text.tokens, layers, text.title)
        ]

    def _sentences(self) -> "Iterator[tuple[Run, Sentence]]":
        for instance in self.instances:
            for run in self.runs:
                yield run, load_sentence(self.store, run, instance)

    def _scored(self) -> "Iterator[tuple[Run, Sentence, Scored]]":
        for run, sentence in self._sentences():
            yield run, sentence, scored(self.store, run, sentence, _name(run, self.runs))

    def _matrices(self, run: "Run", sentence: Sentence) -> "Matrices":
        """Return the layer matrices of a sentence from the run's directory."""
        from ipgraph.graphstore.runs.finding import find_run

        try:
            directory = find_run(self.runs_dir, run.id)
        except UsageError as error:
            raise UsageError(
                f"{self.runs_dir} does not hold run {run.id}, and layer matrices are kept in run directories "
                "only; name their folder with --runs-dir"
            ) from error
        return directory.matrices(sentence.id)

    def _network(self, run: "Run", sentence: Sentence) -> "Matrices":
        """Return the layer matrices where each row has shares of the layer before."""
        matrices = self._matrices(run, sentence)
        if "self" not in matrices or any((m.sum(-1) > 1 + _ABOVE).any() for m in matrices.values()):
            raise UsageError(
                f"the layer matrices of run {run.id} are not a flow network: those of {run.method} are not "
                "shares of the layer before; draw them with --kind matrix"
            )
        return matrices


def kind_of(runs: "Sequence[Run]") -> Kind:
    """Return the picture that suits runs: paths where they have them, a flow network of flow, else text.

    Raises UsageError where it is not the same one for all of them.
    """
    kinds: set[Kind] = {"paths" if run.level else "flow" if run.method == "flow" else "text" for run in runs}
    if len(kinds) > 1:
        pictures = " and ".join(sorted(kinds))
        raise UsageError(f"these runs have different pictures ({pictures}); pass --kind text for all of them")
    return kinds.pop()


def need_of(kind: Kind | None) -> Need:
    """Return what a run must have to be drawn so; None is a picture that suits the run."""
    needs = {"paths": PATTERNS, "flow": _NETWORKS, "matrix": _MATRICES, "text": _SCORES}
    return NOTHING if kind is None else needs[kind]


def named(drawn: Diagram, run: "Run", runs: "Sequence[Run]") -> Diagram:
    """Return a diagram whose title says which of several runs it shows."""
    name = _name(run, runs)
    return replace(drawn, title=f"{name}: {drawn.title}") if name else drawn


def _name(run: "Run", runs: "Sequence[Run]") -> str:
    """Return what tells a run from the others; "" where there is no other."""
    return telling_names(runs)[runs.index(run)] if len(runs) > 1 else ""
