"""Tables of paths, labels and groups."""

import numpy as np
import pytest

from skblood.datasets import load_csv


@pytest.fixture
def write(tmp_path):
    """Write a table, and an (undecodable) file for each name; return the table's path."""

    def write_table(text, *, files=("a.png", "b.png", "sub/c.png"), encoding="utf-8"):
        for name in files:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"not decoded")
        (tmp_path / "cells.csv").write_bytes(text.encode(encoding))
        return tmp_path / "cells.csv"

    return write_table


TABLE = "path,label,slide,age\na.png,ig,s1,50\nb.png,platelet,s1,\nsub/c.png,ig,s2,61\n"


class TestContent:
    def test_bunch(self, write, tmp_path):
        cells = load_csv(write(TABLE), group_column="slide")
        assert cells.data.tolist() == [str(tmp_path / n) for n in ("a.png", "b.png", "sub/c.png")]
        assert cells.paths is cells.data
        assert cells.target.tolist() == ["ig", "platelet", "ig"]
        assert cells.target_names.tolist() == ["ig", "platelet"]
        assert cells.groups.tolist() == ["s1", "s1", "s2"]
        assert cells.data.dtype.kind == cells.target.dtype.kind == cells.groups.dtype.kind == "U"
        assert str(tmp_path / "cells.csv") in cells.DESCR
        assert "3 images (ig 2, platelet 1)" in cells.DESCR

    def test_frame_is_the_whole_table(self, write):
        frame = load_csv(write(TABLE), group_column="slide").frame
        assert frame.columns.tolist() == ["path", "label", "slide", "age"]
        assert frame["path"].tolist() == ["a.png", "b.png", "sub/c.png"]
        np.testing.assert_array_equal(frame["age"], [50, np.nan, 61])

    def test_no_groups_without_a_column(self, write):
        assert "groups" not in load_csv(write(TABLE))

    def test_return_X_y(self, write):
        table = write(TABLE)
        X, y = load_csv(table, group_column="slide", return_X_y=True)
        cells = load_csv(table)
        assert X.tolist() == cells.data.tolist()
        assert y.tolist() == cells.target.tolist()

    def test_order_is_that_of_the_table(self, write):
        text = "path,label\nb.png,x\na.png,x\n"
        X, _ = load_csv(write(text), return_X_y=True)
        assert [x.rpartition("/")[2] for x in X] == ["b.png", "a.png"]

    def test_names_of_the_columns(self, write):
        text = "class,patient,file\nig,7,a.png\n"
        cells = load_csv(
            write(text), path_column="file", label_column="class", group_column="patient"
        )
        assert cells.target.tolist() == ["ig"]
        assert cells.groups.tolist() == [7]

    def test_a_row_may_come_twice(self, write):
        """As oversampling by hand has it; what becomes of copies is for the split to say."""
        X, _ = load_csv(write("path,label\na.png,ig\na.png,ig\n"), return_X_y=True)
        assert len(X) == 2


class TestRoot:
    def test_other_folder(self, write, tmp_path):
        X, _ = load_csv(write("path,label\nc.png,ig\n"), root=tmp_path / "sub", return_X_y=True)
        assert X.tolist() == [str(tmp_path / "sub" / "c.png")]

    def test_absolute_path(self, write, tmp_path):
        table = write(f"path,label\n{tmp_path / 'a.png'},ig\n")
        X, _ = load_csv(table, root="/nowhere", return_X_y=True)
        assert X.tolist() == [str(tmp_path / "a.png")]

    def test_relative_path_stays_relative(self, write, tmp_path, monkeypatch):
        write(TABLE)
        monkeypatch.chdir(tmp_path.parent)
        X, _ = load_csv(f"{tmp_path.name}/cells.csv", return_X_y=True)
        assert X[0] == f"{tmp_path.name}/a.png"
        monkeypatch.chdir(tmp_path)
        assert load_csv("cells.csv").data[0] == "a.png"


class TestKindOfLabels:
    @pytest.mark.parametrize(
        ("labels", "expected"),
        [
            (["3", "1"], [3, 1]),
            (["-1", "10"], [-1, 10]),
            (["01", "2"], ["01", "2"]),
            (["1", "1.0"], ["1", "1.0"]),
            (["1", "+2"], ["1", "+2"]),
            (["1", "1_000"], ["1", "1_000"]),
            (["1", "ig"], ["1", "ig"]),
            (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
            (["NA", "null"], ["NA", "null"]),
            (["True", "False"], ["True", "False"]),
        ],
    )
    @pytest.mark.parametrize("column", ["target", "groups"])
    def test_kept(self, write, labels, expected, column):
        text = f"path,label,slide\na.png,{labels[0]},{labels[0]}\nb.png,{labels[1]},{labels[1]}\n"
        cells = load_csv(write(text), group_column="slide")
        assert cells[column].tolist() == expected
        assert cells[column].dtype.kind == ("i" if isinstance(expected[0], int) else "U")
        assert cells.frame["label"].tolist() == expected


class TestText:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_delimiter(self, write, delimiter):
        cells = load_csv(write(TABLE.replace(",", delimiter)), group_column="slide")
        assert cells.groups.tolist() == ["s1", "s1", "s2"]

    def test_delimiter_in_quotes(self, write):
        text = 'path;label;"note, a; b, c, d"\na.png;"ig; young";x\n'
        assert load_csv(write(text)).target.tolist() == ["ig; young"]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_encoding(self, write, encoding):
        table = write("path,label\na.png,Zelle-ä\n", encoding=encoding)
        assert load_csv(table).target.tolist() == ["Zelle-ä"]

    def test_other_encoding(self, write):
        with pytest.raises(ValueError, match=r"not text in UTF-8 .*Save it as CSV in UTF-8"):
            load_csv(write("path,label\na.png,Zelle-ä\n", encoding="latin-1"))

    def test_spaces_and_line_ends(self, write):
        cells = load_csv(write("path , label\r\na.png , ig \r\n\r\nb.png,ig\r\n\r\n"))
        assert cells.target.tolist() == ["ig", "ig"]

    def test_delimiter_at_the_end_of_rows(self, write):
        cells = load_csv(write("path,label,\na.png,ig,\nb.png,platelet,\n"))
        assert cells.target.tolist() == ["ig", "platelet"]


class TestErrors:
    def test_no_table(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no file '.*none\.csv'"):
            load_csv(tmp_path / "none.csv")

    @pytest.mark.parametrize("text", ["", "\n"])
    def test_empty_file(self, write, text):
        with pytest.raises(ValueError, match="has no column 'path' and no column 'label'"):
            load_csv(write(text))

    def test_no_rows(self, write):
        with pytest.raises(ValueError, match="a header and no rows"):
            load_csv(write("path,label\n"))

    def test_missing_column(self, write):
        with pytest.raises(
            ValueError,
            match=r"no column 'label' and no column 'slide'; it has \['path', 'Labels', 'age'\]. "
            r"'label' may be 'Labels'; name the columns by path_column, label_column and group_co",
        ):
            load_csv(write("path,Labels,age\na.png,ig,4\n"), group_column="slide")

    @pytest.mark.parametrize("column", ["path", "label", "slide"])
    def test_empty_cells(self, write, column):
        """Lines are those that an editor shows: blank ones count, and quoted ones go on."""
        full = {"path": "a.png", "label": "ig", "slide": "s1"}
        row = ",".join(full.values())
        hole = ",".join((full | {column: " "}).values())
        lines = ["path,label,slide,note", f"{row},x", "", f"{hole},x", f'{row},"two\nlines"']
        text = "\n".join([*lines, f"{hole},x", ""])
        with pytest.raises(ValueError, match=rf"2 rows without a '{column}': lines 4, 7\. Fill"):
            load_csv(write(text), group_column="slide")

    def test_one_empty_cell(self, write):
        with pytest.raises(ValueError, match=r"1 rows without a 'label': line 2\."):
            load_csv(write("path,label\na.png,\n"))

    def test_many_empty_cells(self, write):
        with pytest.raises(ValueError, match=r"100 rows .* 20, 21, and 80 more\."):
            load_csv(write("path,label\n" + "a.png,\n" * 100))

    def test_missing_files_are_all_named(self, write, tmp_path):
        with pytest.raises(FileNotFoundError) as caught:
            load_csv(write("path,label\na.png,x\nno.png,x\nsub/no.png,x\nno.png,x\nsub,x\n"))
        message = str(caught.value)
        assert "3 of 5 image files are not there" in message
        assert "`root`" in message
        for name in ("no.png", "sub/no.png", "sub"):
            assert f"\n  {tmp_path / name}" in message
        assert "a.png" not in message

    def test_many_missing_files(self, write):
        rows = "".join(f"{i}.png,x\n" for i in range(500))
        with pytest.raises(FileNotFoundError, match=r"500 of 500 .*") as caught:
            load_csv(write("path,label\n" + rows))
        lines = str(caught.value).splitlines()
        assert lines[-1] == "  and 480 more"
        assert len(lines) == 22

    def test_two_labels_of_one_file(self, write, tmp_path):
        text = "path,label\na.png,ig\nb.png,ig\na.png,monocyte\na.png,ig\n"
        with pytest.raises(ValueError, match=r"1 files in .* have several labels") as caught:
            load_csv(write(text))
        assert str(caught.value).endswith("\n  a.png: ig, monocyte")

    def test_row_with_too_many_cells(self, write):
        with pytest.raises(ValueError, match=r"line 3"):
            load_csv(write("path,label\na.png,ig\nb.png,ig,x\n"))
