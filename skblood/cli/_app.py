"""The application: all commands, and how errors, warnings and Ctrl-C are reported."""

import io
import os
import re
import sys
import warnings
from functools import cache
from importlib import import_module
from traceback import format_exc
from typing import Annotated

import typer
from typer.core import TyperGroup

from skblood._writing import show_progress
from skblood.cli import _output
from skblood.cli._advice import in_shell
from skblood.cli._options import add_command
from skblood.cli._output import say

# What the library raises on purpose. Anything else is a bug and keeps its traceback.
_EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError)
# That of click, of which newer versions of typer have a copy.
_UsageError = typer.BadParameter.__base__


# In the order of the help. Each is a function, or an application, in a module of its name.
_COMMANDS = "audit train evaluate compare report predict count query review adapt explain embed"
_COMMANDS = (*_COMMANDS.split(), "export", "info", "validate", "datasets")


class _Group(TyperGroup):
    """Commands, imported when they are needed, whose errors become one message and an exit code."""

    def list_commands(self, ctx):
        """Return the names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx, name):
        """Return a command, or None."""
        if name in _COMMANDS:
            self.commands |= {name: _load_command(name)}
        return super().get_command(ctx, name)

    def resolve_command(self, ctx, args):
        """Find a command; similar names are suggested."""
        if args[0] != "train" and (n_processes := _output.count_processes()) > 1:
            raise ValueError(
                f"{n_processes} processes were started by a launcher (WORLD_SIZE={n_processes}) to "
                f"do the same. Only `skblood train` shares its work; start {args[0]} without it."
            )
        if args[0] not in _COMMANDS:
            for name in _COMMANDS:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def main(self, *args, **options):
        """Run a command line, and exit."""
        if sys.stdout is None:  # it is closed: results fail, and not without a word
            sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")
        sys.stderr = sys.stderr or open(os.devnull, "w")
        sys.stdout.reconfigure(errors="backslashreplace")
        try:
            code = super().main(*args, **options, standalone_mode=False)
        except _UsageError as error:
            code, text = error.exit_code, io.StringIO()
            error.show(text)
            say(text.getvalue().rstrip())
        except typer.Abort:  # Ctrl-C before the command runs
            code = 130
        except OSError as error:  # of help or the version; those of commands are reported below
            code = 1
            say(f"skblood: {error}")
        try:
            sys.stdout.flush()
        except OSError:  # would be reported again at exit
            code = code or 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(code)

    def make_context(self, *args, **options):
        """Parse the command line, which imports commands to show the help."""
        try:
            return super().make_context(*args, **options)
        except KeyboardInterrupt:
            say("skblood: interrupted by Ctrl-C.")
            raise

    def invoke(self, ctx):
        """Run the command."""

        def translate(message):
            return in_shell(str(message), self.commands.get(ctx.invoked_subcommand))

        def show_warning(message, *args, **options):
            say("skblood: warning: " + re.sub(r"\s*\n\s*", " ", translate(message)))

        try:
            with warnings.catch_warnings(), _output.locks, show_progress():
                warnings.showwarning = show_warning
                return super().invoke(ctx)
        except BrokenPipeError:  # `skblood predict ... | head`, which typer handles
            raise
        except _EXPECTED as error:
            message = f"skblood: {translate(error) or type(error).__name__}"
            say(format_exc() if ctx.params["traceback"] else message, is_error=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            say("skblood: interrupted by Ctrl-C.")
            raise typer.Exit(130) from error


@cache
def _load_command(name):
    """Import a command."""
    parent = typer.Typer(**_OPTIONS)
    parent.callback()(_root)  # makes it a group, also of one command
    module = import_module(f"skblood.cli._{name}")
    if hasattr(module, "app"):
        parent.add_typer(module.app, name=name)
    else:
        add_command(parent, getattr(module, name))
    return typer.main.get_command(parent).commands[name]


def _print_version(wanted):
    """Print the version, and exit."""
    if wanted:
        from importlib.metadata import version

        _output.show(version("skblood"))
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
