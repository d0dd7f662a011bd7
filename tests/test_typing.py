"""Types of the public surface: every signature has them, and they find a user's errors."""

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / "tests" / "typing" / "client.py"
CONFIG = """
[mypy]
follow_imports = silent
ignore_missing_imports = True
[mypy-torch.*,torchvision.*]
follow_imports = skip
"""


def public_names():
    """Return the names that the API page lists."""
    source = (ROOT / "docs" / "api.rst").read_text("utf-8")
    return re.findall(r"^ +(skblood\.[\w.]+)$", source, flags=re.MULTILINE)


def functions(name):
    """Yield a function, or the constructor, public methods and properties of a class."""
    module, _, attribute = name.rpartition(".")
    thing = getattr(import_module(module), attribute)
    if not inspect.isclass(thing):
        yield name, thing
        return
    for owner in thing.__mro__:
        for method, value in vars(owner).items() if owner.__module__.startswith("skblood.") else ():
            function = getattr(value, "fget", None) or getattr(value, "__func__", value)
            is_public = not method.startswith("_") or method == "__init__"
            if inspect.isfunction(function) and is_public:
                yield f"{name}.{method}", function


def untyped(function):
    """Return what a signature says no type of."""
    signature = inspect.signature(function)
    nothing = inspect.Signature.empty
    missing = [p.name for p in signature.parameters.values() if p.annotation is nothing]
    missing += ["return"] if signature.return_annotation is nothing else []
    return [name for name in missing if name not in ("self", "cls")]


@pytest.mark.parametrize("name", public_names())
def test_signatures_have_types(name):
    found = dict(functions(name))
    assert {each: missing for each, f in found.items() if (missing := untyped(f))} == {}


def test_untyped_is_found():
    def read(path: str, depth, *, n: int = 1): ...

    assert untyped(read) == ["depth", "return"]


def test_the_package_tells_checkers_that_it_has_types():
    assert (ROOT / "skblood" / "py.typed").is_file()


@pytest.mark.slow
def test_a_users_errors_are_found(tmp_path):
    """By mypy: each line that is marked is an error of that kind, and no other line is one."""
    config = tmp_path / "mypy.ini"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "mypy", f"--config-file={config}", str(CLIENT)]
    run = subprocess.run(
        [*command, f"--cache-dir={tmp_path / 'cache'}", "--no-error-summary"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT)},
    )
    found = re.findall(r"client\.py:(\d+): error: .*\[([\w-]+)\]$", run.stdout, flags=re.MULTILINE)
    lines = enumerate(CLIENT.read_text("utf-8").splitlines(), 1)
    marked = [(str(i), m[1]) for i, line in lines if (m := re.search(r"  # E: ([\w-]+)$", line))]
    assert len(marked) > 10
    assert found == marked, run.stdout + run.stderr
