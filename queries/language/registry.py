"""Where templates are found: beside this file, and in a folder of the user's own that overrides or adds."""

from pathlib import Path

from ipgraph.graphstore.common.errors import UsageError, unknown
from ipgraph.queries.language.template import DIALECTS, Template, TemplateError, parse_template

LIBRARY = Path(__file__).parents[1] / "templates"


def templates(queries_dir: Path | str | None = None) -> dict[str, Template]:
    """Return every template by name, in the order of the names; the user's own override or add to ours."""
    return {name: parse_template(path) for name, path in _files(queries_dir).items()}


def template(name: str, queries_dir: Path | str | None = None) -> Template:
    """Return one template; raises UsageError for an unknown name, listing the valid ones nearest first."""
    files = _files(queries_dir)
    if name not in files:
        raise unknown("query", name, files)
    return parse_template(files[name])


def _files(queries_dir: Path | str | None) -> dict[str, Path]:
    files = dict(_templates_in(LIBRARY))
    if queries_dir is not None:
        folder = Path(queries_dir)
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of templates; give one that holds .cypher files")
        files |= _templates_in(folder)
    return dict(sorted(files.items()))


def _templates_in(folder: Path) -> dict[str, Path]:
    """Return a folder's templates by name; `<name>.<dialect>.cypher` only varies the one beside it."""
    files: dict[str, Path] = {}
    for path in folder.glob("*.cypher"):
        name, _, dialect = path.stem.rpartition(".")
        if dialect not in DIALECTS:
            files[path.stem] = path
        elif not path.with_name(f"{name}.cypher").is_file():
            raise TemplateError(f"{path}: varies {name}.cypher, which is not beside it")
    return files
