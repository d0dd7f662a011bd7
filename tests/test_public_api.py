"""The public names: they load lazily, are documented, and have their page."""

import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import skblood

ROOT = Path(__file__).resolve().parents[1]
SUBPACKAGES = ["augment", "datasets", "distributed", "evaluation", "explain", "uncertainty"]
HEAVY = ["matplotlib", "medmnist", "pandas", "sklearn", "skorch", "timm", "torch", "torchvision"]


def public_things():
    """Return all public classes and functions by their full names."""
    things = {}
    for package in ["", *(f".{name}" for name in SUBPACKAGES)]:
        module = import_module(f"skblood{package}")
        things |= {f"skblood{package}.{name}": getattr(module, name) for name in module.__all__}
    return {
        n: each for n, each in things.items() if inspect.isclass(each) or inspect.isfunction(each)
    }


@pytest.fixture(scope="module")
def things():
    return public_things()


def docstring(thing):
    return inspect.getdoc(thing) or ""


def has_section(thing, title):
    return f"\n{title}\n{'-' * len(title)}\n" in docstring(thing)


def modules_loaded_by(code):
    """Return which of the heavy packages a fresh interpreter holds after `code`."""
    code += f"; import sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


class TestLazyLoading:
    def test_import_and_the_list_of_names_load_nothing_heavy(self):
        assert modules_loaded_by("import skblood; dir(skblood); skblood.__version__") == []

    def test_all_names_load_neither_matplotlib_nor_medmnist(self):
        loaded = modules_loaded_by("from skblood import *; assert TransferCellClassifier")
        assert "torch" in loaded
        assert not {"matplotlib", "medmnist"} & set(loaded)


class TestNames:
    def test_each_name_is_there_and_listed(self):
        assert set(skblood.__all__) <= set(dir(skblood))
        assert all(getattr(skblood, name) is not None for name in skblood.__all__)
        assert set(SUBPACKAGES) <= set(skblood.__all__)

    def test_unknown_name(self):
        with pytest.raises(AttributeError, match="No skblood attribute Transformer"):
            skblood.Transformer  # noqa: B018

    def test_version(self):
        assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", skblood.__version__)


class TestDocstrings:
    def test_sections(self, things):
        missing = []
        for name, thing in things.items():
            wanted = ["Parameters", "Examples"]
            if hasattr(thing, "fit") or hasattr(thing, "plot"):
                wanted.append("Attributes")
            elif inspect.isfunction(thing):
                wanted.append("Returns")
            missing += [(name, title) for title in wanted if not has_section(thing, title)]
            missing += [] if ">>>" in docstring(thing) else [(name, "an example that runs")]
        assert missing == []

    def test_every_parameter_is_documented(self, things):
        """In any order: those of the estimators are keyword-only."""
        for name, thing in things.items():
            section = docstring(thing).partition("\nParameters\n----------\n")[2]
            section = re.split(r"\n\n\w[\w ]*\n-+\n", section)[0]
            found = re.findall(r"^\**(\w+(?:, \w+)*) :", section, flags=re.MULTILINE)
            documented = [each for names in found for each in names.split(", ")]
            accepted = [p for p in inspect.signature(thing).parameters if p != "self"]
            assert sorted(documented) == sorted(accepted), name

    def test_public_methods_have_a_docstring(self, things):
        bare = [
            f"{name}.{method}"
            for name, thing in things.items()
            if inspect.isclass(thing)
            for method, function in inspect.getmembers(thing, inspect.isfunction)
            if not method.startswith("_")
            and function.__module__.startswith("skblood.")
            and not inspect.getdoc(function)
        ]
        assert bare == []


def test_the_api_page_lists_each_public_name_once(things):
    source = (ROOT / "docs" / "api.rst").read_text("utf-8")
    listed = re.findall(r"^ +(skblood\.[\w.]+)$", source, flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert things.keys() - set(listed) == set(), "add them to docs/api.rst"
    for name in listed:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute), f"{name} is not there"
