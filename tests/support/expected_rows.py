"""What each shipped template must return, and with which parameters it is tried."""

from typing import Any

from support import expected_paths, expected_runs, expected_scores, expected_words
from support.expected_data import Data, Rows
from support.query_runs import DOTTED


def expected(name: str, data: Data, **parameters: Any) -> Rows:
    """Return the rows of the template `name`; its function is called like it."""
    function = name.replace("-", "_")
    for module in (expected_paths, expected_runs, expected_scores, expected_words):
        if hasattr(module, function):
            rows: Rows = getattr(module, function)(data, **parameters)
            return rows
    raise AssertionError(f"no expected rows for the template {name}: add {function}() to tests/expected_*.py")


def examples(name: str, data: Data, run: str, other: str) -> list[dict[str, Any]]:
    """Return parameters for which the template `name` has rows, given two runs over the same instances."""
    return [_filled(options, data, run, other) for named, options in _EXAMPLES if named == name]


def names() -> list[str]:
    """Return the templates that have examples."""
    return sorted({name for name, _ in _EXAMPLES})


def _filled(options: dict[str, Any], data: Data, run: str, other: str) -> dict[str, Any]:
    instance = min(found for of_run, found in data.predictions if of_run == run)
    scored = {row["method"]: row["run"] for row in data.attributions}
    known = {HTA: scored.get("hta", ""), FLOW: scored.get("flow", ""), WORDS: f"words:{7:012d}"}
    known |= {RUN: run, OTHER: other, INSTANCE: instance, ROLES: data.predictions[run, instance]["roles"]}
    return {key: known[value] if type(value) is object else value for key, value in options.items()}


RUN, OTHER, INSTANCE, ROLES = object(), object(), object(), object()
HTA, FLOW, WORDS = object(), object(), object()
"""Runs that score tokens, and an instance of theirs."""
_OF_RUN: dict[str, Any] = {"run": RUN}
_ATTENTION: dict[str, Any] = {"run": RUN, "level": "attention"}
_EMBEDDING: dict[str, Any] = {"run": RUN, "level": "embedding"}
_SCOPED: dict[str, Any] = {
    **_ATTENTION,
    "subtask": "object-relative-across",
    "condition": "singular-plural",
    "role": "subject",
    "sign": 1,
}
_PAIR: dict[str, Any] = {"role": "attractor", "other_role": "other"}
_TWINS: dict[str, Any] = {"role": "other", "other_role": "other"}
_DOTTED: dict[str, Any] = {"role": DOTTED, "other_role": "other"}
_CONDITIONS: dict[str, Any] = {"condition": "singular-plural", "other_condition": "plural-singular"}
_PLACES = ("position", "role", "target")
_SCOPE = ("run", "level", "subtask", "condition")

_EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    *(
        (name, {**_ATTENTION, **more})
        for name in (
            "skip-share",
            "heads-by-traversal",
            "heads-by-layer",
            "heads-by-role",
            "heads-by-destination",
        )
        for more in ({}, _SCOPED, {"sign": -1})
    ),
    *(
        ("skip-share", {**more, "by": by})
        for by in ("layer", "role", "subtask", "condition")
        for more in (_ATTENTION, _SCOPED, {**_ATTENTION, "sign": -1})
    ),
    ("heads-by-traversal", {**_ATTENTION, "layer": 2, "limit": 3}),
    *((f"heads-by-{by}", {**_ATTENTION, "layer": 2}) for by in ("layer", "role", "destination")),
    ("heads-by-role", {**_ATTENTION, "limit": 5}),
    *(
        (f"heads-by-{by}", {**scope, "rank": "influence"})
        for by in ("traversal", "layer", "role", "destination")
        for scope in (_ATTENTION, _SCOPED)
    ),
    ("skip-share-by-instance", _ATTENTION),
    ("skip-share-by-instance", {**_ATTENTION, "condition": "plural-plural", "limit": 4}),
    *(
        ("instances-through-head", {**_ATTENTION, "role": role, "layer": 2, "head": 1})
        for role in ("subject", DOTTED)
    ),
    ("instances-through-head", {**_SCOPED, "layer": 3, "head": 2}),
    *(
        ("shared-subpaths", {**more, "by": by})
        for by in _PLACES
        for more in (
            *({**level, "k": k} for k in (2, 3, 4) for level in (_ATTENTION, _EMBEDDING)),
            *({**_ATTENTION, "k": k, "limit": 1000} for k in (5, 6)),
            {**_SCOPED, "k": 2},
        )
    ),
    *(
        ("shared-subpaths", {**level, "by": by, "rank": "influence"})
        for by in _PLACES
        for level in (_ATTENTION, _EMBEDDING, _SCOPED)
    ),
    *(("routes", {**level, "by": by}) for by in _PLACES for level in (_ATTENTION, _EMBEDDING)),
    ("routes", {**_SCOPED, "limit": 2}),
    ("node-probability", _ATTENTION),
    ("node-probability", _EMBEDDING),
    ("node-probability", _SCOPED),
    ("node-probability", {**_EMBEDDING, "position": 3, "roles": ROLES}),
    *(
        (name, options)
        for name in ("node-probability-by-position", "influence-by-position")
        for options in (_ATTENTION, {**_EMBEDDING, "roles": ROLES, "condition": "plural-plural"})
    ),
    ("node-probability-difference", {**_ATTENTION, **_CONDITIONS, "limit": 1000}),
    ("node-probability-difference", {**_EMBEDDING, **_CONDITIONS, "role": "subject", "sign": 1}),
    ("instance", {**_OF_RUN, "instance": INSTANCE}),
    ("instances", _OF_RUN),
    ("instances", {**_OF_RUN, "correct": 1, "condition": "singular-plural"}),
    ("instances", {**_OF_RUN, "correct": 0, "limit": 2}),
    ("predictions", _OF_RUN),
    ("predictions", {**_OF_RUN, "subtask": "object-relative-within", "limit": 3}),
    ("patterns-of-instance", {**_ATTENTION, "instance": INSTANCE}),
    ("patterns-of-instance", {**_EMBEDDING, "instance": INSTANCE}),
    ("pattern-steps", {**_ATTENTION, "instances": 3}),
    ("pattern-steps", {**_EMBEDDING, "condition": "plural-plural"}),
    ("converging-words", {**_ATTENTION, "instance": INSTANCE}),
    ("converging-words", {**_EMBEDDING, "instance": INSTANCE}),
    ("convergence", _ATTENTION),
    ("convergence", {**_ATTENTION, "limit": 1000}),
    ("convergence", {**_EMBEDDING, "sign": 1, "subtask": "object-relative-across", "limit": 5}),
    *(
        (name, {**level, **pair})
        for name in ("merges", "merge-points", "first-meetings")
        for level in (_ATTENTION, _EMBEDDING)
        for pair in (_PAIR, _TWINS, _DOTTED)
    ),
    ("influential-words", _ATTENTION),
    ("influential-words", {**_EMBEDDING, "sign": -1, "at_least": 2, "limit": 7}),
    ("influential-words", _SCOPED),
    *(("influential-words", {**_ATTENTION, "rank": rank}) for rank in ("count", "influence")),
    ("influence-by-role", _ATTENTION),
    ("influence-by-role", {key: value for key, value in _SCOPED.items() if key in _SCOPE}),
    ("concentration", _ATTENTION),
    ("concentration", {**_EMBEDDING, "condition": "singular-plural"}),
    ("lexical", {**_ATTENTION, "role": "subject"}),
    ("lexical", {**_EMBEDDING, "role": "attractor", "subtask": "object-relative-across", "limit": 4}),
    *(("compare-runs", {**level, "other": OTHER}) for level in (_ATTENTION, _EMBEDDING)),
    ("compare-runs", {**_ATTENTION, "other": OTHER, "condition": "singular-plural"}),
    *(("compare-instances", {**level, "other": OTHER}) for level in (_ATTENTION, _EMBEDDING)),
    ("accuracy", _OF_RUN),
    ("accuracy", {**_OF_RUN, "condition": "singular-plural"}),
    ("structures", _OF_RUN),
    ("outcomes", _OF_RUN),
    ("outcomes", {**_OF_RUN, "condition": "singular-plural", "limit": 3}),
    ("completeness", {**_OF_RUN, "threshold": 0.001}),
    ("completeness", {**_OF_RUN, "threshold": 0.0, "subtask": "object-relative-across", "limit": 100}),
    *(("margins-by-instance", options) for options in (_ATTENTION, {**_EMBEDDING, "limit": 5})),
    ("margins", _ATTENTION),
    ("margins", {**_EMBEDDING, "condition": "singular-plural"}),
    *((name, {"run": FLOW}) for name in ("attributions", "attributions-by-instance", "attributed-words")),
    ("attributions", {"run": HTA, "instance": WORDS, "method": "hta"}),
    ("attributions", {"run": HTA, "limit": 9}),
    ("attributions-by-instance", {"run": HTA, "condition": "singular-plural", "limit": 3}),
    ("attributed-words", {"run": FLOW, "sign": -1, "at_least": 3, "limit": 4}),
    ("attributed-words", {"run": HTA, "role": "verb", "condition": "plural-plural"}),
    ("attribution-by-role", {"run": FLOW}),
    ("attribution-by-role", {"run": HTA, "subtask": "toy", "condition": "singular-plural"}),
    ("head-views", {"run": HTA}),
    ("head-views", {"run": HTA, "layer": 2, "condition": "plural-plural", "limit": 2}),
    ("views-by-instance", {"run": HTA, "condition": "plural-plural"}),
    ("mixing", {"run": HTA}),
    ("mixing", {"run": HTA, "condition": "plural-plural"}),
    ("cut-layers", {"run": FLOW}),
    ("cut-layers", {"run": FLOW, "condition": "plural-plural"}),
    ("contributions", {"run": FLOW}),
    ("contributions", {"run": HTA, "own": True, "layer": 2, "limit": 50}),
    ("contributions", {"run": FLOW, "subtask": "toy", "condition": "singular-plural", "limit": 30}),
    ("measures", _OF_RUN),
    ("measures", {**_OF_RUN, "metric": "accuracy"}),
]
