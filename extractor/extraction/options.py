"""What a run can be asked for: methods, levels, QoI, baselines and quadratures, each by name."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from ipgraph.extractor.methods.catalogue import METHODS
from ipgraph.extractor.methods.settings import QOIS
from ipgraph.extractor.models.loading import LoadedModel
from ipgraph.extractor.tracing.batch import IntegrationPath
from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.graphstore.schema.records import LEVELS, Level, levels_of

ALGORITHM_VERSION = 1
"""Raised only when numbers change: part of every run's id."""

LEVEL_OPTIONS = ("both", *LEVELS)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What determines a run's numbers beside model, dataset and type."""

    method: str = "gpr"
    level: str = "both"
    qoi: str = "correct-wrong"
    baseline: str = "mask"
    n_steps: int = 50
    quadrature: str = "uniform"

    def __post_init__(self) -> None:
        """Refuse names that do not exist, listing the valid ones."""
        valid = {
            "method": METHODS,
            "level": LEVEL_OPTIONS,
            "qoi": QOIS,
            "baseline": BASELINES,
            "quadrature": QUADRATURES,
        }
        for option, names in valid.items():
            if (name := asdict(self)[option]) not in names:
                raise unknown(option, name, names)
        if refused := set(self.levels) - set(METHODS[self.method].levels):
            defined = " or ".join(map(repr, METHODS[self.method].levels)) or "no level: it gives no paths"
            raise UsageError(
                f"method {self.method!r} is not defined at the {min(refused)} level; use level {defined}"
            )
        if self.n_steps < 2:
            raise UsageError(
                f"n_steps is {self.n_steps}; the path from baseline to input needs at least 2 points"
            )

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels asked for."""
        return levels_of(self.level)

    def require_for(self, model: LoadedModel) -> None:
        """Raise UsageError where the QoI is not defined for a model."""
        if self.qoi == "positive-negative" and len(model.classes) != 2:
            raise UsageError(
                f"the QoI 'positive-negative' needs a classifier of two classes, and model {model.name!r} "
                "is not one"
            )

    def integration_path(self, model: LoadedModel) -> IntegrationPath:
        """Return the samples of the straight path from baseline to input."""
        points, weights = QUADRATURES[self.quadrature](self.n_steps)
        tensors = (torch.tensor(x, dtype=model.dtype, device=model.device) for x in (points, weights))
        return IntegrationPath(*tensors)

    def baseline_embedding(self, model: LoadedModel) -> Tensor:
        """Return the embedding [E] that every word's path starts from."""
        return BASELINES[self.baseline](model)


def _uniform(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return n uniform points, ends included, of equal weight: the published rule."""
    return np.linspace(0.0, 1.0, n), np.full(n, 1.0 / n)


def _gauss_legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the n Gauss-Legendre nodes of [0, 1], and the ends, which only the QoI is read at."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    points = np.concatenate([[0.0], (nodes + 1) / 2, [1.0]])
    return points, np.concatenate([[0.0], weights / weights.sum(), [0.0]])


def _word_embedding(token: str) -> Callable[[LoadedModel], Tensor]:
    def embedding(model: LoadedModel) -> Tensor:
        index = getattr(model.tokenizer, f"{token}_token_id")
        if index is None:
            raise UsageError(f"the tokenizer of model {model.name!r} has no {token} token to start from")
        return model.adapter.words[index]

    return embedding


QUADRATURES: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "uniform": _uniform,
    "gauss-legendre": _gauss_legendre,
}
BASELINES: dict[str, Callable[[LoadedModel], Tensor]] = {
    "mask": _word_embedding("mask"),
    "pad": _word_embedding("pad"),
    "zero": lambda model: torch.zeros_like(model.adapter.words[0]),
}
