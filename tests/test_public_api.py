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
NAMES = [
    "AuditReport",
    "CellEmbedder",
    "ContrastiveCellClassifier",
    "FeatureStore",
    "HybridFeatureClassifier",
    "MLPCellClassifier",
    "ModelFileError",
    "NonFiniteLossError",
    "TrainingInterrupted",
    "TrainingOverlapWarning",
    "TransferCellClassifier",
    "adapt",
    "audit",
    "export_onnx",
    "load",
    "load_info",
    "load_pretrained",
    "model_card",
    "save",
]
SUBPACKAGES = ["augment", "datasets", "evaluation", "explain", "uncertainty"]
HEAVY = ["matplotlib", "medmnist", "pandas", "sklearn", "skorch", "timm", "torch", "torchvision"]


def public_names():
    """Return the full names of all that is public."""
    names = [f"skblood.{name}" for name in NAMES]
    for package in SUBPACKAGES:
        module = import_module(f"skblood.{package}")
        names += [f"skblood.{package}.{name}" for name in module.__all__]
    return names


def resolve(name):
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def modules_loaded_by(code):
    """Return which of the heavy packages a fresh interpreter holds after `code`."""
    code += f"; import sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


class TestLazyLoading:
    def test_import_loads_nothing_heavy(self):
        assert modules_loaded_by("import skblood") == []

    def test_listing_the_names_loads_nothing_heavy(self):
        assert modules_loaded_by("import skblood; dir(skblood); skblood.__version__") == []

    def test_star_import_gives_the_estimators(self):
        loaded = modules_loaded_by("from skblood import *; assert TransferCellClassifier")
        assert "torch" in loaded
        assert "matplotlib" not in loaded

    def test_an_estimator_does_not_load_matplotlib_or_medmnist(self):
        loaded = modules_loaded_by("import skblood; skblood.TransferCellClassifier")
        assert not {"matplotlib", "medmnist"} & set(loaded)

    @pytest.mark.parametrize("package", SUBPACKAGES)
    def test_subpackages_do_not_load_matplotlib_or_medmnist(self, package):
        loaded = modules_loaded_by(f"import skblood; skblood.{package}")
        assert not {"matplotlib", "medmnist"} & set(loaded)


class TestNames:
    def test_all_is_what_the_lazy_tables_hold(self):
        expected = {*skblood._MODULES, *skblood._SUBPACKAGES, "__version__"}
        assert set(skblood.__all__) == expected
        assert skblood.__all__ == sorted(skblood.__all__)

    def test_tables_of_this_file_are_complete(self):
        assert sorted(skblood._MODULES) == NAMES
        assert sorted(skblood._SUBPACKAGES) == SUBPACKAGES

    def test_static_tools_see_the_same_names(self):
        """What is imported under TYPE_CHECKING is what __getattr__ gives."""
        source = Path(skblood.__file__).read_text(encoding="utf-8")
        block = source.partition("if TYPE_CHECKING:\n")[2].partition("\n\n")[0]
        imported = re.findall(r"import (.+)", block)
        names = {name.strip() for line in imported for name in line.split(",")}
        assert names == set(skblood.__all__) - {"__version__"}

    @pytest.mark.parametrize("name", skblood.__all__)
    def test_name_is_there(self, name):
        assert getattr(skblood, name) is not None
        assert name in dir(skblood)

    def test_second_access_is_the_same_object(self):
        assert skblood.MLPCellClassifier is skblood.MLPCellClassifier

    def test_unknown_name(self):
        with pytest.raises(AttributeError, match="module 'skblood' has no attribute 'Transformer'"):
            skblood.Transformer  # noqa: B018

    @pytest.mark.parametrize("package", SUBPACKAGES)
    def test_subpackage_sorts_its_names(self, package):
        names = import_module(f"skblood.{package}").__all__
        assert names == sorted(names)
        assert names

    def test_version(self):
        assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", skblood.__version__)


def has_section(docstring, title):
    return f"\n{title}\n{'-' * len(title)}\n" in docstring


class TestDocstrings:
    @pytest.mark.parametrize("name", public_names())
    def test_sections(self, name):
        thing = resolve(name)
        docstring = inspect.getdoc(thing) or ""
        wanted = ["Parameters", "Examples"]
        if hasattr(thing, "fit") or hasattr(thing, "plot"):
            wanted.append("Attributes")
        elif inspect.isfunction(thing):
            wanted.append("Returns")
        missing = [title for title in wanted if not has_section(docstring, title)]
        assert not missing, f"the docstring of {name} lacks {missing}"
        assert ">>>" in docstring

    @pytest.mark.parametrize("name", public_names())
    def test_every_parameter_is_documented(self, name):
        """The order is that of reading: those of the estimators are keyword-only."""
        thing = resolve(name)
        docstring = inspect.getdoc(thing) or ""
        section = docstring.partition("\nParameters\n----------\n")[2]
        section = re.split(r"\n\n\w[\w ]*\n-+\n", section)[0]
        documented = re.findall(r"^\**(\w+(?:, \w+)*) :", section, flags=re.MULTILINE)
        documented = [each for names in documented for each in names.split(", ")]
        accepted = [p for p in inspect.signature(thing).parameters if p != "self"]
        assert sorted(documented) == sorted(accepted)

    @pytest.mark.parametrize("name", public_names())
    def test_public_methods_have_a_docstring(self, name):
        thing = resolve(name)
        if not inspect.isclass(thing):
            pytest.skip("not a class")
        bare = [
            method
            for method, function in inspect.getmembers(thing, inspect.isfunction)
            if not method.startswith("_")
            and function.__module__.startswith("skblood.")
            and not inspect.getdoc(function)
        ]
        assert not bare, f"methods of {name} without a docstring: {bare}"


@pytest.fixture(scope="module")
def listed():
    """Return the names that docs/api.rst lists, one to a line."""
    source = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    return re.findall(r"^ +(skblood\.[\w.]+)$", source, flags=re.MULTILINE)


class TestApiPage:
    @pytest.mark.parametrize("name", public_names())
    def test_every_public_name_has_an_entry(self, name, listed):
        assert name in listed, f"add {name} to docs/api.rst"

    def test_no_entry_is_stale(self, listed):
        for name in listed:
            assert resolve(name) is not None

    def test_no_entry_is_double(self, listed):
        assert len(listed) == len(set(listed))
