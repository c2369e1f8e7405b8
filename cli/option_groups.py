"""The options of an extraction, the choice of sentences among them, and what their values mean."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from ipgraph.cli.options import (
    RUNS_DIR,
    STORED,
    AllowUnkOption,
    ColumnsOption,
    DatasetNameOption,
    RolesOption,
    RunsDirOption,
)
from ipgraph.extractor.methods.catalogue import METHODS, Method, method_named
from ipgraph.extractor.methods.settings import (
    AT,
    BASELINES,
    LEVELS,
    POSITION_CORRECTIONS,
    QOIS,
    QUADRATURES,
)
from ipgraph.graphstore.schema import records


def _option(panel: str, help_: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help_, rich_help_panel=panel, **more)


def _choice(what: str, meanings: Mapping[str, str], **more: Any) -> Any:
    """Return the option of a setting, with what each of its values means."""
    listed = "; ".join(f"{value} ({meaning})" for value, meaning in meanings.items())
    return _option("Patterns", f"{what}: {listed}.", **more)


def _n_steps(value: str) -> int | str:
    return int(value) if value.isdecimal() else value


def _described(method: Method) -> str:
    if method.levels == records.LEVELS or not method.levels:
        return method.summary
    return f"{method.summary}; {method.levels[0]} level only"


@dataclass(frozen=True, kw_only=True, slots=True)
class Loading:
    """Which model, and how it is loaded; the fields are keyword arguments of `load_model`."""

    model: Annotated[
        str,
        _option(
            "Model",
            "demo, demo-sentiment, demo-gpt2 (a decoder), demo-modernbert, or the hub id or folder of a "
            "model; guided patterns need a known family.",
        ),
    ] = "demo"
    revision: Annotated[str | None, _option("Model", "Branch, tag or commit of a hub model.")] = None
    task: Annotated[
        str | None,
        _option(
            "Model",
            "masked-lm, causal-lm, classifier or seq2seq: which head of the model is used.",
            show_default="what its config names, or the head among its weights",
        ),
    ] = None
    device: Annotated[str, _option("Model", "auto, cpu or cuda.")] = "auto"
    dtype: Annotated[str, _option("Model", "float32 or float64.")] = "float32"


@dataclass(frozen=True, kw_only=True, slots=True)
class Extraction(Loading):
    """The options of every extraction; the fields are keyword arguments of `extractor.extract`."""

    batch_size: Annotated[
        str,
        _option("Model", "Sentences per batch, or auto for what fits into free memory.", metavar="N|auto"),
    ] = "auto"
    method: Annotated[
        str,
        _choice(
            "What is extracted; of several, a run for each",
            {m.name: _described(m) for m in METHODS.values()},
            metavar="NAME,...",
        ),
    ] = "gpr"
    level: Annotated[str, _choice("Level of the patterns", LEVELS)] = "both"
    qoi: Annotated[str, _choice("Quantity of interest", QOIS)] = "correct-wrong"
    n_steps: Annotated[
        Any,
        _option(
            "Patterns",
            "Points on the line from the baseline to the input, or auto for as many as each sentence needs.",
            metavar="N|auto",
            parser=_n_steps,
        ),
    ] = "auto"
    tolerance: Annotated[
        float | None,
        _option(
            "Patterns",
            "With auto: how much of the change in QoI the influences may miss.",
            show_default="0.01",
        ),
    ] = None
    quadrature: Annotated[str, _choice("Where the points lie", QUADRATURES)] = "gauss-legendre"
    baseline: Annotated[
        str | None,
        _choice("Where the line starts", BASELINES, show_default="mask; mean where there is no mask token"),
    ] = None
    move_first: Annotated[
        bool,
        _option(
            "Patterns",
            "Move a decoder's first position too, which otherwise keeps its embedding and has no pattern.",
            "--move-first",
        ),
    ] = False
    at: Annotated[str, _choice("Which embeddings gradients score", AT)] = "word"
    position_correction: Annotated[
        str, _choice("What rollout and flow in a decoder make of positions", POSITION_CORRECTIONS)
    ] = "none"
    position_decay: Annotated[
        float,
        _option("Patterns", "The power of the position correction `position`, from 0 to 10.", metavar="X"),
    ] = 1.0
    label: Annotated[
        str,
        _option(
            STORED,
            "A name for the run, accepted wherever its id is; asking again with another one renames the run.",
            metavar="TEXT",
        ),
    ] = ""
    runs_dir: RunsDirOption = RUNS_DIR


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which rows of a dataset are used; the fields are keyword arguments of `extractor.extract`."""

    limit: Annotated[
        int | None, _option("Dataset", "Use at most this many sentences, balanced over conditions.", min=1)
    ] = None
    seed: Annotated[
        int, _option("Dataset", "Seed for choosing sentences, and for random parts of an evaluation.", min=0)
    ] = 0
    max_tokens: Annotated[
        int | None,
        _option(
            "Dataset", "Leave out sentences with more tokens, counting those that the tokenizer adds.", min=1
        ),
    ] = None
    answers: Annotated[
        str | None,
        _option(
            "Dataset",
            "How forms of several pieces are compared: single-piece (rows with such forms are left out); "
            "first-difference (the pieces that both begin with stand before \\[MASK]).",
            show_default="single-piece; first-difference for causal models",
        ),
    ] = None
    strict: Annotated[bool, _option("Dataset", "Stop at the first row that cannot be used.", "--strict")] = (
        False
    )
    allow_unk: AllowUnkOption = False
    name: DatasetNameOption = ""
    roles: RolesOption = ""
    columns: ColumnsOption = None


def methods_named(names: str, among: Mapping[str, Method] = METHODS) -> list[Method]:
    """Return the methods that an option names; raises UsageError for an unknown name."""
    return [method_named(name.strip(), among) for name in dict.fromkeys(names.split(","))]


def by_method(extraction: Extraction) -> list[Extraction]:
    """Return an extraction for each of the methods that are named; with several, labels end with the name.

    A method does not get an option that only others of them take. Raises UsageError for an unknown name.
    """
    methods = methods_named(extraction.method)
    defaults = Extraction()
    taken = frozenset[str]().union(*(method.takes for method in methods))
    extractions = []
    for method in methods:
        changed: dict[str, Any] = {name: getattr(defaults, name) for name in taken - method.takes}
        if extraction.label and len(methods) > 1:
            changed["label"] = f"{extraction.label}-{method.name}"
        extractions.append(replace(extraction, method=method.name, **changed))
    return extractions


Options = TypeVar("Options")
Command = Callable[..., None]


def takes(name: str, options: type[Options], *, without: Sequence[str] = ()) -> Callable[[Command], Command]:
    """Give a command the fields of a dataclass as options; it receives them as its argument `name`.

    The fields `without` are left out of the options and keep their defaults.
    """

    def decorate(command: Command) -> Command:
        hints = get_type_hints(options, include_extras=True)
        grouped = [
            inspect.Parameter(
                f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
            )
            for f in fields(options)  # type: ignore[arg-type]
            if f.name not in without
        ]

        @wraps(command)
        def wrapper(**given: Any) -> None:
            given[name] = options(**{p.name: given.pop(p.name) for p in grouped})
            command(**given)

        others = [
            p.replace(kind=p.KEYWORD_ONLY)
            for p in inspect.signature(command).parameters.values()
            if p.name != name
        ]
        wrapper.__signature__ = inspect.Signature(others + grouped)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in others + grouped}
        return wrapper

    return decorate
