"""Cypher templates: found, checked, bound and run; and the reports computed from their rows.

from ipgraph.queries import run
rows = run("heads-by-traversal", store="ipgraph.db", level="attention")
rows.to_pandas()
"""

from ipgraph.queries.browser import browser_script
from ipgraph.queries.registry import template, templates
from ipgraph.queries.running import Rows, run, run_cypher, run_template
from ipgraph.queries.tables import Table, TableColumn
from ipgraph.queries.template import Column, Parameter, Template, TemplateError
from ipgraph.queries.values import literal

__all__ = [
    "Column",
    "Parameter",
    "Rows",
    "Table",
    "TableColumn",
    "Template",
    "TemplateError",
    "browser_script",
    "literal",
    "run",
    "run_cypher",
    "run_template",
    "template",
    "templates",
]
