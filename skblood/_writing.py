"""Writing: files replaced in one step, locks, progress, text safe to show, and similar names.

Of a replaced file, the old one or the new one is there, whole.
"""

import os
import re
import secrets
import sys
import warnings
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from time import monotonic

# Seconds that a lock is waited for in silence.
PATIENCE = 5

# Seconds until progress is shown, and between two lines of a log.
_DELAY, _BETWEEN_LINES = 2, 5
_shown = ContextVar("shown", default=False)

# Control characters (those of terminals among them), ends of lines, characters that reverse the
# direction of text, and lone surrogates: what file names that are not UTF-8 become in Python.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# A cell that begins like this, marked or not, is a formula to spreadsheets (OWASP, CSV injection).
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")

# Label of a cell that a reader has found to be in no class.
NO_CLASS = "none of these"


def printable(text, keep="\n\t"):
    r"""Return a text with control characters escaped as in Python, for a terminal or a page.

    Names in a file may hold sequences that a terminal obeys, characters that reorder text, and
    bytes that are not UTF-8.

    Parameters
    ----------
    text : object
        Its str is taken.
    keep : str, default="\n\t"
        Control characters of the text that are meant; none for a name, which is one line.

    Examples
    --------
    >>> print(printable("mono\x1b[31mcyte\n", keep=""))
    mono\x1b[31mcyte\n
    """
    return _CONTROLS.sub(lambda c: c[0] if c[0] in keep else ascii(c[0])[1:-1], str(text))


def to_utf8(x):
    """Return a text with bytes that are not UTF-8 escaped; anything else as it is."""
    return x.encode("utf-8", "backslashreplace").decode() if isinstance(x, str) else x


def shorten(text, n=200):
    """Return a text in `n` characters: of a longer one the start and the end.

    Examples
    --------
    >>> shorten("cells/neutrophil/1.png", 13)
    'cells...1.png'
    """
    text, half = str(text), (n - 3) // 2
    return text if len(text) <= n else f"{text[:half]}...{text[-half:]}"


def list_some(lines, n=10):
    r"""Return the first lines of a list for a message, indented, and the number of the others.

    Examples
    --------
    >>> print(list_some(["a.png: no such file", "b.png: no such file"], 1))
      a.png: no such file
      ... and 1 more
    """
    lines = [f"  {printable(line, keep='')}" for line in lines]
    rest = [f"  ... and {len(lines) - n:,} more"] if len(lines) > n else []
    return "\n".join(lines[:n] + rest)


def list_few(items, separator=", ", most=20):
    """Join the first items for a message, with the number of the others."""
    rest = len(items) - most
    return separator.join([*items[:most], *([f"and {rest} more"] if rest > 0 else [])])


def suggest(path):
    """Name what is there instead of a missing file or folder, as the end of a sentence, or ""."""
    path = Path(os.path.abspath(str(path).replace("\\", "/")))
    if not os.path.exists(path):  # pathlib raises OSError if a name is too long
        parent = next(each for each in path.parents if os.path.isdir(each))
        name = path.relative_to(parent).parts[0]
        # Without their ends: a.skblood and b.skblood are not similar.
        stems = {os.path.splitext(each)[0].lower(): each for each in sorted(os.listdir(parent))}
        close = get_close_matches(os.path.splitext(name)[0].lower(), stems, n=1)
        if not close:
            return ""
        path = parent / stems[close[0]]
    return f", but there is {str(path)!r}"


def escape_formula(text):
    """Return the text of a csv cell, marked by ' if a spreadsheet would take it for a formula.

    Examples
    --------
    >>> [escape_formula(text) for text in ("=1+1", "monocyte", "'=")]
    ["'=1+1", 'monocyte', "''="]
    """
    return f"'{text}" if _FORMULA.match(text) else text


def read_formula(text):
    """Return the text of a csv cell without the mark of `escape_formula`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def replace_file(path, content):
    """Write a file, replacing an existing one in a single step.

    The content goes into a temporary file in the same folder, which is flushed to the disk and
    renamed.

    Parameters
    ----------
    path : str or path-like
    content : bytes

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    OSError
        If there is no such folder, or the file cannot be written. The old file is unchanged.
    """
    given = Path(path).expanduser()
    path = Path(os.path.realpath(given))  # through links, as a write would go
    check_target(path)
    try:
        with new_file(path) as file:
            file.write(content)
    except OSError as error:
        message = f"The file was not written: {error.strerror}. Make room or use another folder"
        raise type(error)(error.errno, message, str(path)) from error
    return given


@contextmanager
def new_file(path, place=None):
    """Give a binary file under a temporary name in the folder of `path`, whose place it takes.

    If an error is raised inside, nothing is left of it.

    Parameters
    ----------
    path : pathlib.Path
    place : callable, default=None
        Called with the temporary name and the path when the content is on the disk; by default,
        os.replace.
    """
    temporary = path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        (place or os.replace)(temporary, path)
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def check_target(path):
    """Raise OSError unless a file can be written there."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r}. Make it first.")
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder. Name a file in it.")
    if path.exists() and not path.is_file():
        raise OSError(f"{str(path)!r} is a device or a pipe. Name a file.")
    if path.exists() and not os.access(path, os.W_OK):  # a rename would not ask
        raise PermissionError(f"{str(path)!r} is write-protected. Name another file.")


@contextmanager
def lock(path, *, wait=True):
    """Hold the lock of a file or folder, so that one process at a time writes it.

    The lock is a hidden file in the same folder, which is made if needed.

    Parameters
    ----------
    path : pathlib.Path
    wait : bool, default=True
        Wait for another process that holds the lock; False raises an error at once.

    Raises
    ------
    BlockingIOError
        If another process holds the lock, and `wait` is False.

    Warns
    -----
    UserWarning
        If the lock is not free after 5 seconds; names the process, where the system tells it.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.parent / f".{path.name}.lock"
    held = FileLock(file)
    try:
        held.acquire(timeout=PATIENCE if wait else 0)
    except Timeout as error:
        if not wait:
            message = (
                f"{_holder(file)} is writing {str(path)!r}. Wait for it, or name another file."
            )
            raise BlockingIOError(message) from error
        warn_of_lock(file)
        held.acquire()
    try:
        yield
    finally:
        with suppress(OSError):  # Windows does not remove a file that is open
            file.unlink()
        held.release()


def warn_of_lock(file):
    """Warn that a lock on a file is waited for, and name the process that holds it."""
    message = f"{_holder(file)} holds a lock on {str(file)!r}, which is waited for."
    warnings.warn(message, UserWarning, stacklevel=2)


def _holder(file):
    """Return the processes that have locked a file, as far as the system tells."""
    numbers = []
    with suppress(OSError):
        locks = Path("/proc/locks").read_text()  # Linux
        # The device is not compared: some file systems have two numbers for it.
        pattern = rf"^\d+: \w+ +\w+ +\w+ ([1-9]\d*) \S+:{file.stat().st_ino} "
        numbers = dict.fromkeys(re.findall(pattern, locks, re.MULTILINE))
    return f"Process {', '.join(numbers)}" if numbers else "Another process"


@contextmanager
def show_progress(verbose=True):
    """Show the progress of what is done inside, on the standard error.

    Parameters
    ----------
    verbose : bool or int, default=True
        If False or 0, progress is shown only if it is shown around.
    """
    before = _shown.set(bool(verbose) or _shown.get())
    try:
        yield
    finally:
        _shown.reset(before)


@contextmanager
def track(total, action, unit="image", *, shown=False):
    """Give a function to call with the number of units done, which shows the progress.

    What is tracked inside is a part, and is not shown.

    Parameters
    ----------
    total : int, None or callable
        Number of units, if it is known. A function is asked for it as units are done.
    action : str
        What is done, such as "reading".
    unit : str, default="image"
    shown : bool, default=False
        Show it also if that was not asked for by `show_progress`.
    """
    if sys.stderr is None or not (shown or _shown.get()):
        yield lambda n=1: None
        return
    from tqdm.auto import tqdm

    before = _shown.set(False)
    try:
        # Notebooks have widgets instead of a terminal.
        if sys.stderr.isatty() or any(each.__name__ == "tqdm_notebook" for each in tqdm.__mro__):
            options = {"delay": _DELAY, "leave": False, "dynamic_ncols": True}
            with tqdm(total=_ask(total), desc=action, unit=unit, **options) as bar:

                def update(n=1):
                    bar.total = _ask(total)
                    bar.update(n)

                yield update
        else:
            yield _Lines(total, action, unit).update
    finally:
        _shown.reset(before)


def announce(action):
    """Print a line that says what is being done, where progress is shown."""
    if _shown.get() and sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(action, file=sys.stderr, flush=True)


def _ask(total):
    return total() if callable(total) else total


class _Lines:
    """Progress as a line every few seconds."""

    def __init__(self, total, action, unit):
        self._total, self._action, self._unit = total, action, unit
        self._n, self._start = 0, monotonic()
        self._next = self._start + _DELAY

    def update(self, n=1):
        """Count units as done."""
        self._n += n
        now = monotonic()
        if now < self._next:
            return
        speed = self._n / (now - self._start)
        text = f"{self._action}: {self._n:,} {self._unit}s, {speed:,.1f} a second"
        if (total := _ask(self._total)) is not None:
            left = (total - self._n) / speed if self._n else float("nan")
            text = f"{self._action}: {self._n:,} of {total:,} {self._unit}s, {left:.0f} s left"
        with suppress(OSError, ValueError):  # a log that is full or closed stops nothing
            print(text, file=sys.stderr, flush=True)
        self._next = now + _BETWEEN_LINES
