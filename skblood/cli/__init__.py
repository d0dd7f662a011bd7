"""The command line, `skblood`."""

from skblood.cli._app import main

__all__ = ["main"]
