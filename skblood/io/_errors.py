"""The error of a file that is no model."""


class ModelFileError(ValueError):
    """A file that is no model of ours, is damaged, or is of a later version.

    Raised by `skblood.load` and `skblood.load_info`.

    Parameters
    ----------
    message : str
        What is wrong with the file and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skblood
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.skblood")
    ...     _ = path.write_bytes(b"")
    ...     try:
    ...         skblood.load(path)
    ...     except skblood.ModelFileError:
    ...         print("no model")
    no model
    """

    def __init__(self, message):
        super().__init__(message)
