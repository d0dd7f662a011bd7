"""``python -m skblood``: the command line."""

from skblood.cli import main

if __name__ == "__main__":
    main()
