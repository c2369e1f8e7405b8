"""The reference of templates and reports in docs/queries.md, written from the registry.

`python -m ipgraph.queries.language.reference docs/queries.md` writes it anew; a test compares the two.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from ipgraph.queries.language.parameters import Parameter
from ipgraph.queries.language.registry import templates
from ipgraph.queries.language.template import Template
from ipgraph.queries.reports.registry import REPORTS, Report

BEGIN = "<!-- from here on: written by `python -m ipgraph.queries.language.reference docs/queries.md` -->"


def reference() -> str:
    """Return the reference as Markdown."""
    every = templates()
    lines = ["## Reports", "", *map(_report, REPORTS.values()), "", "## Templates", ""]
    lines += [f"- [`{t.name}`](#{t.name}): {t.title}" for t in every.values()]
    for template in every.values():
        lines += ["", *_template(template)]
    return "\n".join(lines) + "\n"


def _report(report: Report) -> str:
    options = list(inspect.signature(report.function).parameters)[1:]
    return f"- `{report.name}`: {report.title} Options: {', '.join(f'`{name}`' for name in options)}."


def _template(template: Template) -> Iterator[str]:
    yield from (f"### {template.name}", "", f"**{template.title}.** {template.description}")
    if template.browser_only:
        yield "For Neo4j Browser only; not part of the portable library."
    yield from ("", "Parameters:", "", *map(_parameter, template.parameters))
    yield from ("", "Columns:", "", *(f"- `{c.name}`: {c.description}" for c in template.columns))


def _parameter(parameter: Parameter) -> str:
    allowed = f" {parameter.allowed}" if parameter.allowed else ""
    default = "required" if parameter.required else f"default `{parameter.default!r}`"
    return f"- `{parameter.name}` ({parameter.type}{allowed}; {default}): {parameter.description}"


def written(page: str) -> str:
    """Return the page with its reference written anew."""
    return f"{page.partition(BEGIN)[0]}{BEGIN}\n\n{reference()}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
