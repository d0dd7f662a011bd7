"""matplotlib, which is an optional dependency."""


def import_pyplot(what):
    """Return `matplotlib.pyplot`, or say how to get it for `what`."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{what} needs matplotlib, which is not installed. Run: pip install skblood[plot]"
        ) from error
    return plt
