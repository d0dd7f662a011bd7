"""The command line, `skblood`."""

from skblood._cli._app import main

__all__ = ["main"]
