"""Former names of what was renamed: they work for two minor versions, and warn.

One sentence for all of them, from `_warn`; see "Deprecation" in CONTRIBUTING.md.
"""

import functools
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def _warn(old, new, since, stacklevel):
    """Warn that a name is now another one, and until when the former one works."""
    major, minor = map(int, since.split("."))
    warnings.warn(
        f"{old} was renamed to {new} in skblood {since} and will be removed in skblood "
        f"{major}.{minor + 2}. Use {new}.",
        FutureWarning,
        stacklevel=stacklevel + 1,
    )


def former_names(module, names, *, since, otherwise=None):
    """Return the `__getattr__` of a module some of whose names were renamed.

    Parameters
    ----------
    module : str
        Full name of the module.
    names : dict of str to str
        The full present name by the former name in the module.
    since : str
        Version of the renaming, such as "0.1".
    otherwise : callable, default=None
        The `__getattr__` that answers for all other names.
    """

    def __getattr__(name):
        if name not in names:
            if otherwise is not None:
                return otherwise(name)
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        # `from module import name` asks twice: the import system whether there is one, then Python.
        if sys._getframe(1).f_globals["__name__"] != "importlib._bootstrap":
            _warn(f"{module}.{name}", names[name], since, 2)
        package, _, new = names[name].rpartition(".")
        return getattr(import_module(package), new)

    return __getattr__


def former_attribute(old: str, new: str, *, since: str) -> property:
    """Return a property that reads an attribute, or one of an attribute (``"spec_.crop"``)."""

    def read(self: Any) -> Any:
        value = functools.reduce(getattr, new.split("."), self)  # first: there may be none
        _warn(f"{type(self).__name__}.{old}", new, since, 2)
        return value

    return property(read, doc=f"Former name of `{new}`.")


def former_parameters(*, since: str, **names: str) -> Callable[[F], F]:
    """Return a decorator of functions some of whose keyword parameters were renamed.

    Parameters
    ----------
    since : str
        Version of the renaming.
    **names : str
        The present name by the former one.
    """

    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            for old in names.keys() & kwargs.keys():
                new, owner = names[old], function.__qualname__.removesuffix(".__init__")
                if new in kwargs:
                    raise TypeError(
                        f"{owner}: {old}= is the former name of {new}=, and both were given. "
                        f"Give {new}= alone."
                    )
                _warn(f"{old}= of {owner}", f"{new}=", since, 2)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
