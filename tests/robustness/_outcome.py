"""What comes of a call on something odd: an answer, a refusal that helps, or a defect."""

import re
import signal
import threading
import traceback
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import sklearn
import torch
from PIL import Image

import skblood

# A refusal is one of these, raised where input is checked.
REFUSALS = (ValueError, TypeError, FileNotFoundError, NotADirectoryError, MemoryError)
_CHECKS = re.compile("|".join(re.escape(str(each.__path__[0])) for each in (skblood, sklearn)))
# What numpy, Python and torch say among themselves, and nobody can act upon.
_INNER_TALK = re.compile(
    r"inhomogeneous|setting an array element|object of too small depth|could not be broadcast|"
    r"not supported between instances|has no attribute|not subscriptable|unhashable|"
    r"has no len\(\)|object is not iterable|cannot reshape|ufunc|mat1 and mat2|out of bounds"
)
# A message that quotes them says as well what to do.
_ADVICE = re.compile(r"\b(Pass|Give|Make|Set|Leave|Convert|Fill) ")
_SECONDS = 60

ANSWER, REFUSED = "answers", "refusals"
CRASH = "other exceptions"
INNER = "inner talk"
SILENCE = "wrongly accepted"
OVERDONE = "wrongly refused"
WRONG = "wrong answers"
CHANGED = "changed input"
HANG = "hangs"
DEFECTS = (CRASH, INNER, SILENCE, OVERDONE, WRONG, CHANGED, HANG)


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    Attributes
    ----------
    kind : str
        `ANSWER`, `REFUSED`, or one of `DEFECTS`.
    detail : str
        What was given and what came of it, of a defect.
    value : object
        What the call returned.
    """

    kind: str
    detail: str = ""
    value: object = None

    @property
    def is_allowed(self):
        """Whether it is no defect."""
        return self.kind not in DEFECTS


class _Hang(BaseException):
    pass


@contextmanager
def time_limit(seconds=_SECONDS):
    """Break off what takes too long, where the system has alarms and the thread gets them."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def break_off(*_):
        raise _Hang

    former = signal.signal(signal.SIGALRM, break_off)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


def judge(call, what, verdict="any", check=None, given=()):
    """Call, and say what came of it.

    Parameters
    ----------
    call : callable
        Takes nothing.
    what : str
        What is given, for the report of a defect.
    verdict : {"good", "bad", "any"}
        Whether it must be answered or refused.
    check : callable, default=None
        Gets the answer, and returns what is wrong with it, or None.
    given : tuple
        What must be the same before and after.

    Returns
    -------
    outcome : Outcome
    """
    before = [contents(each) for each in given]
    try:
        with time_limit():
            value = call()
    except _Hang:
        return Outcome(HANG, f"{what}: broken off after {_SECONDS} s")
    except Exception as error:
        return _judge_error(error, what, verdict)
    if verdict == "bad":
        return Outcome(SILENCE, what)
    if check is not None and (problem := check(value)):
        return Outcome(WRONG, f"{what}: {problem}")
    if [contents(each) for each in given] != before:
        return Outcome(CHANGED, what)
    return Outcome(ANSWER, value=value)


def _judge_error(error, what, verdict):
    where = traceback.extract_tb(error.__traceback__)[-1]
    said = f"{what}: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    if not isinstance(error, REFUSALS):
        return Outcome(CRASH, said)
    message = str(error)
    is_talk = _INNER_TALK.search(message) and not _ADVICE.search(message)
    if not _CHECKS.search(where.filename) or len(message) <= 20 or is_talk:
        return Outcome(INNER, said)
    if verdict == "good":
        return Outcome(OVERDONE, said)
    return Outcome(REFUSED)


def contents(value):
    """Return what an object holds, to be compared later."""
    if isinstance(value, np.ma.MaskedArray):
        return contents(value.data), contents(np.ma.getmaskarray(value))
    if isinstance(value, np.ndarray):
        data = repr(value.tolist()) if value.dtype.hasobject else value.tobytes()
        return value.shape, str(value.dtype), value.strides, value.flags.writeable, data
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.device.type == "meta" or value.is_quantized:
            return type(value)
        value = value.detach().to(torch.complex64)
        return contents(value.resolve_conj().resolve_neg().numpy())
    if isinstance(value, Image.Image):
        return value.mode, value.size, value.tobytes()
    if isinstance(value, (list, tuple)):
        return type(value), [contents(each) for each in value]
    if hasattr(value, "to_csv"):
        return value.to_csv()
    return type(value)


def check_probabilities(n, n_classes):
    """Return the check of an answer of `predict_proba`."""

    def check(answer):
        if answer.shape != (n, n_classes):
            return f"shape {answer.shape}, not {(n, n_classes)}"
        if not np.isfinite(answer).all():
            return "probabilities that are not finite"
        if not np.allclose(answer.sum(axis=1), 1, atol=1e-6):
            return "rows that do not sum to 1"
        return None

    return check


def check_features(n):
    """Return the check of an answer of `transform`."""

    def check(answer):
        if answer.ndim != 2 or len(answer) != n:
            return f"shape {answer.shape} for {n} images"
        return None if np.isfinite(answer).all() else "features that are not finite"

    return check
