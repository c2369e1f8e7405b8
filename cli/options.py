"""Options that several commands share, each written once."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from ipgraph.cli.render import Format

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH|URI",
        envvar="IPGRAPH_STORE",
        help="Graph store: a file, or a Neo4j server (bolt://..., neo4j://...).",
        show_default="./ipgraph.db",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print; json and csv are exact.")]
RunOption = Annotated[
    str,
    typer.Option(
        "--run", metavar="RUN", help="Run id or its beginning.", show_default="the newest complete run"
    ),
]
EvaluatedRunOption = Annotated[
    str,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Run id or its beginning.",
        show_default="of each model, dataset and settings the largest evaluated run, or the newest",
    ),
]
RunsDirOption = Annotated[
    Path, typer.Option("--runs-dir", metavar="DIR", help="Folder of the run directories.")
]
QueriesDirOption = Annotated[
    Path | None,
    typer.Option(
        "--queries-dir", metavar="DIR", help="Folder of your own templates, beside the shipped ones."
    ),
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", metavar="NAME=VALUE", help="Value of a query parameter; repeat for more."),
]
ShowCypherOption = Annotated[bool, typer.Option("--show-cypher", help="Print the Cypher on stderr first.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
RUNS_DIR = Path("runs")


def _option(panel: str, help_: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help_, rich_help_panel=panel, **more)


METHODS_HELP = (
    "How paths are chosen: gpr; or, to compare, attention, attention_max, conductance, internal_influence, "
    "internal_influence_l2 (embedding level only), random."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Extraction:
    """The options of everything that extracts; the fields are keyword arguments of `extractor.extract`."""

    model: Annotated[str, _option("Model", "Hub id or folder of a BERT model, or demo, demo-sentiment.")] = (
        "demo"
    )
    revision: Annotated[str | None, _option("Model", "Branch, tag or commit of a hub model.")] = None
    device: Annotated[str, _option("Model", "auto, cpu or cuda.")] = "auto"
    dtype: Annotated[str, _option("Model", "float32 or float64.")] = "float32"
    batch_size: Annotated[
        str, _option("Model", "Sentences at once, or auto for what free memory allows.", metavar="N|auto")
    ] = "auto"
    method: Annotated[str, _option("Patterns", METHODS_HELP)] = "gpr"
    level: Annotated[str, _option("Patterns", "embedding, attention or both.")] = "both"
    qoi: Annotated[
        str, _option("Patterns", "correct-wrong, or positive-negative of a classifier of two classes.")
    ] = "correct-wrong"
    n_steps: Annotated[int, _option("Patterns", "Points on the line from baseline to input.", min=2)] = 50
    quadrature: Annotated[str, _option("Patterns", "uniform or gauss-legendre.")] = "uniform"
    baseline: Annotated[str, _option("Patterns", "mask, pad or zero: the embedding of no word.")] = "mask"
    runs_dir: Annotated[Path, _option("Patterns", "Folder of the run directories.", metavar="DIR")] = RUNS_DIR


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which rows of a dataset are used; the fields are keyword arguments of `extractor.extract`."""

    limit: Annotated[
        int | None, _option("Dataset", "Use this many sentences, balanced over conditions.", min=1)
    ] = None
    seed: Annotated[
        int, _option("Dataset", "Seed of that choice, and of what is random in an evaluation.", min=0)
    ] = 0
    max_tokens: Annotated[
        int | None,
        _option("Dataset", "Leave out sentences of more tokens, \\[CLS] and \\[SEP] included.", min=1),
    ] = None
    strict: Annotated[bool, _option("Dataset", "Stop at the first row that cannot be used.", "--strict")] = (
        False
    )
    allow_unk: Annotated[
        bool, _option("Dataset", "Use sentences with words unknown to the model.", "--allow-unk")
    ] = False


Options = TypeVar("Options")
Command = Callable[..., None]


def takes(name: str, options: type[Options], *, without: str = "") -> Callable[[Command], Command]:
    """Give a command the fields of a dataclass as options; it gets them as the one argument `name`.

    The field `without`, if any, is no option there and keeps its default.
    """

    def decorate(command: Command) -> Command:
        hints = get_type_hints(options, include_extras=True)
        shared = [
            inspect.Parameter(
                f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
            )
            for f in fields(options)  # type: ignore[arg-type]
            if f.name != without
        ]

        @wraps(command)
        def wrapper(**given: Any) -> None:
            given[name] = options(**{p.name: given.pop(p.name) for p in shared})
            command(**given)

        own = [
            p.replace(kind=p.KEYWORD_ONLY)
            for p in inspect.signature(command).parameters.values()
            if p.name != name
        ]
        wrapper.__signature__ = inspect.Signature(own + shared)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in own + shared}
        return wrapper

    return decorate
