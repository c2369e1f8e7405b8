"""What a run can be asked for: methods, levels, QoI, baselines and quadratures, each by name."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import torch

from ipgraph.extractor.extraction import baselines
from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.settings import QOIS
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.models.qoi import resolve
from ipgraph.extractor.tracing.batch import Baseline, IntegrationPath
from ipgraph.extractor.tracing.sampling import LADDER, TOLERANCE, Sampling
from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.graphstore.schema.qoi import ONE_LOGIT
from ipgraph.graphstore.schema.records import LEVELS, Level, levels_of

ALGORITHM_VERSION = 2
"""Raised only when numbers change: part of every run's id."""

AUTO: Literal["auto"] = "auto"
"""As n_steps: as many points as each instance needs."""
LEVEL_OPTIONS = ("both", *LEVELS)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What determines a run's numbers beside model, dataset and type."""

    method: str = "gpr"
    level: str = "both"
    qoi: str = "correct-wrong"
    baseline: str | None = None  # None: as `for_model` says
    n_steps: int | Literal["auto"] = "auto"
    quadrature: str = "gauss-legendre"
    tolerance: float | None = None  # of "auto", by default TOLERANCE
    move_first: bool = False  # of decoders, whose first position otherwise keeps its own embedding

    def __post_init__(self) -> None:
        """Refuse names that do not exist, listing the valid ones."""
        valid = {
            "method": METHODS,
            "level": LEVEL_OPTIONS,
            "qoi": QOIS,
            "quadrature": QUADRATURES,
        }
        for option, names in valid.items():
            name = asdict(self)[option]
            is_class = option == "qoi" and name.startswith(ONE_LOGIT)
            if name not in names and not is_class:
                raise unknown(option, name, names)
        if self.baseline is not None:
            baselines.check(self.baseline)
        if refused := set(self.levels) - set(METHODS[self.method].levels):
            defined = " or ".join(map(repr, METHODS[self.method].levels)) or "no level: it gives no paths"
            raise UsageError(
                f"method {self.method!r} is not defined at the {min(refused)} level; use level {defined}"
            )
        self._check_points()

    def _check_points(self) -> None:
        if self.n_steps == AUTO:
            if self.quadrature != "gauss-legendre":
                raise UsageError(
                    f"quadrature {self.quadrature!r} needs a number of points as n_steps, such as 50; "
                    "n_steps 'auto' raises the number of Gauss-Legendre points"
                )
            if self.tolerance is None:
                object.__setattr__(self, "tolerance", TOLERANCE)
            elif not 0 < self.tolerance < 1:
                raise UsageError(f"tolerance is {self.tolerance}; it must be above 0 and below 1")
        elif not isinstance(self.n_steps, int) or self.n_steps < 2:
            raise UsageError(
                f"n_steps is {self.n_steps!r}; it must be 'auto' or at least 2, the number of points from "
                "baseline to input"
            )
        elif self.tolerance is not None:
            raise UsageError(
                f"tolerance {self.tolerance} belongs to n_steps 'auto', and n_steps is {self.n_steps}; "
                "leave one of them out"
            )

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels asked for."""
        return levels_of(self.level)

    def for_model(self, model: LoadedModel) -> "Options":
        """Return the options with the QoI and the baseline as a model calls them.

        Of an encoder every position moves. Raises UsageError where the model has none such.
        """
        return replace(
            self,
            qoi=resolve(model, self.qoi),
            baseline=baselines.resolve(model, self.baseline),
            move_first=not self.holds_first(model),
        )

    @property
    def ladder(self) -> tuple[int, ...]:
        """The numbers of points to try in turn."""
        return LADDER if self.n_steps == AUTO else (int(self.n_steps),)

    def sampling(self, model: LoadedModel) -> Sampling:
        """Return how many points of the path from baseline to input a sentence gets."""
        paths = tuple(self.integration_path(model, n) for n in self.ladder)
        return Sampling(paths, self.tolerance, self.in_a_row(model))

    def in_a_row(self, model: LoadedModel) -> int:
        """Return at how many numbers of points in turn an error must be small enough.

        A rough integral of a decoder can be right by accident.
        """
        return 2 if self.n_steps == AUTO and model.adapter.reads == "last" else 1

    def integration_path(self, model: LoadedModel, n_steps: int) -> IntegrationPath:
        """Return that many samples of the straight path from baseline to input."""
        points, weights = QUADRATURES[self.quadrature](n_steps)
        tensors = (torch.tensor(x, dtype=model.dtype, device=model.device) for x in (points, weights))
        return IntegrationPath(*tensors)

    def baseline_of(self, model: LoadedModel) -> Baseline:
        """Return where every word's path starts."""
        name = baselines.resolve(model, self.baseline)
        return Baseline(baselines.embedding(model, name), self.holds_first(model))

    def holds_first(self, model: LoadedModel) -> bool:
        """Tell whether position 0 stays at its own embedding: in decoders, whose attention sink it is."""
        return model.adapter.reads == "last" and not self.move_first


def _uniform(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n uniform points, ends included, of equal weight: the published rule."""
    return np.linspace(0.0, 1.0, n), np.full(n, 1.0 / n)


def _gauss_legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the n Gauss-Legendre nodes of [0, 1] and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / weights.sum()


QUADRATURES: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "uniform": _uniform,
    "gauss-legendre": _gauss_legendre,
}
