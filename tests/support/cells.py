"""Cells of tables compared."""

import math
from dataclasses import astuple
from typing import Any

from ipgraph.graphstore.common.bootstrap import Interval


def close(actual: Any, wanted: Any) -> bool:
    """Tell whether two cells are equal, floats and the ends of intervals up to rounding."""
    if isinstance(actual, Interval) and isinstance(wanted, Interval):
        return all(map(close, astuple(actual), astuple(wanted)))
    if isinstance(actual, float) and isinstance(wanted, float):
        return math.isclose(actual, wanted, rel_tol=1e-9, abs_tol=1e-12)
    return type(actual) is type(wanted) and bool(actual == wanted)


def value_of(cell: Any) -> Any:
    """Return the value of a cell, without its interval."""
    return cell.value if isinstance(cell, Interval) else cell
