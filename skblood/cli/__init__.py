"""The command line, `skblood`."""

import os
import sys


def main():
    """Run the command line; Ctrl-C ends it with 130, also while modules are being imported."""
    try:
        from skblood.cli._app import app

        app(prog_name="skblood")
    except KeyboardInterrupt:
        print("skblood: interrupted by Ctrl-C.", file=sys.stderr, flush=True)
    except SystemExit as ended:
        if ended.code != 130:
            raise
    # Python itself would end by the signal, if it came while a string was executed.
    os._exit(130)
