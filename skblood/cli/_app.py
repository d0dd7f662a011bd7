"""The application: all commands, and how errors, warnings and Ctrl-C are reported."""

import warnings
from importlib.metadata import version
from traceback import format_exc
from typing import Annotated

import typer
from typer.core import TyperGroup

from skblood.cli import _audit, _datasets, _embed, _evaluate, _model, _predict, _train
from skblood.cli._options import add_command
from skblood.cli._output import say

# What the library raises on purpose. Anything else is a bug and keeps its traceback.
_EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)


class _Group(TyperGroup):
    """Commands whose errors become one message and an exit code."""

    def invoke(self, ctx):
        """Run the command."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda text, *_, **__: say(f"skblood: warning: {text}")
                return super().invoke(ctx)
        except BrokenPipeError:  # `skblood predict ... | head`, which typer handles
            raise
        except _EXPECTED as error:
            message = f"skblood: {str(error) or type(error).__name__}"
            say(format_exc() if ctx.params["traceback"] else message)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            say("skblood: interrupted by Ctrl-C.")
            raise typer.Exit(130) from error


def _print_version(wanted):
    """Print the version, and exit."""
    if wanted:
        typer.echo(version("skblood"))
        raise typer.Exit


_TRACEBACK = typer.Option("--traceback", help="Print the Python traceback of an error.")


def _root(
    traceback: Annotated[bool, _TRACEBACK] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version)
    ] = False,
):
    """Train, evaluate and use classifiers of single blood-cell images.

    Results go to the standard output, messages to the standard error. Exit codes: 0 success;
    1 failure; 2 wrong command line; 130 interrupted by Ctrl-C. For research use: this is not a
    medical device.

    \b
    Examples:
      skblood audit cells/
      skblood train cells/ --out cells.skblood
      skblood evaluate cells.skblood cells/ --out evaluation/
      skblood predict cells.skblood new/ --out new.csv
    """  # noqa: D301 (click keeps the lines of a paragraph that begins with \b)


_OPTIONS = {"no_args_is_help": True, "add_completion": False, "rich_markup_mode": None}
app = typer.Typer(cls=_Group, pretty_exceptions_enable=False, **_OPTIONS)
app.callback()(_root)
for _command in (_train.train, _evaluate.evaluate, _predict.predict, _embed.embed, _audit.audit):
    add_command(app, _command)
add_command(app, _model.export)
add_command(app, _model.info)
app.add_typer(_datasets.app, name="datasets")


def main():
    """Run the command line."""
    app(prog_name="skblood")
