"""The application that commands enter themselves into, and what becomes of their errors."""

import inspect
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup

from variegate.cli.console import Interrupted, fault, note, trace
from variegate.errors import VariegateError

Command = Callable[..., None]

FAILED, USAGE, QUARANTINED, INTERRUPTED = 1, 2, 3, 130

# What the parser raises about options and arguments: ClickException, of click or of typer's copy.
_ParserError: type[Exception] = typer.BadParameter.__mro__[2]


class Application(TyperGroup):
    """Turns every error into one sentence and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        arguments, debug = _without_debug(given)
        try:
            code = super().main(
                arguments, prog_name or "variegate", complete_var, False, windows_expand_args
            )
        except Exception as error:
            if debug:
                raise
            sys.exit(_answered(error))
        sys.exit(code if isinstance(code, int) else 0)


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Move `--debug` to the front, so that it may stand anywhere."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" not in arguments[:end]:
        return arguments, False
    rest = [one for one in arguments[:end] if one != "--debug"]
    return ["--debug", *rest, *arguments[end:]], True


def _answered(error: Exception) -> int:
    """Say in one sentence what is wrong; return the exit code."""
    if isinstance(error, Interrupted):
        note(str(error))
        return INTERRUPTED
    if isinstance(error, VariegateError):
        fault(str(error))
        return USAGE
    if isinstance(error, _ParserError):
        fault(_parser_sentence(error))
        return USAGE
    if isinstance(error, typer.Abort):
        return FAILED
    kind = type(error).__name__
    fault(
        f"{kind}: {error}; this is a defect of variegate: "
        "run the command again with --debug and report what it shows"
    )
    return FAILED


def _parser_sentence(error: Exception) -> str:
    sentence: str = error.format_message().rstrip(".")  # type: ignore[attr-defined]
    sentence = f"{sentence[:1].lower()}{sentence[1:]}"
    context = getattr(error, "ctx", None)
    return f"{sentence}; see {context.command_path} --help" if context else sentence


app = typer.Typer(
    cls=Application,
    name="variegate",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def command(
    name: str, *examples: str, to: typer.Typer = app
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Enter a function as a command; its help ends with the examples.

    Keyword arguments of the function that are dataclasses become an option for each field.
    """
    lines = "\n\n".join(f"  {example}" for example in examples)
    epilog = f"[bold]Examples[/bold]\n\n{lines}"

    def enter(function: Command) -> Command:
        paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
        text = "\n\n".join(" ".join(one.split()) for one in paragraphs)
        to.command(name, help=text, epilog=epilog)(_expanded(function))
        return function

    return enter


def expanded_parameters(
    function: Command,
) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """Return a command's parameters, and its arguments that are dataclasses.

    Of a dataclass, the fields are parameters.
    """
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        kind = parameter.annotation
        if not is_dataclass(kind):
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        types = get_type_hints(kind, include_extras=True)
        groups[parameter.name] = kind
        parameters += [
            inspect.Parameter(
                one.name, parameter.kind, default=one.default, annotation=types[one.name]
            )
            for one in fields(kind)
        ]
    return parameters, groups


def _expanded(function: Command) -> Command:
    """Return a function that takes the fields of its arguments' dataclasses one by one."""
    parameters, groups = expanded_parameters(function)

    def expanded(**given: Any) -> None:
        made = {
            name: kind(**{one.name: given.pop(one.name) for one in fields(kind)})
            for name, kind in groups.items()
        }
        function(**given, **made)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    expanded.__annotations__ = {one.name: one.annotation for one in parameters}
    return expanded


def _show_version(wanted: bool) -> None:
    if wanted:
        from variegate import __version__

        typer.echo(f"variegate {__version__}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog="[bold]Examples[/bold]\n\n  variegate augment photos/ more/\n\n"
    "  variegate augment photos/ more/ --preset chain --seed 7",
)
def start(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log.")] = False,
) -> None:
    """Turn a few labelled images into many: realistic, reproducible, with a record of each."""
    log = logging.getLogger("variegate")
    log.setLevel(logging.DEBUG if debug else logging.WARNING)
    log.handlers = [_Notes()]
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


class _Notes(logging.Handler):
    """What the library logs, as notes that a progress bar makes room for."""

    def emit(self, record: logging.LogRecord) -> None:
        for one in self.format(record).splitlines():
            note(one)


def main() -> None:
    """Run the command line.

    The one place where a traceback is shown, which `--debug` asks for.
    """
    for stream in (sys.stdout, sys.stderr):
        # File names are bytes: one that no encoding knows must not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception:  # noqa: BLE001 - whatever it is, it ends here
        trace(traceback.format_exc())
        sys.exit(FAILED)
