"""The commands put together, and what becomes of their errors, warnings and of Ctrl-C."""

import inspect
import traceback as tracebacks
import warnings
from typing import Annotated

import typer
from typer.core import TyperGroup

from skblood.cli import _audit, _datasets, _embed, _evaluate, _model, _predict, _train
from skblood.cli._output import say

# What the library raises on purpose. Anything else is a mistake of ours, which keeps its traceback.
_EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)

# That of click, which typer has within or beside itself, depending on its version.
_UsageError = typer.BadParameter.__base__

_EXAMPLES = "\nExamples\n--------\n"


class _Group(TyperGroup):
    """The commands, whose errors become one message and an exit code."""

    def invoke(self, ctx):
        """Run the command."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except _UsageError as error:
            # Not in typer's frame, which breaks lines where they are not to be broken.
            path = ctx.command_path if error.ctx is None else error.ctx.command_path
            say(f"{path}: {error.format_message()}\n`{path} --help` says more.")
            raise typer.Exit(2) from error
        except BrokenPipeError:  # `skblood predict ... | head`, which typer knows how to end
            raise
        except _EXPECTED as error:
            if ctx.params["traceback"]:
                tracebacks.print_exc()
            else:
                say(f"skblood: {str(error) or type(error).__name__}")
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            say("skblood: broken off by Ctrl-C.")
            raise typer.Exit(130) from error


def _show_warning(message, category, filename, lineno, file=None, line=None):
    say(f"skblood: warning: {message}")


def _version(wanted):
    if wanted:
        from skblood import __version__

        typer.echo(__version__)
        raise typer.Exit


def _root(
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the code an error comes from.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_version),
    ] = False,
):
    """Train classifiers of single blood-cell images, judge them, and use them.

    Results go to the standard output, messages to the standard error. Exit codes: 0, all is well;
    1, it failed; 2, the command line is wrong; 130, broken off by Ctrl-C. For research use: this is
    no medical device.

    Examples
    --------
    skblood audit cells/
    skblood train cells/ --out cells.skblood
    skblood evaluate cells.skblood cells/ --out evaluation/
    skblood predict cells.skblood new/ --out new.csv
    """


def _add(app, function, name=None):
    """Add a command, whose docstring is its help; only the examples in it keep their lines."""
    text, _, examples = inspect.getdoc(function).partition(_EXAMPLES)
    text = "\n\n".join(" ".join(each.split()) for each in text.split("\n\n"))
    if examples:
        lines = "\n".join(f"  {line}" for line in examples.splitlines())
        text += f"\n\n\b\nExamples:\n{lines}"
    decorate = app.callback(help=text) if name is None else app.command(name, help=text)
    decorate(function)


def _build():
    app = typer.Typer(
        cls=_Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    _add(app, _root)
    _add(app, _train.train, "train")
    _add(app, _evaluate.evaluate, "evaluate")
    _add(app, _predict.predict, "predict")
    _add(app, _embed.embed, "embed")
    _add(app, _audit.audit, "audit")
    _add(app, _model.export, "export")
    _add(app, _model.info, "info")
    datasets = typer.Typer(help="List, fetch and describe sets of images.")
    for function, name in (
        (_datasets.list_datasets, "list"),
        (_datasets.fetch, "fetch"),
        (_datasets.describe, "describe"),
    ):
        _add(datasets, function, name)
    app.add_typer(datasets, name="datasets")
    return app


app = _build()


def main():
    """Run the command line."""
    app(prog_name="skblood")
