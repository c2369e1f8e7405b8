"""`ipgraph report`: answers that several queries and some arithmetic make, one sub-command each."""

import typer

app = typer.Typer(no_args_is_help=True, help="Reports, made from the store alone.")
