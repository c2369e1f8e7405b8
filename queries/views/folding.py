"""Which positions of a sentence a picture shows one by one, and which runs of unused ones it folds."""

from collections.abc import Container
from itertools import groupby

LONG = 16
"""A sentence of more positions than this has its unused words folded."""


def folded(count: int, used: Container[int], longest: int = LONG) -> list[range]:
    """Return the positions in groups: a run of two or more unused ones is one group, any other its own.

    Where there are at most `longest` positions, each is its own group.
    """
    if count <= longest:
        return [range(at, at + 1) for at in range(count)]
    groups: list[range] = []
    for is_used, run in groupby(range(count), key=used.__contains__):
        positions = list(run)
        if is_used:
            groups += [range(at, at + 1) for at in positions]
        else:
            groups.append(range(positions[0], positions[-1] + 1))
    return groups
