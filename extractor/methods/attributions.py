"""What methods that score tokens are asked for and give: the shape that all of them share.

A method is a function from `Asked` and a batch of sentences to one `Attributed` per sentence. `catalogue`
names it; a run of it holds an attribution per instance, and the layer matrices where the method makes them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ipgraph.extractor.models.encoding import Encoded
from ipgraph.extractor.models.loading import LoadedModel, Model, require_adapter
from ipgraph.extractor.tracing.batch import Baseline
from ipgraph.extractor.tracing.sampling import Sampling
from ipgraph.extractor.tracing.settling import Settled

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """What a run asks of a method; each method reads what it takes (`Method.takes`)."""

    model: Model
    method: str
    sampling: Sampling
    baseline: Baseline
    at: str = "word"  # which embeddings are scored: those of words, or h^0, the `input` nodes
    is_probability: bool = False  # the QoI is softmax's share of its first logit, not a difference of logits
    position_correction: str = "none"
    position_decay: float = 1.0

    @property
    def adapted(self) -> LoadedModel:
        """The model of a method that needs its adapter; raises UsageError for one that has none."""
        return require_adapter(self.model)


@dataclass(frozen=True)
class Integral:
    """How well a path integral met the change of the QoI: of methods that integrate."""

    qoi_baseline: float
    completeness_error: float
    points: int
    is_settled: bool | None  # None without a tolerance


@dataclass(frozen=True)
class HeadViews:
    """How a text's heads look at the layer before (local) and at the tokens (global): [L, A], row means."""

    divergences: Floats  # Jensen-Shannon divergence in bits
    correlations: Floats  # Spearman's
    local_masses: Floats  # [L, A, P], the mass on each of `records.VIEWED`
    global_masses: Floats


@dataclass(frozen=True)
class Attributed:
    """What a method says of one sentence of N tokens, an encoder's before those of its decoder."""

    scores: Floats  # [N]; 0 for a token that is not heard
    cut_layers: Ints | None = None  # [N], which layer holds most of a token's minimum cut; 0 where none
    mixing: Floats | None = None  # [L], by layer the share that is not the own token's, mean over positions
    integral: Integral | None = None
    views: HeadViews | None = None
    matrices: Mapping[str, Floats] = field(default_factory=dict)  # by name, [layer, destination, source]


@dataclass(frozen=True)
class AttributionMethod:
    """How methods score tokens; `require` raises UsageError for a model of which one is not defined.

    `max_tokens` is the longest text that can be scored, None where there is no such limit.
    """

    score: Callable[[Asked, Sequence[Encoded]], list[Attributed]]
    require: Callable[[Model, str], None] | None = None
    max_tokens: int | None = None


def integrals(settled: Settled, *, has_tolerance: bool) -> list[Integral]:
    """Return how well the sentences of a trace met the change of their QoI."""
    trace = settled.trace
    points = len(trace.integration_path.points)
    found = zip(trace.qoi[:, 0].tolist(), trace.completeness_error.tolist(), settled.is_settled, strict=True)
    return [Integral(start, error, points, done if has_tolerance else None) for start, error, done in found]


def floats(values: Tensor) -> Floats:
    """Return a tensor's numbers as methods give them."""
    numbers: Floats = values.double().cpu().numpy()
    return numbers
