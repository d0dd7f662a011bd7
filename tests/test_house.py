"""Rules of the house: sizes, private modules, import directions, no import circle."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_ROOT_MODULES = 6
MAX_CODE_LINES = 19_062
# What each room may import, besides itself and the private modules at the root.
_CORE = {"images", "augment", "cells", "networks", "inference", "training"}
_USERS = {*_CORE, "estimators", "pretrained"}
ROOMS = {
    "images": set(),
    "cells": {"images"},
    "pages": {"images"},
    "augment": {"images"},
    "networks": {"images"},
    "inference": {"images", "networks"},
    "training": {"images", "augment", "cells", "networks", "inference"},
    "datasets": {"images"},
    "pretrained": {"images", "networks", "inference"},
    "estimators": {*_CORE, "pretrained"},
    "auditing": {"images", "cells", "datasets", "inference", "pages", "pretrained"},
    "evaluation": {*_USERS, "datasets", "pages", "uncertainty"},
    "uncertainty": {*_USERS, "evaluation"},
    "explain": _USERS,
    "adaptation": _USERS,
    "reviewing": {*_USERS, "adaptation", "pages"},
    "io": {*_USERS, "adaptation", "evaluation", "pages", "uncertainty"},
    "streaming": {*_USERS, "datasets"},
    "distributed": {*_USERS, "datasets", "streaming"},
    "cli": {*_USERS, "datasets", "auditing", "evaluation", "uncertainty", "adaptation", "io"}
    | {"explain", "reviewing", "streaming", "distributed"},
}


class House:
    """The modules of a package, their syntax trees and their imports."""

    def __init__(self, package):
        self.package = package
        self.files = {self._name(path): path for path in sorted(package.rglob("*.py"))}
        self.trees = {name: ast.parse(path.read_text("utf-8")) for name, path in self.files.items()}

    def _name(self, path):
        parts = path.relative_to(self.package.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def imports(self, name):
        """Return the modules of the package that a module imports at run time, anywhere."""
        found, is_package = set(), self.files[name].name == "__init__.py"
        for node in _run_time_nodes(self.trees[name]):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(node, name, is_package)
                # `from package import name`: a module of that name, or else the package.
                full = {f"{base}.{alias.name}" for alias in node.names}
                found |= full & self.files.keys() or {base}
        return (found & self.files.keys()) - {name}

    def graph(self):
        """Return the imports of each module."""
        return {name: self.imports(name) for name in self.files}


def _run_time_nodes(node):
    """Yield all nodes but those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        yield child
        yield from _run_time_nodes(child)


def _absolute(node, name, is_package):
    if node.level == 0:
        return node.module
    parts = name.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def room_of(module):
    """Return the room of a module; that of a private module at the root is its own name."""
    return (*module.split("."), "")[1]


def find_circle(graph):
    """Return the modules of one import circle, or None."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return None
        path.append(module)
        for imported in sorted(graph[module]):
            if circle := visit(imported):
                return circle
        done.add(path.pop())
        return None

    return next(filter(None, map(visit, sorted(graph))), None)


def docstring_lines(node):
    """Return the lines of the docstring of a module, class or function, as a set."""
    if ast.get_docstring(node, clean=False) is None:
        return set()
    return set(range(node.body[0].lineno, node.body[0].end_lineno + 1))


def code_lines(source):
    """Count lines of code: without docstrings, comments and blank lines."""
    lines, layout = set(), {"NL", "NEWLINE", "INDENT", "DEDENT", "COMMENT", "ENDMARKER"}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if tokenize.tok_name[token.type] not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            lines -= docstring_lines(node)
    return len(lines)


def function_lines(function):
    """Count the lines of a function, without its docstring."""
    return function.end_lineno - function.lineno + 1 - len(docstring_lines(function))


@pytest.fixture(scope="module")
def house():
    return House(ROOT / "skblood")


def test_files_are_short(house):
    lines = {n: len(path.read_text("utf-8").splitlines()) for n, path in house.files.items()}
    assert {name: n for name, n in lines.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short(house):
    long = {
        f"{name}.{node.name}": function_lines(node)
        for name, tree in house.trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name != "__init__"  # lists the parameters, however many there are
        and function_lines(node) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_code_lines_of_the_package(house):
    counts = {}
    for name, path in house.files.items():
        n_lines = code_lines(path.read_text("utf-8"))
        counts[room_of(name)] = counts.get(room_of(name), 0) + n_lines
    assert sum(counts.values()) <= MAX_CODE_LINES, counts


def test_private_modules_at_the_root(house):
    private = [p.stem for p in house.package.glob("_*.py") if not p.stem.startswith("__")]
    assert len(private) <= MAX_ROOT_MODULES


def test_rooms_are_packages_and_are_known(house):
    folders = {path.parent for path in house.files.values()} - {house.package}
    assert all((folder / "__init__.py").is_file() for folder in folders)
    assert {folder.relative_to(house.package).parts[0] for folder in folders} == ROOMS.keys()


def test_no_import_of_another_rooms_private_module(house):
    private = {
        (name, imported)
        for name, found in house.graph().items()
        for imported in found
        if "._" in imported.removeprefix("skblood._") and room_of(imported) != room_of(name)
    }
    assert private == set()


def test_import_directions(house):
    wrong = {
        (name, imported)
        for name, found in house.graph().items()
        if (room := room_of(name)) in ROOMS
        for imported in found
        if (other := room_of(imported)) in ROOMS and other not in ROOMS[room] | {room}
    }
    assert wrong == set()


def test_nothing_imports_the_root_at_run_time(house):
    importing = {name for name, found in house.graph().items() if "skblood" in found}
    assert importing == set()


def test_no_import_circle(house):
    circle = find_circle(house.graph())
    assert circle is None, " imports ".join(circle)


class TestTheseRules:
    """Each rule must be able to fail."""

    @pytest.fixture
    def graph(self, tmp_path):
        def write(**sources):
            for name, source in sources.items():
                path = tmp_path / "skblood" / f"{name}.py"
                path.parent.mkdir(exist_ok=True)
                path.write_text(source)
            return House(tmp_path / "skblood").graph()

        return write

    def test_a_circle_through_a_function(self, graph):
        found = graph(
            a="from skblood import b", b="from .c import x", c="def f():\n    import skblood.a"
        )
        assert find_circle(found) == ["skblood.a", "skblood.b", "skblood.c", "skblood.a"]

    def test_a_chain_is_no_circle(self, graph):
        found = graph(a="from . import b, c", b="from . import c", c="")
        assert found == {
            "skblood.a": {"skblood.b", "skblood.c"},
            "skblood.b": {"skblood.c"},
            "skblood.c": set(),
        }
        assert find_circle(found) is None

    def test_relative_import_in_a_package(self, graph):
        found = graph(__init__="from . import a", a="import skblood")
        assert find_circle(found) == ["skblood", "skblood.a", "skblood"]

    def test_type_checking_is_not_run_time(self, graph):
        found = graph(__init__="if TYPE_CHECKING:\n    from . import a", a="import skblood")
        assert found == {"skblood": set(), "skblood.a": {"skblood"}}

    def test_docstrings_comments_and_blanks_do_not_count(self):
        source = (
            '"""Module."""\n\n# why\ndef f():\n    """Say.\n\n    More.\n    """\n    return 1\n'
        )
        assert code_lines(source) == 2
        assert function_lines(ast.parse(source).body[1]) == 2
