"""Templates as Neo4j Browser and cypher-shell take them: `:param` lines, each ended by `;`, then the text."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ipgraph.queries.language.binding import bind, bound_by_store, check_names, declared_value
from ipgraph.queries.language.parameters import Parameter
from ipgraph.queries.language.running import opened
from ipgraph.queries.language.template import Template, used_parameters
from ipgraph.queries.language.values import UNQUOTED

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store

FIRST = 0
"""Index of a list's first element in Neo4j's Cypher."""


def browser_script(template: Template, store: "Store | str | Path | None" = None, **given: object) -> str:
    """Return a template to paste into Neo4j Browser.

    With a store, parameters are looked up and checked there; without, what only a store or the user can say
    (the run, an instance, a parameter that has no default) stands in capitals, to be filled in.
    """
    check_names(template, given)
    if store is None:
        values = {p.name: _unbound(template, p, given) for p in template.parameters}
    else:
        with opened(store) as graph:
            values = {name: json.dumps(value) for name, value in bind(template, given, graph).items()}
    text = template.text("neo4j")
    used = used_parameters(text)
    values |= {name: str(value) for name, value in bound_by_store(FIRST).items() if name in used}
    return "\n".join([*(f":param {name} => {values[name]};" for name in sorted(values)), text])


def _unbound(template: Template, parameter: Parameter, given: dict[str, object]) -> str:
    """Return a parameter as Cypher writes it (JSON's literals are Cypher's too)."""
    if parameter.name in given or not (parameter.required or parameter.type in ("run", "level")):
        return json.dumps(declared_value(template, parameter, given))
    if parameter.type == "level":
        return json.dumps("attention")
    blank = parameter.name.upper()
    return blank if parameter.type in UNQUOTED else json.dumps(blank)
