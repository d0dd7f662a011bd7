"""The error of a file that cannot be loaded."""


class ModelFileError(ValueError):
    """A file is not a model of skblood, is damaged, or needs a later version of skblood.

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
    ...         print("not a model")
    not a model
    """

    def __init__(self, message):
        super().__init__(message)
