"""The rules of the house: short files, short functions, no import circle, enough tests."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "skblood"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def file_id(path):
    return path.relative_to(ROOT).as_posix()


def count_lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def function_lines(function):
    """Return the length of a function without its docstring: a contract may be long."""
    n_lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        n_lines -= docstring.end_lineno - docstring.lineno + 1
    return n_lines


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree, module, is_package, modules):
    """Return the modules of the package that `module` imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_relative(node, module, is_package)
            for alias in node.names:
                # `from package import name`: a module of that name, or else the package itself.
                full = f"{base}.{alias.name}"
                found |= {full if full in modules else base} & modules
    return found - {module}


def resolve_relative(node, module, is_package):
    if node.level == 0:
        return node.module
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def import_graph(files):
    modules = {module_name(path): path for path in files}
    return {
        name: imported_modules(
            ast.parse(path.read_text(encoding="utf-8")),
            name,
            path.name == "__init__.py",
            modules.keys(),
        )
        for name, path in modules.items()
    }


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


@pytest.mark.parametrize("path", FILES, ids=file_id)
def test_files_are_short(path):
    assert count_lines(path) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", FILES, ids=file_id)
def test_functions_are_short(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: function_lines(f) for f in functions}
    long = {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES}
    assert not long


def test_no_import_circle():
    circle = find_circle(import_graph(FILES))
    assert circle is None, " imports ".join(circle)


@pytest.mark.parametrize("room", ["augment", "backbones", "images"])
def test_rooms_that_import_nothing_of_ours(room):
    """Within a room its files may import one another."""
    home = f"skblood.{room}"
    imports = {
        (module, imported)
        for module, found in import_graph(FILES).items()
        if module == home or module.startswith(f"{home}.")
        for imported in found
        if imported != home and not imported.startswith(f"{home}.")
    }
    assert not imports


def test_tests_are_at_least_as_long_as_the_package():
    package = sum(map(count_lines, FILES))
    tests = sum(map(count_lines, sorted((ROOT / "tests").rglob("*.py"))))
    assert tests >= package


def test_every_folder_of_the_package_can_be_imported():
    folders = {path.parent for path in FILES}
    assert all((folder / "__init__.py").is_file() for folder in folders)


class TestTheseRules:
    """A rule that cannot fail is none."""

    def write(self, root, monkeypatch, **sources):
        monkeypatch.setitem(globals(), "ROOT", root)
        files = []
        for name, source in sources.items():
            path = root / "skblood" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
            files.append(path)
        return import_graph(files)

    def test_a_circle_through_a_function_is_found(self, tmp_path, monkeypatch):
        graph = self.write(
            tmp_path,
            monkeypatch,
            a="from skblood import b",
            b="from .c import thing",
            c="def f():\n    import skblood.a",
        )
        assert find_circle(graph) == ["skblood.a", "skblood.b", "skblood.c", "skblood.a"]

    def test_a_chain_is_no_circle(self, tmp_path, monkeypatch):
        graph = self.write(tmp_path, monkeypatch, a="from . import b, c", b="from . import c", c="")
        assert graph == {"skblood.a": {"skblood.b", "skblood.c"}, "skblood.b": {"skblood.c"}} | {
            "skblood.c": set()
        }
        assert find_circle(graph) is None

    def test_relative_import_in_a_package(self, tmp_path, monkeypatch):
        graph = self.write(tmp_path, monkeypatch, __init__="from . import a", a="import skblood")
        assert find_circle(graph) == ["skblood", "skblood.a", "skblood"]

    def test_docstring_does_not_count(self):
        code = 'def f():\n    """Say.\n\n    More.\n    """\n    return 1\n'
        assert function_lines(ast.parse(code).body[0]) == 2
