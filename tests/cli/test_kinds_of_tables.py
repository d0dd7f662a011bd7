"""Csv, Parquet and folders of predictions are the same to all commands that take tables."""

import shutil
from contextlib import chdir
from pathlib import Path

import pandas as pd
import pytest

from skblood.datasets import load_cells, read_table
from skblood.streaming import open_source

# Commands, and what they write; {t} is the table, {m} a network, {o} a folder.
COMMANDS = {
    "count": "count {t} --group-column slide --json",
    "count with corrections": "count {t} --corrections {d}/right{end} --json",
    "compare tables": "compare {d}/base.csv {t} --label-column given_label --json",
    "compare models": "compare {m} {d}/second.skblood {t} --label-column given_label "
    "--group-column slide --json",
    "evaluate": "evaluate {m} {t} --label-column given_label --group-column slide --out {o}/e",
    "review": "review {t} --model {m} --group-column slide --out {o}/r.html",
    "adapt": "adapt {m} {t} --label-column given_label --group-column slide --out {o}/a.skblood",
    "query": "query {m} {t} --no-labels -k 4 --out {o}/q.csv",
    "audit": "audit {t} --label-column given_label --group-column slide --out {o}/a.csv",
    "report": "report {m} {t} --label-column given_label --no-audit --out {o}/p.html",
    "predict": "predict {m} {t} --out {o}/p.csv",
    "validate": "validate analyze {t} --names given_label,note,label --out {o}/v",
}
SLOW = ("evaluate", "validate", "report")


@pytest.fixture(scope="module")
def tables(shell, net_file, cell_folder, tmp_path_factory):
    """The same predictions as zz.csv, zz.parquet and zz/, of two shards."""
    folder = tmp_path_factory.mktemp("tables")
    shutil.copytree(cell_folder / "test", folder / "cells")
    paths = sorted((folder / "cells").rglob("*.png"))
    frame = pd.DataFrame({"path": [str(path.relative_to(folder)) for path in paths]})
    frame["label"] = [path.parent.name for path in paths]
    frame["slide"] = ["007", "8", "9"] * 5
    frame["note"] = frame["label"]
    frame.to_csv(folder / "cells.csv", index=False)
    for name in ("zz.csv", "base.csv", "zz.parquet", "zz"):
        with chdir(folder):
            shell("predict", net_file, "cells.csv", "--out", name, "--partition-size", "8")
    shutil.copy(net_file, folder / "second.skblood")
    frame["path"] = paths
    frame = frame[["path", "label"]].astype(str)
    frame.to_csv(folder / "right.csv", index=False)
    frame.to_parquet(folder / "right.parquet")
    return folder


def test_values(tables):
    """All values are texts, as csv has them."""
    csv, parquet, folder = (
        read_table(tables / name, ["path", "slide"]) for name in ("zz.csv", "zz.parquet", "zz")
    )
    pd.testing.assert_frame_equal(csv, parquet)
    assert csv["slide"].tolist() == ["007", "8", "9"] * 5
    assert [f"../{path}" for path in csv["path"]] == folder["path"].tolist()
    texts = ["label", "given_label", "slide", "note", "model"]
    pd.testing.assert_frame_equal(csv[texts], folder[texts])


def test_numbers_dates_and_gaps(tmp_path):
    frame = pd.DataFrame({"path": ["a.png", " b.png "], "share": [0.1, None], "n": [1, 2]})
    frame["seen"] = pd.Series([7, None], dtype="Int64")
    frame["day"] = pd.to_datetime(["2026-01-31", None])
    frame["kind"] = pd.Categorical(["x", None])
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    csv, parquet = (read_table(tmp_path / name, ["path"]) for name in ("t.csv", "t.parquet"))
    pd.testing.assert_frame_equal(csv, parquet)
    assert parquet.loc[0].tolist() == ["a.png", "0.1", "1", "7", "2026-01-31", "x"]


@pytest.mark.parametrize("name", ["zz.csv", "zz.parquet", "zz"])
def test_in_python(tables, name):
    options = {"label_column": "given_label", "group_column": "slide"}
    cells = load_cells(tables / name, **options)
    assert [Path(path).resolve() for path in cells.data] == sorted(tables.rglob("*.png"))
    assert cells.target.tolist() == [Path(path).parent.name for path in cells.data]
    assert cells.groups.tolist() == ["007", "8", "9"] * 5
    with pytest.raises(ValueError, match="holds predictions"):
        load_cells(tables / name)
    names = [n for part in open_source(tables / name).partitions() for n in part.paths]
    assert names == cells.data.tolist()


@pytest.mark.parametrize("name", ["zz.parquet", "zz"])
def test_a_wrong_column_is_told_before_a_model_is_read(shell, tables, tmp_path, name):
    (tmp_path / "m.skblood").write_bytes(b"")
    for command, text in COMMANDS.items():
        if "--group-column slide" in text and command != "compare tables":
            words = {"t": tables / name, "m": tmp_path / "m.skblood", "o": tmp_path, "d": tmp_path}
            words = text.replace("second", "m").replace("slide", "patien").format(**words).split()
            assert "has no column ['patien']" in shell(*words, code=1).stderr, command


def test_a_folder_that_is_not_complete(shell, tables, net_file, tmp_path):
    shutil.copytree(tables / "zz", tmp_path / "zz")
    (tmp_path / "zz" / "part-00000001.parquet").unlink()
    for command in ("count", "evaluate", "review", "query"):
        words = {"t": tmp_path / "zz", "m": net_file, "o": tmp_path, "d": tables}
        error = shell(*COMMANDS[command].format(**words).split(), code=1).stderr
        assert "1 of 2 shards. Start the command that writes it again, which resumes" in error


def test_urls_and_tar_files_are_told(shell, net_file, tmp_path):
    (tmp_path / "cells.tar").write_bytes(b"")
    for command, text in COMMANDS.items():
        if command in ("predict", "validate", "compare tables", "count with corrections"):
            continue
        for place in ("http://127.0.0.1:9/BA.webp", tmp_path / "cells.tar"):
            if place == tmp_path / "cells.tar" and command not in ("review", "adapt", "query"):
                continue
            names = {"t": place, "m": net_file, "o": tmp_path, "d": net_file.parent, "end": ".csv"}
            words = text.replace("--group-column slide", "").replace("second", net_file.stem)
            words = words.replace("--label-column given_label", "")
            error = shell(*words.format(**names).split(), code=1).stderr
            assert "This command reads images and tables on this computer" in error, command
            assert str(place) in error


def run(shell, command, table, model, out):
    """Run a command, and return what it prints and writes, without the name of the table."""
    out.mkdir()
    end = ".parquet" if table.suffix == ".parquet" else ".csv"
    words = {"t": table, "m": model, "o": out, "d": table.parent, "end": end}
    printed = shell(*COMMANDS[command].format(**words).split()).stdout
    written = {}
    for path in sorted(out.rglob("[!.]*.*")):
        written[path.name] = None
        if path.suffix == ".csv":
            # The last digits depend on the images of a batch.
            same = {r"zz/\.\./": "", r"(\d\.\d{4})\d+": r"\1"}
            frame = pd.read_csv(path, dtype=str).fillna("").replace(same, regex=True)
            frame = frame.drop(columns="error", errors="ignore")  # of folders only
            if "path" in frame:
                frame["path"] = [(path.parent / name).resolve() for name in frame["path"]]
            written[path.name] = frame.to_dict("records")
    return printed.replace(table.name, "zz").replace(str(out), ""), written


@pytest.mark.parametrize("name", ["zz.parquet", "zz"])
@pytest.mark.parametrize(
    "command", [pytest.param(x, marks=[pytest.mark.slow] * (x in SLOW)) for x in COMMANDS]
)
def test_commands(shell, tables, net_file, tmp_path, command, name):
    result = run(shell, command, tables / name, net_file, tmp_path / "a")
    assert result == run(shell, command, tables / "zz.csv", net_file, tmp_path / "b")
