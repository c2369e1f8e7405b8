"""What identifies a measure: the key that evaluations, reports and figures find it by."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from ipgraph.graphstore.schema.records import Measure

ABLATED_ACCURACY = "ablated_accuracy"
"""The metric of what the model still answers with some nodes alone: Table 1 of Lu et al. (2021)."""
ONE_PER_WORD, INSIDE = "one path per word", "inside"
"""How a share of paths counts them: the patterns themselves, or all paths inside their nodes."""


class MeasureKey(NamedTuple):
    """The columns of a `Measure` that say what was measured, and of what.

    The others say how exactly (draws, resamples, seed) or are the result: measuring again replaces them.
    """

    metric: str
    method: str
    level: str
    grouping: str = ""
    target: str = ""
    size: str = ""
    counting: str = ""
    k: int = 1
    search: str = ""
    beam: int = 0
    position: int = -1

    @classmethod
    def of(cls, measure: Measure) -> "MeasureKey":
        """Return the key of a measure."""
        return cls(*(getattr(measure, name) for name in cls._fields))


def measure_id(runs: Sequence[str], key: MeasureKey) -> str:
    """Return a measure's id: its runs, and the columns of its key that differ from their defaults."""
    default = MeasureKey._field_defaults
    return f"{'+'.join(runs)}?{urlencode({n: v for n, v in key._asdict().items() if v != default.get(n)})}"
