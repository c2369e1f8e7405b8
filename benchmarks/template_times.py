"""How long every template takes on a store, once it is warm."""

from functools import partial
from typing import Any

from measure import medians_in_turn

from ipgraph.graphstore.schema.records import Run
from ipgraph.graphstore.store.protocol import Store
from ipgraph.queries.language.registry import templates
from ipgraph.queries.language.running import run_template

PLACES = ("position", "role", "target")
_ASKED: dict[str, Any] = {
    "role": "subject",
    "other_role": "attractor",
    "layer": 3,
    "head": 1,
    "condition": "singular_plural",
    "other_condition": "plural_singular",
}
"""Values for parameters that have no default."""


def template_seconds(store: Store, run: Run, other: Run) -> dict[str, float]:
    """Return the median seconds of each template on a run, of `shared-subpaths` for each length 2 to 6.

    The templates are called in turn. `other` is what templates of two runs compare it with.
    """
    instance = store.read(
        "MATCH (:Run {id: $run})-[:PREDICTED]->(i:Instance) RETURN min(i.id) AS id", {"run": run.id}
    ).rows[0][0]
    known = _ASKED | {"instance": instance, "other": other.id}
    calls = {}
    for name, template in templates().items():
        if template.browser_only:
            continue
        required = {p.name: known[p.name] for p in template.parameters if p.required}
        kinds = [{"by": by, "k": k} for by in PLACES for k in range(2, 7)]
        for extra in kinds if name == "shared-subpaths" else [{}]:
            label = " ".join([name, *(f"{key}={value}" for key, value in extra.items())])
            parameters = {"run": run.id, **required, **extra}
            calls[label] = partial(run_template, template, store, **parameters)
    return dict(zip(calls, medians_in_turn(*calls.values()), strict=True))
