"""The runs that templates are tried on, on both stores."""

from pathlib import Path

from fixtures import make_measures, make_run
from remade import remade

from ipgraph.graphstore.runs import RunDirectory
from ipgraph.graphstore.schema import Pattern


def query_runs(root: Path) -> list[RunDirectory]:
    """Make two runs over the same instances, and two that a template must never mix in.

    The first has measures. The second lacks the word at position 2 in every other instance or so.
    """
    first = make_run(root)
    first.write_measures(make_measures(first))
    second = remade(make_run(root / "whole", seed=1), root, patterns=_unless_at_2)
    return [first, second, make_run(root, seed=2), make_run(root, dataset="ra-na", model="toy2-0", layers=2)]


def _unless_at_2(pattern: Pattern) -> Pattern | None:
    return None if pattern.position == 2 and pattern.instance[-1] in "02468ace" else pattern
