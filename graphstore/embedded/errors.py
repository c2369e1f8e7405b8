"""What the embedded database complains about, in one sentence that says what to do."""

import re
from pathlib import Path

from ipgraph.graphstore.common.errors import IpgraphError, UsageError, unknown
from ipgraph.graphstore.schema.tables import schema_names

_UNKNOWN = (
    (re.compile(r"Table (\S+) does not exist"), ("label", "relationship")),
    (re.compile(r"Cannot find property (\S+) for"), ("property",)),
)
"""What the database says of a name that it has never seen, and what that name may be of."""
_SYNTAX = re.compile(r"Parser exception:.*?\(line: (\d+), offset: (\d+)\) ?(.*)")
_DAMAGE = ("IO exception", "Reading past the end", "Cannot read", "can't decode", "Corrupt", "checkpoint")
"""What the database says where the file, rather than the query, is at fault."""
_REBUILD = "`ipgraph store rebuild` makes it again from the run directories"


def damaged(path: object, error: Exception) -> UsageError:
    """Return the error for a file that cannot be read as a store."""
    return UsageError(f"{path} is damaged, cut off or not a store: {_REBUILD} ({_line(error)})")


def as_sentence(error: Exception, location: str | Path) -> IpgraphError:
    """Return the error to show instead of one from a query of the store at a location."""
    message = _line(error)
    if "read-only database" in message:
        return UsageError("the statement writes, and only reading is allowed here")
    if syntax := _SYNTAX.search(message):
        line, offset, text = syntax.groups()
        where = f"line {line}, character {int(offset) + 1}"
        return UsageError(f"the query does not parse from {where} on: {text.rstrip('^ ')}")
    for said, kinds in _UNKNOWN:
        if name := said.search(message):
            valid = [known for kind in kinds for known in schema_names()[kind]]
            return unknown(" or ".join(kinds), name[1].rstrip("."), valid)
    if any(said in message for said in _DAMAGE):
        return damaged(location, error)
    return UsageError(f"the query cannot be run: {message.partition(' exception: ')[2] or message}")


def _line(error: Exception) -> str:
    """Return a message as one line, without long quotations."""
    return " ".join(word if len(word) <= 60 else f"{word[:57]}..." for word in str(error).split())
