"""Folders, tables, patterns, URLs and lists of them; partitions and plans."""

import builtins
import glob
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skblood._writing import show_progress
from skblood.datasets import _csv, find_images, in_order, walk_images
from skblood.images import read_images
from skblood.streaming import open_source, read_plan

from .conftest import png, read_batches, read_values, write_tar

ORDER = ["a-b.png", "a.png", "a/0.PNG", "a/1.jpeg", "a/c/2.png", "b.tif"]


def names_of(source, **options):
    return [name for batch in read_batches(source, **options) for name in batch.names]


class TestFolders:
    def test_images_and_names_of_the_table_of_predict(self, folder):
        assert names_of("cells") == [f"cells/{name}" for name in ORDER] == find_images("cells")
        assert names_of(folder) == find_images(folder)
        values, errors = read_values("cells/")
        assert list(values.values()) == [0, 4, 1, 2, 3, 5]
        assert errors == {}

    def test_any_number_of_names_in_order(self):
        rng = np.random.default_rng(0)
        texts = [f"{i}\n\udcff\u00e9" for i in rng.permutation(1000)]
        assert list(in_order(iter(texts), most=64)) == sorted(texts)
        assert list(in_order(texts * 2, most=64)) == sorted(texts * 2)
        assert list(in_order([], most=64)) == []

    def test_large_folders_are_sorted_in_files(self, folder, monkeypatch):
        monkeypatch.setattr("skblood.datasets._walk.in_order.__defaults__", (2,))
        assert list(walk_images("cells")) == [f"cells/{name}" for name in ORDER]

    def test_names_that_are_not_utf8(self, here):
        path = os.fsencode(here) + b"/cells/\xff.png"
        os.mkdir("cells")
        Path(os.fsdecode(path)).write_bytes(png(7))
        source = open_source("cells")
        assert read_values(source) == ({"cells/\\udcff.png": 7}, {})
        assert read_values(source.write_plan("plan")) == ({"cells/\\udcff.png": 7}, {})

    def test_empty(self, here):
        os.mkdir("cells")
        with pytest.raises(FileNotFoundError, match=r"no image file in 'cells' \(in "):
            names_of("cells")
        write_tar("cells/1.tar", [])
        with pytest.raises(FileNotFoundError, match=r"tar files: name them, 'cells/\*\.tar'"):
            names_of("cells")

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read anything")
    def test_folder_that_cannot_be_listed(self, folder):
        (folder / "a").chmod(0)
        with pytest.raises(PermissionError, match="cells/a"):
            names_of("cells")
        (folder / "a").chmod(0o700)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_odd_files(self, folder):
        os.mkfifo("cells/pipe.png")
        os.symlink("nowhere", "cells/broken.png")
        (folder / "zero.png").write_bytes(b"")
        values, errors = read_values("cells")
        assert [n for n, v in values.items() if v is None] == [
            "cells/broken.png", "cells/pipe.png", "cells/zero.png"
        ]  # fmt: skip
        assert errors == {}


class TestWords:
    def test_pattern(self, folder):
        # What is named is taken, in folders that are links or hidden, too.
        expected = sorted(glob.glob("cells/**/*.png", recursive=True))
        assert names_of("cells/**/*.png") == expected
        assert {"cells/a/c/2.png", "cells/link/c/2.png", "cells/@eaDir/x.png"} < {*expected}
        # A folder stands for its images, and each file comes once.
        assert names_of("cells/a*") == [f"cells/{name}" for name in ORDER[:5]]
        assert names_of("cells/a/**") == [
            *(f"cells/{name}" for name in ORDER[2:5]),
            "cells/a/notes.txt",
        ]

    def test_pattern_that_is_a_name(self, here):
        Path("a[1].png").write_bytes(png(1))
        assert read_values("a[1].png") == ({"a[1].png": 1}, {})

    def test_one_image_is_reported_when_it_is_read(self, here):
        assert read_values("missing.png") == ({"missing.png": None}, {})

    def test_several(self, folder):
        write_tar("1.tar", [("x.png", png(9))])
        words = ["cells/a", "1.tar", "cells/b.tif", Path("cells/a.png"), "cells/a"]
        source = open_source(words, partition_size=2)
        partitions = [
            (p.name, [n for b in p.batches() for n in b.names]) for p in source.partitions()
        ]
        assert partitions == [
            ("00000000", ["cells/a/0.PNG", "cells/a/1.jpeg"]),
            ("00000001", ["cells/a/c/2.png"]),
            ("00000002", ["1.tar/x.png"]),
            ("00000003", ["cells/b.tif", "cells/a.png"]),
            ("00000004", ["cells/a/0.PNG", "cells/a/1.jpeg"]),
            ("00000005", ["cells/a/c/2.png"]),
        ]

    def test_shards_of_one_name_in_two_folders(self, here):
        for i, name in enumerate("ab"):
            os.mkdir(name)
            write_tar(f"{name}/1.tar", [("x.png", png(i))])
        assert read_values(["a/1.tar", "b/1.tar"])[0] == {"a/1.tar/x.png": 0, "b/1.tar/x.png": 1}
        assert read_values("*/*.tar")[0] == {"a/1.tar/x.png": 0, "b/1.tar/x.png": 1}
        assert read_values("{b,a}/1.tar")[0] == {"a/1.tar/x.png": 0, "b/1.tar/x.png": 1}

    def test_braces(self, here):
        for i in range(12):
            write_tar(f"s-{i:04}.tar", [("x.png", png(i))])
        assert list(read_values("s-{0000..0011}.tar")[0].values()) == list(range(12))
        os.remove("s-0003.tar")
        with pytest.raises(FileNotFoundError, match=r"(?s)1 files do not exist.*s-0003\.tar"):
            open_source("s-{0000..0011}.tar")
        with pytest.raises(FileNotFoundError, match="at least 11 files"):
            open_source("t-{0..99999}.tar")
        with pytest.raises(ValueError, match=r"names over 1,000,000 files"):
            open_source("t-{0..999999999999}.tar")
        Path("{a,b}.png").write_bytes(png(1))
        assert read_values("{a,b}.png") == ({"{a,b}.png": 1}, {})

    @pytest.mark.parametrize("source", [5, None, b"cells", [5], [b"cells"]])
    def test_no_paths(self, source):
        with pytest.raises(TypeError, match=r"no path or URL|not a path, URL"):
            open_source(source)

    def test_nothing(self, here):
        with pytest.raises(ValueError, match="source is empty"):
            open_source([])
        Path("cellz").mkdir()
        with pytest.raises(FileNotFoundError, match=r"'cells' .*, but there is .*cellz"):
            open_source("cells")
        with pytest.raises(FileNotFoundError, match=r"'cells\.tar'"):
            open_source("cells.tar")
        with pytest.raises(FileNotFoundError, match=r"no image file in 'c\*/x'"):
            names_of("c*/x")

    @pytest.mark.parametrize("options", [{"bit_depth": 7}, {"partition_size": 0}])
    def test_wrong_options(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            open_source("cells", **options)

    def test_depth(self, folder):
        items = read_batches("cells", bit_depth=12)[0].items
        assert [item.bit_depth for item in items] == [12, 12, 12]


def write_rows(path, rows, columns):
    frame = pd.DataFrame(rows, columns=columns)
    frame.to_parquet(path) if path.endswith(".parquet") else frame.to_csv(path, index=False)


class TestTables:
    @pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.parquet"])
    def test_rows_in_order_with_their_columns(self, folder, name):
        rows = [(n, f"slide {i}", i) for i, n in enumerate([*reversed(ORDER), "missing.png"])]
        write_rows(f"cells/{name}", rows, ["path", "slide", "n"])
        source = open_source(f"cells/{name}", partition_size=4)
        batches = read_batches(source, size=3)
        assert [n for b in batches for n in b.names] == [f"cells/{row[0]}" for row in rows]
        columns = pd.concat([batch.columns for batch in batches])
        assert columns.slide.tolist() == [row[1] for row in rows]
        assert columns.n.astype(int).tolist() == list(range(7))
        assert [list(b.columns.index) for b in batches] == [[0, 1, 2], [0], [0, 1, 2]]
        assert list(read_values(source)[0].values()) == [5, 3, 2, 1, 4, 0, None]
        again = read_batches(source.write_plan("plan"), size=3)
        for a, b in zip(batches, again, strict=True):
            assert (a.items, a.names) == (b.items, b.names)
            pd.testing.assert_frame_equal(a.columns, b.columns)

    def test_another_column_and_absolute_paths(self, folder):
        write_rows("t.csv", [(str(folder / "a.png"), "x")], ["file", "path"])
        batch = read_batches("t.csv", path_column="file")[0]
        assert batch.names == [str(folder / "a.png")]
        assert batch.columns.path.tolist() == ["x"]
        assert read_batches(open_source("t.csv", path_column="file").write_plan("p"))[
            0
        ].columns.path[0]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_byte_order_marks(self, folder, encoding):
        Path("cells/t.csv").write_text("path;slide\na.png;é\n", encoding=encoding)
        batch = read_batches("cells/t.csv")[0]
        assert (batch.names, batch.columns.slide[0]) == (["cells/a.png"], "é")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("file,label\na.png,x\n", r"no column \['path'\]; its columns are \['file', 'label'\]"),
            ("path,path\na.png,b.png\n", r"several columns \['path'\]"),
            ("", "is not a table"),
            ("x" * 10**7, "is not a table"),
            ('"' + "x\n" * 10**6, "is not a table"),
            ("PK\3\4", "Excel"),
        ],
    )
    def test_no_such_table(self, here, text, message):
        Path("t.csv").write_text(text)
        with pytest.raises(ValueError, match=message):
            open_source("t.csv")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("path\na.png\n\n\n,\n", "rows longer than the header"),
            ("path,x\n" + "a.png,\n" * 7 + " ,\n" + "a.png,\n", r"1 rows without a 'path': 8 "),
            ("path,x\n" + "a.png,\n" * 7 + "a.png,1,2\n", "rows longer than the header"),
            ("path,x\n" + "a.png,\n" * 7 + 'a.png,"1\n', "is not a table"),
            ("path,x\n", "a header and no rows"),
        ],
    )
    def test_faults_further_on(self, here, text, message):
        Path("t.csv").write_text(text)
        with pytest.raises(ValueError, match=message):
            names_of("t.csv", partition_size=3)

    def test_faults_of_parquet(self, here):
        write_rows("t.parquet", [("a.png",), (None,)], ["path"])
        with pytest.raises(ValueError, match=r"1 rows without a 'path': 2 .*Fill"):
            names_of("t.parquet")
        write_rows("t.parquet", [], ["path"])
        with pytest.raises(ValueError, match="has no rows"):
            names_of("t.parquet")
        write_rows("t.parquet", [("a.png",)], ["file"])
        with pytest.raises(ValueError, match=r"no column \['path'\]; its columns are \['file'\]"):
            open_source("t.parquet")
        Path("t.parquet").write_bytes(b"no table")
        with pytest.raises(ValueError, match="is not a Parquet file"):
            open_source("t.parquet")

    def test_other_bytes_than_utf8(self, here):
        Path("t.csv").write_bytes(b"path,by\n\xff.png,\xfe\n")
        batch = read_batches("t.csv")[0]
        assert batch.names == ["\\udcff.png"]
        assert batch.columns.by[0] == "\\udcfe"
        assert os.fsencode(batch.items[0]).endswith(b"/\xff.png")
        assert read_batches(open_source("t.csv").write_plan("plan"))[0].items == batch.items

    def test_a_long_table_is_read_as_it_is_needed(self, here, monkeypatch):
        Path("t.csv").write_text("path,slide\n" + "cells/of/a/slide.png,slide\n" * 200_000)
        opened, open_table = [], _csv.open_table
        monkeypatch.setattr(
            _csv, "open_table", lambda *x: opened.append(open_table(*x)) or opened[0]
        )
        parts = open_source("t.csv", partition_size=1000).partitions()
        for n in range(1, 5):
            assert len(next(parts).paths) == 1000
            assert opened[0].buffer.tell() < n * 50_000 + 600_000
        parts.close()
        assert opened[0].closed


class TestPartitions:
    def test_small_and_pickled_and_from_another_folder(self, folder, tmp_path_factory, monkeypatch):
        write_tar("1.tar", [("x.png", png(9))])
        partitions = [*open_source(["cells", "1.tar"]).partitions()]
        expected = read_values(["cells", "1.tar"])
        data = pickle.dumps(partitions)
        assert len(data) < 2000
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

        class Again:
            partitions = staticmethod(lambda: pickle.loads(data))

        assert read_values(Again) == expected

    def test_repr_prints_no_list(self, folder):
        assert "a-b.png" not in repr(next(open_source("cells").partitions()))
        assert repr(open_source(["cells", "cells/b.tif"])) == "<Source: 'cells' and 1 more>"


class TestPlans:
    def test_the_same_partitions_though_the_folder_has_changed(self, folder):
        source = open_source("cells", partition_size=4)
        plan = source.write_plan("out/plan")
        before = names_of(source)
        (folder / "0.png").write_bytes(png(1))
        (folder / "a.png").unlink()
        assert names_of(source) != before
        for again in (plan, read_plan("out/plan"), source.write_plan("out/plan")):
            assert names_of(again) == before
            assert len([*again.partitions()]) == 2
            assert again.settings == source.settings
        assert read_values(plan)[0]["cells/a.png"] is None
        assert os.listdir("out") == ["plan"]
        assert sorted(os.listdir("out/plan")) == [
            "00000000.plan",
            "00000001.plan",
            "plan.json",
        ]

    def test_progress(self, folder, monkeypatch, capsys):
        monkeypatch.setattr("skblood._writing._DELAY", 0)
        monkeypatch.setattr("skblood._writing._BETWEEN_LINES", 0)
        with show_progress():
            open_source("cells", partition_size=4).write_plan("plan")
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(" images")[0] for line in lines] == ["listing: 4", "listing: 6"]

    def test_another_run(self, folder):
        open_source("cells").write_plan("plan")
        with pytest.raises(ValueError, match="it differs in source, partition_size"):
            open_source("cells/a", partition_size=3).write_plan("plan")

    @pytest.mark.parametrize("text", [None, "", "{}", '{"format": 2}', "[]", "\xff"])
    def test_no_plan(self, here, text):
        os.mkdir("plan")
        error = FileNotFoundError if text is None else ValueError
        if text is not None:
            Path("plan/plan.json").write_text(text, encoding="latin-1")
        with pytest.raises(error, match="plan"):
            read_plan("plan")

    def test_none_or_a_complete_one(self, folder, monkeypatch):
        """Fail at each write of planning."""
        write_tar("1.tar", [])
        source, opened = open_source(["cells", "1.tar"], partition_size=2), os.open
        flushed = []
        monkeypatch.setattr("skblood.streaming._plan.flush", flushed.append)
        source.write_plan("whole")
        n = len(flushed)
        assert n == 5  # three tables, the folder, its parent
        for i in range(n):
            calls = []

            def fail(path, calls=calls, i=i):
                calls.append(path)
                if len(calls) == i + 1:
                    raise OSError("disk full")

            monkeypatch.setattr("skblood.streaming._plan.flush", fail)
            with pytest.raises(OSError, match="disk full"):
                source.write_plan("plan")
            if os.path.exists("plan"):  # renamed already
                assert i == n - 1
                assert names_of(read_plan("plan")) == names_of(source)
            assert not [name for name in os.listdir() if name.endswith(".tmp")]
        assert opened is os.open

    @pytest.mark.slow
    @pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
    def test_killed_while_planning(self, here):
        os.mkdir("cells")
        for i in range(300):
            os.link("cells/0.png", f"cells/{i}.png") if i else Path("cells/0.png").write_bytes(b"")
        code = (
            "import os, signal, skblood.streaming._plan as plan\n"
            "flush, n = plan.flush, iter(range(int(os.environ['N'])))\n"
            "def stop(path):\n"
            "    os.kill(os.getpid(), 9) if next(n, None) is None else flush(path)\n"
            "plan.flush = stop\n"
            "from skblood.streaming import open_source\n"
            "open_source('cells', partition_size=100).write_plan('out/plan')\n"
        )
        for n in range(5):
            run = subprocess.run([sys.executable, "-c", code], env={**os.environ, "N": str(n)})
            assert run.returncode == -9
            assert os.path.exists("out/plan") == (n == 4)
        os.rename("out/plan", "plan")
        plan = open_source("cells", partition_size=100).write_plan("out/plan")
        assert names_of(plan) == names_of(read_plan("plan")) == find_images("cells")
        assert not [name for name in os.listdir("out") if name.endswith(".tmp")]


class TestMissingPackages:
    @pytest.mark.parametrize(
        ("package", "source", "extra"),
        [("webdataset", "1.tar", "shards"), ("fsspec", "memory://x", "remote"),
         ("braceexpand", "{1..2}.tar", "shards"), ("pyarrow", "cells", "parquet")],
    )  # fmt: skip
    def test_the_extra_is_named(self, folder, monkeypatch, package, source, extra):
        write_tar("1.tar", [])
        for name in [n for n in sys.modules if n.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        original = builtins.__import__
        monkeypatch.setitem(sys.modules, package, None)
        assert original
        with pytest.raises(ImportError, match=rf'pip install "skblood\[{extra}\]"'):
            source = open_source(source)
            source.write_plan("plan") if package == "pyarrow" else read_batches(source)


def test_settings_can_be_written(folder):
    source = open_source(Path("cells"), bit_depth=np.int64(12), partition_size=np.int64(5))
    assert json.loads(json.dumps(source.settings)) == {
        "source": ["cells"], "path_column": "path", "bit_depth": 12, "partition_size": 5
    }  # fmt: skip


def test_the_pixels_of_the_whole_folder(folder):
    whole = read_images(find_images("cells"))
    parts = [read_images(batch.items) for batch in read_batches("cells", partition_size=4)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
