"""What every command and group of commands shares: examples, strict options, and one form of error."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from ipgraph.graphstore.common.errors import UsageError, unknown


class Command(TyperCommand):
    """A command that refuses an option given twice, where it takes one value."""

    def __init__(self, *arguments: Any, help: str | None = None, **more: Any) -> None:
        """Make the command; the lines of a paragraph of its help are joined, for the terminal to wrap."""
        super().__init__(*arguments, help=help and _paragraphs(help), **more)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; flags show no type in the help."""
        return untyped_flags(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; raises UsageError for an option that is given twice and keeps one value."""
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in dict.fromkeys(given):
            is_single = option.param_type_name == "option" and not option.multiple
            if is_single and not getattr(option, "is_flag", False) and given.count(option) > 1:
                raise UsageError(f"{option.opts[0]} is given twice; it takes one value")
        return super().parse_args(ctx, args)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


class Group(TyperGroup):
    """A group whose error for an unknown command names the nearest ones."""

    advice = ""
    """What the error for an unknown command adds."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; flags show no type in the help."""
        return untyped_flags(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return a command; raises UsageError for an unknown name."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            error = unknown("command", args[0], self.list_commands(ctx), f"of {ctx.command_path}")
            raise UsageError(f"{error}{self.advice and f'; {self.advice}'}")
        return super().resolve_command(ctx, args)


class Commands(typer.Typer):
    """A group of commands, each with an example of its use."""

    def __init__(self, *, cls: type[TyperGroup] = Group, **more: Any) -> None:
        super().__init__(cls=cls, no_args_is_help=True, **more)

    def command(  # type: ignore[override]
        self, name: str | None = None, *, example: str | Sequence[str], **more: Any
    ) -> Callable[..., Any]:
        """Register a function as a command; its help ends with the example, or examples."""
        examples = [example] if isinstance(example, str) else example
        return super().command(name, cls=Command, epilog=shown_examples(examples), **more)


def untyped_flags(parameters: list[Any]) -> list[Any]:
    """Return parameters, flags among them without a type, which would be shown as <bool>."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


def shown_examples(examples: Sequence[str]) -> str:
    """Return examples as the end of a command's help."""
    return "\n\n".join(f"Example: {example}".replace("[", "\\[") for example in examples)


def show_error(message: str) -> None:
    """Print an error on stderr, in the one form that all have."""
    from rich.text import Text

    from ipgraph.cli.render import console

    console(stderr=True).print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)


def stop(error: TyperException) -> None:
    """End the program for what typer refuses, said as our own errors are."""
    if message := _said(error):
        show_error(message)
    sys.exit(error.exit_code)


def _said(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if context is not None and option and hasattr(error, "possibilities"):
        return str(unknown("option", option, _options(context)))
    message = error.format_message().rstrip(".").replace("\n\t", " ").replace("Value error, ", "")
    if not message or context is None:
        return message  # the group's help, which has been printed
    return f"{message[0].lower()}{message[1:]}; `{context.command_path} --help` explains it"


def _options(context: Any) -> list[str]:
    parameters = [p for p in context.command.get_params(context) if p.param_type_name == "option"]
    return [name for parameter in parameters for name in parameter.opts if name.startswith("--")]
