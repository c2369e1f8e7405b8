"""Binding: from what a user gives to the parameters a store gets, checked by what the template declares.

Some types are looked up in the store: a `run` by its id, the beginning of one or a label (`newest`: the
newest complete one that has what the text reads, see `needs`), a `level` (`finest`: attention where every run
named has it), an `instance` by its id, the name of its row, or a unique prefix; a `subtask`, a `condition` or
a `role` must be one that the first run has, or empty; a `layer` or a `head` one that its model has.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ipgraph.graphstore.common.errors import UsageError, nearest_first, unknown
from ipgraph.graphstore.common.suggested import suggested
from ipgraph.graphstore.schema.labels import LABEL_WIDTH, ROLE_LABEL_WIDTH
from ipgraph.graphstore.schema.records import LEVELS, Run, levels_of
from ipgraph.queries.language.needs import NOTHING, Need, need_of
from ipgraph.queries.language.parameters import BOUND_BY_STORE, Parameter
from ipgraph.queries.language.template import Template, used_parameters
from ipgraph.queries.language.values import Plain, ValueMismatchError, plain

if TYPE_CHECKING:
    from ipgraph.graphstore.store.protocol import Store, Value

NEWEST, FINEST = "newest", "finest"

_MOST = 1000
_INSTANCES = """
MATCH (r:Run)-[:PREDICTED]->(i:Instance)
WHERE r.id IN $runs
  AND (i.id = $text OR i.name = $text OR i.id STARTS WITH $text OR i.id CONTAINS $digest)
RETURN DISTINCT i.id AS id, i.name AS name,
       CASE WHEN i.id = $text THEN 0 WHEN i.name = $text THEN 1 ELSE 2 END AS place
ORDER BY place, id LIMIT $most
"""
_NAMES = {
    "subtask": "WITH DISTINCT i.subtask AS name",
    "condition": "WITH DISTINCT i.condition AS name",
    "role": "WITH DISTINCT e.roles AS roles UNWIND roles AS name",
}
"""By type of parameter, what makes the names that a run has of its instances."""


class MissingValueError(UsageError):
    """A parameter that has no default was not given."""

    def __init__(self, message: str, name: str) -> None:
        """Say what is missing; `name` is the parameter's."""
        super().__init__(message)
        self.name = name


def bind(template: Template, given: Mapping[str, object], store: "Store") -> "dict[str, Value]":
    """Return a template's parameters for a store; raises UsageError naming the query and the parameter."""
    values = declared_values(template, given)
    by_type = {
        kind: [p.name for p in template.parameters if p.type == kind and (p.required or values[p.name])]
        for kind in ("run", "level", "instance")
    }
    need = need_of(template.text(store.dialect))
    runs = [resolve_run(store, str(values[name]), need) for name in by_type["run"]]
    is_newest = any(values[name] == NEWEST for name in by_type["run"][:1])
    values |= {name: run.id for name, run in zip(by_type["run"], runs, strict=True)}
    if by_type["level"]:
        require_one_graph(runs)
    with saying_which_run(store, need, is_newest=is_newest):
        values |= {name: resolve_level(runs, str(values[name])) for name in by_type["level"]}
        for name in by_type["instance"]:
            values[name] = resolve_instance(store, [runs[0].id], str(values[name]))
        for kind in _NAMES:
            names = [str(values[p.name]) for p in template.parameters if p.type == kind and values[p.name]]
            if names:
                require_known(store, runs[0].id, kind, names)
        for parameter in template.parameters:
            if parameter.type in ("layer", "head") and isinstance(number := values[parameter.name], int):
                require_in_model(runs[0], parameter.type, number)
    return _as_used(template.text(store.dialect), values, store)


@contextmanager
def saying_which_run(store: "Store", need: Need = NOTHING, *, is_newest: bool) -> Iterator[None]:
    """Add to what is wrong that the newest run was taken, since none was named, where others would do."""
    try:
        yield
    except UsageError as error:
        runs = need.among([run for run in store.runs() if run.state == "complete"])
        if not is_newest or len(runs) < 2:
            raise
        listed = suggested("run list", store=store.location)
        raise UsageError(f"{error} (that is the newest run; `{listed}` lists the others)") from error


def bind_text(cypher: str, given: Mapping[str, object], store: "Store") -> "dict[str, Value]":
    """Return the parameters that a user's own text uses: those given, `$run`, `$level` and the store's.

    A run that is named is taken whether it has what the text reads or not.
    """
    used, values = used_parameters(cypher), dict(given)
    if {"run", "level"} & used:
        need = NOTHING if "run" in values else need_of(cypher)
        run = resolve_run(store, str(values.get("run", NEWEST)), need)
        values["run"] = run.id
        if "level" in used:
            values["level"] = resolve_level([run], str(values.get("level", FINEST)))
    missing = sorted(used - set(values) - set(BOUND_BY_STORE))
    if missing:
        raise MissingValueError(f"the query uses ${missing[0]}, which was not given", missing[0])
    return _as_used(cypher, {name: _plain(name, value) for name, value in values.items()}, store)


def bound_by_store(first: int) -> dict[str, int]:
    """Return `$first` (a store's index of a list's or text's first element) and the widths in routes.

    `$stride` and `$role_stride` are how far apart the nodes stand in `route` and `role_route`.
    """
    return dict(zip(BOUND_BY_STORE, (first, LABEL_WIDTH + 1, ROLE_LABEL_WIDTH + 1), strict=True))


def _as_used(cypher: str, values: "Mapping[str, object]", store: "Store") -> "dict[str, Value]":
    """Return just the parameters that a text uses, the store's included: a store may refuse any other."""
    every = {**values, **bound_by_store(store.first)}
    return {name: every[name] for name in sorted(used_parameters(cypher)) if name in every}  # type: ignore[misc]


def declared_values(template: Template, given: Mapping[str, object]) -> dict[str, Plain | list[Plain]]:
    """Return every declared parameter's value, given or default, converted and checked."""
    check_names(template, given)
    return {p.name: declared_value(template, p, given) for p in template.parameters}


def check_names(template: Template, given: Mapping[str, object]) -> None:
    """Raise UsageError for a parameter that a template does not have."""
    names = [p.name for p in template.parameters]
    for name in given:
        if name not in names:
            valid = ", ".join(nearest_first(name, names)) or "none"
            raise UsageError(
                f"the query {template.name}: unknown parameter {name!r}; valid, nearest first: {valid}"
            )


def declared_value(
    template: Template, parameter: Parameter, given: Mapping[str, object]
) -> Plain | list[Plain]:
    """Return a parameter's value, given or default; raises UsageError where it is missing or does not fit."""
    value = given.get(parameter.name)
    if value == "" and parameter.type in ("run", "level"):
        value = None
    if value is None and parameter.default is not None:
        return parameter.default
    if value is None:
        what = f"{parameter.name} ({parameter.type}: {parameter.description})"
        message = f"the query {template.name}: the parameter {what} has no default and was not given"
        raise MissingValueError(message, parameter.name)
    try:
        return parameter.convert(value)
    except ValueMismatchError as problem:
        raise UsageError(f"the query {template.name}: the parameter {parameter.name} {problem}") from None


def _plain(name: str, value: object) -> "Plain | list[Plain] | None":
    try:
        return plain(value)
    except ValueMismatchError as problem:
        raise UsageError(f"the parameter {name} {problem}") from None


def resolve_run(store: "Store", text: str = NEWEST, need: Need = NOTHING) -> Run:
    """Return the complete run that an id, its beginning or a label names; by default the store's newest.

    The newest is that which has what is needed; where nothing is, one with patterns before others. Raises
    UsageError for an unknown run, and for one that lacks something.
    """
    runs = store.runs()
    complete = [run for run in runs if run.state == "complete"]
    if not complete:
        from ipgraph.graphstore.opening import is_server

        place = Path(store.location)
        make = suggested("ingest dataset", "sva-obj", store=store.location)
        load = suggested("ingest run", "RUN", store=store.location)
        is_absent = not is_server(store.location) and not place.exists()
        what = f"{store.location} holds no complete run"
        if is_absent:
            what = f"there is no store {place.absolute()}"
        raise UsageError(f"{what}; make one by `{make}`, or load one that is on disk by `{load}`")
    if text in ("", NEWEST):
        if fitting := need.among(complete):
            return fitting[0]
        remedy = need.remedy(complete, store.location)
        raise UsageError(f"no run of {store.location} {need.said}; {remedy}")
    half = [run for run in runs if run.state != "complete" and run.id.startswith(text)]
    if half and not any(run.id.startswith(text) or run.label == text for run in complete):
        what = "partly removed from" if half[0].state == "removing" else "only partly loaded into"
        raise UsageError(f"run {text!r} is {what} {store.location}; load it again, or delete it")
    by_id = {run.id: run for run in complete}
    from ipgraph.graphstore.runs.finding import match_run  # not at the top: it loads pyarrow

    run = by_id[match_run(text, {run.id: run.label for run in complete}, store.location)]
    if lacks := need.missing(run):
        remedy = need.remedy(complete, store.location, run)
        raise UsageError(f"run {run.id} {lacks}: its method is {run.method}; {remedy}")
    return run


def _listed(runs: Sequence[Run]) -> str:
    return ", ".join(run.id for run in runs)


def resolve_level(runs: Sequence[Run], text: str = FINEST) -> str:
    """Return a level that every one of the runs has; by default attention before embedding."""
    had = [level for level in LEVELS if all(level in levels_of(run.level) for run in runs)]
    if text not in LEVELS and text not in ("", FINEST):
        raise unknown("level", text, LEVELS)
    if text in had or (text in ("", FINEST) and had):
        return text if text in had else had[-1]
    advice = "extract both levels, or name another run"
    if text in ("", FINEST):
        raise UsageError(f"the runs {_listed(runs)} have patterns at no level in common; {advice}")
    raise UsageError(f"no patterns at {text} level in {_listed(runs)}; {advice}")


def require_one_graph(runs: Sequence[Run]) -> None:
    """Raise UsageError for runs whose models have unlike computation graphs: their paths do not compare."""
    unlike = [run for run in runs if run.graph != runs[0].graph]
    if unlike:
        shapes = " and ".join(
            f"{run.id} ({run.model_name}: {run.layers} layers of {run.heads} heads)"
            for run in (runs[0], unlike[0])
        )
        raise UsageError(f"the paths of {shapes} do not compare, since their models have unlike graphs")


def resolve_instance(store: "Store", runs: Sequence[str], text: str) -> str:
    """Return the id of the instance of the runs that an id, a row's name or a unique prefix names."""
    given: dict[str, Value] = {"runs": list(runs), "text": text, "digest": f":{text}", "most": _MOST}
    rows = store.read(_INSTANCES, given).rows
    for matches in (
        [row for row in rows if row[0] == text],
        [row for row in rows if row[1] == text],
        rows if text else [],
    ):
        if len(matches) == 1:
            return str(matches[0][0])
        if matches:
            some = ", ".join(str(row[0]) for row in matches[:5])
            many = f"{len(matches)}{' or more' * (len(rows) == _MOST)}"
            raise UsageError(f"instance {text!r} names {many} instances of {_named(runs)}: {some}, ...")
    of_run = ("--run", runs[0]) if len(runs) == 1 else ()
    lists = suggested("query run instances", *of_run, store=store.location)
    raise UsageError(f"{_named(runs)} has no instance {text!r}; `{lists}` lists them")


def require_known(store: "Store", run: str, kind: str, names: Sequence[str]) -> None:
    """Raise UsageError for a subtask, condition or role that a run does not have, listing those it has."""
    text = f"MATCH (:Run {{id: $run}})-[e:PREDICTED]->(i:Instance) {_NAMES[kind]} RETURN DISTINCT name"
    known = [str(row[0]) for row in store.read(text, {"run": run}).rows if row[0]]
    if not known:
        raise UsageError(f"the instances of run {run} have no {kind}s; leave out {kind} {names[0]!r}")
    for name in names:
        if name not in known:
            raise unknown(kind, name, known, f"in run {run}")


def require_in_model(run: Run, kind: str, number: int) -> None:
    """Raise UsageError for a layer (from 1; 0: all) or a head (from 1) that a run's model does not have."""
    if kind == "layer" and number > run.layers:
        raise UsageError(f"the model of run {run.id} has layers 1 to {run.layers}; you asked for {number}")
    if kind == "head" and number > run.heads:
        raise UsageError(
            f"each layer of the model of run {run.id} has heads 1 to {run.heads}; you asked for {number}"
        )


def _named(runs: Sequence[str]) -> str:
    return f"run {runs[0]}" if len(runs) == 1 else "the store"
