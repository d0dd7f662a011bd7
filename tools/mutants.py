"""Plant random bugs in the package, one at a time, and count those that its tests catch.

    python tools/mutants.py --count 100 --seed 0

Works on a copy of the repository. Each mutant is run against the tests of its room (those of the
file with a similar name first), then against those of the estimators if these are what shows the
room's work, without the slow ones; prints one line per mutant and a summary.
"""

import argparse
import ast
import copy
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

FLIPPED = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq},
    **{ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn},
    **{ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div},
    **{ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.And: ast.Or, ast.Or: ast.And},
}
# Rooms whose work is tested by the estimators that are composed of them, too.
COMPOSED = ("images", "inference", "networks", "pretrained", "training", "augment")
SKIPPED = (ast.JoinedStr, ast.Assert, ast.Raise)  # texts and what only reports


def mutate(node):
    """Return the mutated copy of a node and what was done, or None if there is no mutation."""
    new = copy.deepcopy(node)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in FLIPPED:
        new.ops[0] = FLIPPED[type(node.ops[0])]()
        return new, "flip comparison"
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in FLIPPED:
        new.op = FLIPPED[type(node.op)]()
        return new, "swap operator"
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        new.value = not node.value if isinstance(node.value, bool) else node.value + 1
        return new, "replace constant"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return new.operand, "drop not"
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        return ast.Return(ast.Constant(None)), "return None"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ast.Pass(), "drop call"
    return None


def _is_none(node):
    return isinstance(node, ast.Constant) and node.value is None


def candidates(node):
    """Yield the nodes below `node` that can be mutated; annotations and messages are left out."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, SKIPPED):
                if mutate(child):
                    yield child
                yield from candidates(child)


def plant(source, node):
    """Return the source with `node` mutated, and a description."""
    new, what = mutate(node)
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    text = ast.unparse(new)
    text = f"({text})" if isinstance(new, ast.expr) else text
    code = b"".join(lines)
    return (code[:start] + text.encode() + code[end:]).decode(), f"{what}: {text[:60]!r}"


def tests_of(path, root):
    """Return the tests to run for a file: lists of paths, the closest first."""
    parts = path.relative_to(root / "skblood").parts
    room = parts[0] if len(parts) > 1 else "estimators"
    folder, stem = root / "tests" / room, path.stem.strip("_")
    close = sorted(folder.glob(f"test_*{stem}*.py"))
    own = [folder] if folder.is_dir() else sorted(root.glob("tests/test_*.py"))
    more = [[root / "tests" / "estimators"]] if room in COMPOSED else []
    return [[*close, path], own, *more]


def run_tests(paths, root, timeout):
    """Return pytest's exit status and the test that failed, or None for both if time is up."""
    command = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider", "-m", "not slow"]
    process = subprocess.Popen(
        [*command, *map(str, paths)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return None, None
    if process.returncode not in (0, 1, 2, 5):
        raise SystemExit(f"pytest could not run:\n{said[-2000:]}")
    failed = re.search(r"^FAILED (.+?)( - .*)?$", said, flags=re.MULTILINE)
    return process.returncode, failed and failed[1]


def outcome_of(path, root, timeout):
    """Run the closest tests, then those of the room; return the outcome and the failing test."""
    stop = time.monotonic() + timeout
    for paths in tests_of(path, root):
        status, failed = run_tests(paths, root, max(1, stop - time.monotonic()))
        if status is None:
            return "unfinished", None
        if status in (1, 2):
            return "killed", failed
    return "survived", None


def main():
    """Read the command line and run the mutants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=60, help="seconds for each mutant")
    parser.add_argument("--minutes", type=float, default=120, help="stop after this time")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    options = parser.parse_args()
    counts, stop = Counter(), time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "copy"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "_build", "*.png")
        shutil.copytree(options.root, root, ignore=ignored)
        files = sorted((root / "skblood").rglob("*.py"))
        nodes = [(f, n) for f in files for n in candidates(ast.parse(f.read_text("utf-8")))]
        for path, node in random.Random(options.seed).sample(nodes, options.count):
            if time.monotonic() > stop:
                break
            source = path.read_text("utf-8")
            mutant, what = plant(source, node)
            path.write_text(mutant, "utf-8")
            outcome, failed = outcome_of(path, root, options.timeout)
            path.write_text(source, "utf-8")
            if failed and run_tests([failed], root, options.timeout)[0] == 1:
                outcome = "invalid"  # the test fails without the mutant too
            counts[outcome] += 1
            print(f"{outcome:10} {path.relative_to(root)}:{node.lineno} {what}", flush=True)
    print(f"seed {options.seed}: {dict(counts)} of {counts.total()} mutants, {len(nodes)} possible")


if __name__ == "__main__":
    main()
