"""What a run can be asked for: methods, levels, QoI, baselines and quadratures, each by name."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch

from ipgraph.extractor.extraction import baselines
from ipgraph.extractor.methods import registry
from ipgraph.extractor.methods.catalogue import METHODS, OPTIONS
from ipgraph.extractor.methods.settings import AT, POSITION_CORRECTIONS, QOIS
from ipgraph.extractor.models.loading import Model
from ipgraph.extractor.models.qoi import resolve
from ipgraph.extractor.tracing.batch import Baseline, IntegrationPath
from ipgraph.extractor.tracing.sampling import LADDER, TOLERANCE, Sampling
from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.graphstore.schema.qoi import ONE_LOGIT, PROBABILITY
from ipgraph.graphstore.schema.records import LEVELS, Level, levels_of

ALGORITHM_VERSION = 2
"""Raised only when numbers change: part of every run's id."""

AUTO: Literal["auto"] = "auto"
"""As n_steps: as many points as each instance needs."""
LEVEL_OPTIONS = ("both", *LEVELS)
MAX_DECAY = 10
"""Far above what is used, and far below where a power of a position overflows."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What determines a run's numbers beside model, dataset and type; a method reads those that it takes."""

    method: str = "gpr"
    level: str = "both"
    qoi: str = "correct-wrong"
    baseline: str | None = None  # None: as `for_model` says
    n_steps: int | Literal["auto"] = "auto"
    quadrature: str = "gauss-legendre"
    tolerance: float | None = None  # of "auto", by default TOLERANCE
    move_first: bool = False  # of decoders, whose first position otherwise keeps its own embedding
    at: str = "word"  # of methods by gradients
    position_correction: str = "none"  # of rollout and flow, for decoders
    position_decay: float = 1.0  # of the position correction "position"

    def __post_init__(self) -> None:
        """Refuse names that do not exist, listing the valid ones, and options that the method has not.

        The level "both" is narrowed to those that the method has; "" where it gives no paths.
        """
        valid = {
            "method": METHODS,
            "level": LEVEL_OPTIONS if self.level else ("",),
            "qoi": QOIS,
            "quadrature": QUADRATURES,
            "at": AT,
            "position_correction": POSITION_CORRECTIONS,
        }
        for option, names in valid.items():
            name = asdict(self)[option]
            is_class = option == "qoi" and name.startswith(ONE_LOGIT)
            if name not in names and not is_class:
                raise unknown(option, name, names)
        if self.baseline is not None:
            baselines.check(self.baseline)
        self._check_level()
        self._check_decay()
        self._check_taken()
        self._check_points()

    @property
    def takes(self) -> frozenset[str]:
        """Which of the options that only some methods have are read: the decay by one correction alone."""
        is_decaying = self.position_correction == "position"
        return METHODS[self.method].takes - frozenset(() if is_decaying else ("position_decay",))

    @property
    def max_tokens(self) -> int | None:
        """The longest text that the method can work on, None where there is no such limit."""
        is_paths = METHODS[self.method].family == "paths"
        return None if is_paths else registry.attribution_method(self.method).max_tokens

    def _check_level(self) -> None:
        levels = METHODS[self.method].levels
        if self.level in ("both", ""):
            narrowed = "both" if levels == LEVELS else "".join(levels)
            object.__setattr__(self, "level", narrowed)
        elif self.level not in levels:
            defined = f"use level {' or '.join(map(repr, levels))}" if levels else "it gives no paths"
            raise UsageError(f"method {self.method!r} is not defined at the {self.level} level; {defined}")

    def _check_taken(self) -> None:
        """Raise UsageError for an option that the method does not read."""
        for field in fields(self):
            name = field.name
            if name in OPTIONS - self.takes - {"level"} and getattr(self, name) != field.default:
                takers = ", ".join(method.name for method in METHODS.values() if name in method.takes)
                raise UsageError(f"method {self.method!r} takes no {name}; leave it out. It is for {takers}")
        if self.qoi == PROBABILITY and not METHODS[self.method].takes_probability:
            raise UsageError(
                f"the QoI {PROBABILITY!r} is for methods that score tokens by gradients or blanking, and "
                f"{self.method!r} is not one"
            )

    def _check_decay(self) -> None:
        if "position_decay" not in self.takes and self.position_decay != Options.position_decay:
            raise UsageError(
                "position_decay belongs to the position correction 'position', and this one is "
                f"{self.position_correction!r}; leave it out"
            )
        if not 0 <= self.position_decay <= MAX_DECAY:
            raise UsageError(f"position_decay is {self.position_decay}; it must be from 0 to {MAX_DECAY}")

    def _check_points(self) -> None:
        if "n_steps" not in self.takes:
            return
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

    def for_model(self, model: Model) -> "Options":
        """Return the options with the QoI and the baseline as a model calls them.

        Of an encoder every position moves. Raises UsageError where the model has none such, or where the
        method is not defined for it.
        """
        registry.require_defined(model, self.method)
        if self.position_correction != "none" and (not model.is_causal or model.task == "seq2seq"):
            raise UsageError(
                f"the position correction {self.position_correction!r} is for decoders, and model "
                f"{model.name!r} is not one; leave it out"
            )
        if "baseline" not in self.takes:
            return replace(self, qoi=resolve(model, self.qoi))
        return replace(
            self,
            qoi=resolve(model, self.qoi),
            baseline=baselines.resolve(model, self.baseline),
            move_first="move_first" in self.takes and not self.holds_first(model),
        )

    def recorded(self) -> dict[str, Any]:
        """Return the options as a run's record has them: nothing where the method does not read one."""
        nothing = {"baseline": "", "n_steps": 0, "quadrature": "", "tolerance": None, "move_first": True}
        nothing |= {"at": "", "position_correction": "", "position_decay": 0.0}
        untaken = {name: value for name, value in nothing.items() if name not in self.takes}
        points = {"n_steps": 0} if self.n_steps == AUTO else {}
        return asdict(self) | points | untaken

    def hashed(self, model: Model) -> dict[str, object]:
        """Return the options that determine a run's numbers: those that its method reads."""
        read = {name: value for name, value in asdict(self).items() if name not in OPTIONS - self.takes}
        if "n_steps" in self.takes:
            read |= {"ladder": list(self.ladder), "in_a_row": self.in_a_row(model)}
        return read

    @property
    def ladder(self) -> tuple[int, ...]:
        """The numbers of points to try in turn."""
        return LADDER if self.n_steps == AUTO else (int(self.n_steps),)

    def sampling(self, model: Model) -> Sampling:
        """Return how many points of the path from baseline to input a sentence gets."""
        paths = tuple(self.integration_path(model, n) for n in self.ladder)
        return Sampling(paths, self.tolerance, self.in_a_row(model))

    def in_a_row(self, model: Model) -> int:
        """Return at how many numbers of points in turn an error must be small enough.

        A rough integral of a decoder can be right by accident.
        """
        return 2 if self.n_steps == AUTO and model.reads == "last" else 1

    def integration_path(self, model: Model, n_steps: int) -> IntegrationPath:
        """Return that many samples of the straight path from baseline to input."""
        points, weights = QUADRATURES[self.quadrature](n_steps)
        tensors = (torch.tensor(x, dtype=model.dtype, device=model.device) for x in (points, weights))
        return IntegrationPath(*tensors)

    def baseline_of(self, model: Model) -> Baseline:
        """Return where every word's path starts."""
        name = baselines.resolve(model, self.baseline)
        return Baseline(baselines.embedding(model, name), self.holds_first(model))

    def holds_first(self, model: Model) -> bool:
        """Tell whether position 0 stays at its own embedding: in decoders, whose attention sink it is."""
        return model.reads == "last" and model.task != "seq2seq" and not self.move_first


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
