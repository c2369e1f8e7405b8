"""The errors a user can meet: one clear sentence each, shown without a traceback."""

import sys
from collections.abc import Iterable
from difflib import SequenceMatcher

from ipgraph.graphstore.common.text import printable

NEAREST = 6
"""The most names that an error for an unknown name lists."""


class IpgraphError(Exception):
    """Something failed: the command ends with exit code 1; control characters in the message are escaped."""

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class SkippedRows(UserWarning):
    """Rows of a dataset could not be used; the run that was made has the reasons."""


class UsageError(IpgraphError):
    """The request itself was wrong: the command ends with exit code 2."""

    exit_code = 2


def lacking(what: str, extra: str) -> IpgraphError:
    """Return the error for a package that only an extra of ipgraph brings, with the command that does."""
    return IpgraphError(f"{what}: run {sys.executable} -m pip install 'ipgraph[{extra}]'")


def nearest_first(name: str, valid: Iterable[str]) -> list[str]:
    """Return `valid` with the names most like `name` first."""
    return sorted(valid, key=lambda v: (-SequenceMatcher(None, name.lower(), v.lower()).ratio(), v))


def unknown(kind: str, name: str, valid: Iterable[str], where: str = "") -> UsageError:
    """Return the error for a name that is not one of `valid`, of which it lists the nearest."""
    names = nearest_first(name, valid)
    more = f", and {len(names) - NEAREST} more" if len(names) > NEAREST else ""
    listed = ", ".join(names[:NEAREST]) or "none"
    return UsageError(f"unknown {kind} {name!r}{where and f' {where}'}; valid, nearest first: {listed}{more}")
