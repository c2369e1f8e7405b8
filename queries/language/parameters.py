"""A template's parameters: as its head declares them, and those that templates share, by name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.queries.language.values import TYPES, ParameterType, Plain, ValueMismatchError, convert, literal

BOUND_BY_STORE = ("first", "stride", "role_stride")
"""Parameters that no head declares and nobody gives: see `binding.bound_by_store`."""
RESERVED = (*BOUND_BY_STORE, "store", "queries_dir", "timeout_s", "max_rows")
"""Names that a parameter cannot have, since they mean something else where a template is run."""

NO_LIMIT = 10**9
"""A `limit` that leaves nothing out."""

_DECLARATION = re.compile(
    r"(?P<name>[a-z]\w*): (?P<type>\S+)(?: (?P<allowed>[^\s=]\S*))?"
    r'(?: = (?P<default>"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\S+))?  +(?P<description>\S.*)'
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A template's parameter; `allowed` is a range such as `2..6` or choices such as `-1|0|1`."""

    name: str
    type: ParameterType
    description: str
    allowed: str = ""
    required: bool = True
    default: Plain | list[Plain] | None = None

    def convert(self, value: object) -> Plain | list[Plain]:
        """Return a value as this parameter takes it; raises ValueMismatchError."""
        return convert(self.type, self.allowed, value)


def _parsed(text: str) -> Parameter:
    match = _DECLARATION.fullmatch(text)
    if match is None:
        form = "`name: type = default  description` (two spaces before the description)"
        raise UsageError(f"the parameter {text!r} is not written as {form}")
    kind = next((t for t in TYPES if t == match["type"]), None)
    if kind is None:
        raise UsageError(f"{match['name']} is of type {match['type']!r}; valid: {', '.join(TYPES)}")
    parameter = Parameter(match["name"], kind, match["description"], match["allowed"] or "")
    if match["default"] is None:
        return parameter
    try:
        written = match["default"]
        default = parameter.convert(literal(written) if written.startswith('"') else written)
    except ValueMismatchError as problem:
        raise UsageError(f"the default of {parameter.name} {problem}") from None
    return replace(parameter, required=False, default=default)


_STANDARD = """
run: run = newest  The run: a unique prefix of its id, or `newest` for the newest that has what is read.
other: run  The run it is compared with.
level: level = finest  `attention` or `embedding`; `finest` is attention where the run has it.
instance: instance  The instance: its id, the row's own name, or a unique prefix of the id.
subtask: subtask = ""  Only instances of this subtask; all where empty.
condition: condition = ""  Only instances of this condition; all where empty.
role: role = ""  Only patterns of words in this role; all where empty.
sign: int -1|0|1 = 0  1: patterns of words with total influence >= 0 (Pi_+); -1: the others (Pi_-); 0: both.
layer: layer 0.. = 0  Only heads of this layer; 0 for all.
roles: string[] = []  Only instances of this structure, the roles by position; all where empty.
limit: int 1.. = 20  The most rows to return.
"""
STANDARD = {
    **{parameter.name: parameter for parameter in map(_parsed, _STANDARD.strip().splitlines())},
    "attention-level": _parsed(
        "level: level attention = attention  Heads and skips exist at attention level only."
    ),
}
"""What a head may name without declaring it, by the name to use there."""


def declared(text: str) -> Parameter:
    """Return the parameter that a head declares: `k: int 2.. = 3  Nodes.`, or the name of a standard one.

    Raises UsageError for any other text.
    """
    if ":" in text:
        return _parsed(text)
    if text not in STANDARD:
        remedy = "declare any other as `name: type = default  description`, in a line of its own"
        raise UsageError(f"{unknown('standard parameter', text, STANDARD)}; {remedy}")
    return STANDARD[text]


def require_distinct(parameters: Iterable[Parameter]) -> None:
    """Raise UsageError for two parameters of one name, and for a name that is reserved."""
    seen: set[str] = set()
    for name in (parameter.name for parameter in parameters):
        if name in seen:
            raise UsageError(f"the parameter {name} is declared twice; leave one out")
        if name in RESERVED:
            raise UsageError(f"a parameter cannot be called {name}, which has another meaning; rename it")
        seen.add(name)
