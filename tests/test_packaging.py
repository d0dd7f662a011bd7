"""What is published and how: version, metadata, extras, imports, workflows, citation."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import skblood

ROOT = Path(__file__).resolve().parents[1]
# Packages by the modules that they bring, where the names differ.
MODULES = {"imbalanced-learn": "imblearn", "markdown-it-py": "markdown_it", "pillow": "PIL"}
MODULES |= {"scikit-learn": "sklearn"}
# What is imported only by what needs it.
LATE = ["imblearn", "IPython", "matplotlib", "medmnist", "pooch", "requests", "skimage", "skops"]


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def sources():
    return {path: path.read_text("utf-8") for path in (ROOT / "skblood").rglob("*.py")}


def module_of(requirement):
    name = Requirement(requirement).name
    return MODULES.get(name, name.replace("-", "_"))


def imported(sources):
    """Return the top-level modules that the package imports."""
    found = set()
    for text in sources.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"skblood"}


def test_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.findall(r"^## \[(\d[^\]]*)\]", changelog, flags=re.MULTILINE)[:1]
    assert citation["version"] == skblood.__version__
    assert newest in ([], [skblood.__version__])  # none before the first release
    assert newest or "## [Unreleased]" in changelog


def test_each_core_dependency_is_imported(project, sources):
    needed = {module_of(each) for each in project["dependencies"]}
    # timm's hard requirement; users' pipelines take samplers and the MedMNIST files.
    assert needed - imported(sources) <= {"imblearn", "medmnist"}


def test_each_import_is_declared(project, sources):
    extras = project["optional-dependencies"]
    known = {
        module_of(each) for part in [project["dependencies"], *extras.values()] for each in part
    }
    known |= {"IPython", "onnx_ir"}  # imported in notebooks only; comes with onnxscript
    assert imported(sources) - known == set()


def test_extras_in_messages_exist(project, sources):
    texts = {**sources, **{p: p.read_text("utf-8") for p in (ROOT / "docs").rglob("*.rst")}}
    texts |= {p: p.read_text("utf-8") for p in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]}
    named = {
        (path.name, extra)
        for path, text in texts.items()
        for extras in re.findall(r"skblood\[([\w, -]+)\]", text)
        for extra in re.split(r", *", extras)
    }
    assert len(named) > 5
    assert {each for each in named if each[1] not in project["optional-dependencies"]} == set()


def test_the_readme_on_pypi_has_no_relative_link():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    text, page = (ROOT / "README.md").read_text("utf-8"), ROOT / "docs"
    hook = config["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for each in hook["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 5
    assert [link for link in links if not link.startswith("https://")] == []
    site = [link.partition("/stable/")[2] for link in links if "/stable/" in link]
    site = [name for name in site if not name.startswith("auto_examples/")]
    found = [any(page.glob(name.replace(".html", ".*"))) for name in site]
    assert [name for name, there in zip(site, found, strict=True) if not there] == []


def test_the_licences_agree(project):
    spdx = project["license"].split(" AND ")
    titles = {name.replace("-", " ").replace(" Clause", "-Clause") for name in spdx}
    readme = (ROOT / "README.md").read_text("utf-8").rpartition("License: ")[2]
    about = (ROOT / "docs/about.rst").read_text("utf-8")
    for text in (readme, about):
        assert [name for name in titles if name not in text] == []
    files = [path.stem for path in (ROOT / "skblood/pretrained").glob("LICENSE-*.txt")]
    assert sorted(files) == sorted(f"LICENSE-{name.upper()}" for name in spdx[1:])
    # Of several, CITATION.cff would let the reader choose.
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["license"] == spdx[0]


JUNK = ".env docs/.secret skblood/.ipynb_checkpoints/a.py skblood/a.py~ skblood/a.py.orig".split()
JUNK += "NOTES.md docs/_build/a.rst tests/.mypy_cache/a.json skblood/pages/templates/.a.swp".split()
STRAY = ["skblood/notes.txt", "skblood/pretrained/trained.ckpt"]


@pytest.fixture(params=["ours", "build"])
def checkout(request, tmp_path):
    """Return a folder with all files in git, empty, and others; and those in git."""
    if not (ROOT / ".git").exists():
        pytest.skip("asks git which files are the project's")
    command = ["git", "ls-files", "-z"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    known = {*run.stdout.split("\0")} - {""}
    root = tmp_path / request.param / "skblood"
    for name in [*known, *JUNK, *STRAY]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name in ("pyproject.toml", ".gitignore", "Makefile"):
        shutil.copy(ROOT / name, root / name)
    return root, known


def test_what_is_published(checkout):
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    root, known = checkout
    wheel, sdist = (
        {each.distribution_path for each in builder(str(root)).recurse_included_files()}
        for builder in (WheelBuilder, SdistBuilder)
    )
    assert wheel == {name for name in known if name.startswith("skblood/")}
    # These Hatch adds itself, or nobody needs.
    added = {".gitignore", ".readthedocs.yaml", "LICENSE", "pyproject.toml"}
    assert sdist - {*STRAY} == known - added


@pytest.mark.skipif(not (shutil.which("make") and shutil.which("git")), reason="needs them")
def test_files_that_are_not_in_git_are_not_published(checkout):
    root, known = checkout
    for command in (["git", "init", "-q"], ["git", "add", "--", *sorted(known)]):
        subprocess.run(command, cwd=root, check=True)
    run = subprocess.run(["make", "check-files"], cwd=root, capture_output=True, text=True)
    assert run.returncode != 0
    assert {*STRAY, "NOTES.md"} <= {*run.stderr.splitlines()}
    assert run.stderr.count("skblood/") == len(STRAY) and "add, move or ignore" in run.stderr
    for name in [*STRAY, "NOTES.md", "docs/.secret"]:
        (root / name).unlink()
    subprocess.run(["make", "check-files"], cwd=root, check=True)


def test_classifiers_name_the_versions_of_the_workflow(project):
    listed = [c.rpartition(" ")[2] for c in project["classifiers"] if ":: 3." in c]
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == listed
    assert project["requires-python"] == f">={listed[0]}"


def test_the_workflow_runs_the_steps_of_ci():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    targets = workflow["jobs"]["steps"]["strategy"]["matrix"]["targets"]
    steps = re.findall(r"^make (\S+)", (ROOT / ".ci/run").read_text("utf-8"), re.M)
    assert " ".join(targets).split() == steps
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert set(steps) <= set(phony[1].split())


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", ".github/workflows/*.yml"),
        ("github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("citation-file-format", "CITATION.cff"),
    ],
)
def test_schema(schema, pattern):
    files = sorted(map(str, ROOT.glob(pattern)))
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    run = subprocess.run([*command, *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_a_prediction_loads_only_what_it_needs():
    code = f"""
import sys, numpy as np, skblood
skblood.load_pretrained().predict(np.zeros((2, 64, 64, 3), np.uint8))
print([name for name in {LATE} if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
