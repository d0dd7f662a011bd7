import os

import numpy as np
import pytest

from skblood.datasets import load_cells, load_csv, read_table


@pytest.fixture
def write(tmp_path):
    """Write a table and its image files, which cannot be decoded; return the path of the table."""

    def write_table(text, encoding="utf-8"):
        (tmp_path / "sub").mkdir(exist_ok=True)
        for name in ("a.png", "b.png", "sub/c.png"):
            (tmp_path / name).write_bytes(b"not decoded")
        (tmp_path / "cells.csv").write_bytes(text.encode(encoding))
        return tmp_path / "cells.csv"

    return write_table


TABLE = "path,label,slide,age\nb.png,ig,s1,50\na.png,platelet,s1,\nsub/c.png,ig,s2,61\n"


def test_dataset(write, tmp_path):
    cells = load_csv(write(TABLE), group_column="slide")
    assert cells.data.tolist() == [str(tmp_path / n) for n in ("b.png", "a.png", "sub/c.png")]
    assert cells.paths is cells.data
    assert cells.target.tolist() == ["ig", "platelet", "ig"]
    assert cells.target_names.tolist() == ["ig", "platelet"]
    assert cells.groups.tolist() == ["s1", "s1", "s2"]
    assert cells.data.dtype.kind == cells.target.dtype.kind == cells.groups.dtype.kind == "U"
    assert cells.frame.columns.tolist() == ["path", "label", "slide", "age"]
    assert cells.frame["path"].tolist() == ["b.png", "a.png", "sub/c.png"]
    np.testing.assert_array_equal(cells.frame["age"], [50, np.nan, 61])
    assert f"{str(tmp_path / 'cells.csv')!r}: 3 images (ig 2, platelet 1)" in cells.DESCR


def test_return_X_y_and_names_of_columns(write):
    table = write(TABLE)
    X, y = load_csv(table, group_column="slide", return_X_y=True)
    cells = load_csv(table)
    assert "groups" not in cells
    assert (X.tolist(), y.tolist()) == (cells.data.tolist(), cells.target.tolist())
    table = write("class,patient,file\nig,7,a.png\nig,8,a.png\n")
    cells = load_csv(table, path_column="file", label_column="class", group_column="patient")
    assert cells.target.tolist() == ["ig", "ig"]  # a row may be repeated
    assert cells.groups.tolist() == [7, 8]


def test_root(write, tmp_path, monkeypatch):
    X, _ = load_csv(write("path,label\nc.png,ig\n"), root=tmp_path / "sub", return_X_y=True)
    assert X.tolist() == [str(tmp_path / "sub" / "c.png")]
    table = write(f"path,label\n{tmp_path / 'a.png'},ig\n")
    assert load_csv(table, root="/nowhere").data.tolist() == [str(tmp_path / "a.png")]
    monkeypatch.chdir(tmp_path)
    write(TABLE)
    assert load_csv("cells.csv").data[0] == "b.png"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["3", "1"], [3, 1]),
        (["-1", "10"], [-1, 10]),
        (["01", "2"], ["01", "2"]),
        (["1", "1_000"], ["1", "1_000"]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
        (["NA", "null"], ["NA", "null"]),
    ],
)
def test_labels_and_groups_are_integers_or_text(write, labels, expected):
    text = f"path,label,slide\na.png,{labels[0]},{labels[0]}\nb.png,{labels[1]},{labels[1]}\n"
    cells = load_csv(write(text), group_column="slide")
    for values in (cells.target, cells.groups):
        assert values.tolist() == expected
        assert values.dtype.kind == ("i" if isinstance(expected[0], int) else "U")
    assert cells.frame["label"].tolist() == expected


@pytest.mark.parametrize(
    ("text", "encoding", "label"),
    [
        (TABLE.replace("platelet", "ig").replace(",", ";"), "utf-8", "ig"),
        (TABLE.replace("platelet", "ig").replace(",", "\t"), "utf-8", "ig"),
        ('path;label;"note, a; b, c, d"\na.png;"ig; young";x\n', "utf-8", "ig; young"),
        ("path,label\na.png,Zelle-ä\n", "utf-8-sig", "Zelle-ä"),
        ("path, label\r\na.png , ig \r\n\r\nb.png,ig\r\n\r\n", "utf-8", "ig"),
        ("path,label\ra.png,ig\rb.png,ig\r", "utf-8", "ig"),
        ("path,label,,\na.png,ig,,\nb.png,ig,,\n", "utf-8", "ig"),
        ('path,label,note\na.png,ig,"two\nlines"\n', "utf-8", "ig"),
    ],
)
def test_forms_of_text(write, text, encoding, label):
    assert set(load_csv(write(text, encoding)).target) == {label}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"not a table .*no column \['path', 'label'\]; its columns are \[\]"),
        (
            "path,Label\na.png,ig\n",
            r"csv' has no column \['label'\]; its columns are \['path', 'Label'\]\.$",
        ),
        ("path,label\n", "a header and no rows"),
        ("path,label\na.png,ig\n,ig\na.png,ig\n,ig\n", "2 rows without a 'path': 2, 4 .*Fill"),
        ("path,label\na.png, \n", "1 rows without a 'label': 1 "),
        ("path,label\n" + "a.png,\n" * 100, r"100 rows .* 20, and 80 more"),
        ("path,label\na.png,ig\nb.png,ig,x\n", "not a table .* line 3"),
        ("path,label\na.png,ig,x\nb.png,ig,y\n", "not a table .*longer than the header"),
        ('path,label\n"a.png,x\nb.png,y\n', "not a table .*quotation mark"),
        ("path,label\na.png,ig\nb.png,ig\na.png,x\n", r"1 files .*\n  \S+a\.png: ig, x$"),
    ],
)
def test_wrong_tables(write, text, message):
    with pytest.raises(ValueError, match=message):
        load_csv(write(text))


def test_missing_groups_and_wrong_encoding(write):
    with pytest.raises(ValueError, match="1 rows without a 'age': 2 "):
        load_csv(write(TABLE), group_column="age")
    with pytest.raises(ValueError, match="not a table in UTF-8"):
        load_csv(write("path,label\na.png,Zelle-ä\n", "latin-1"))


def test_missing_files(write, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv'"):
        load_csv(tmp_path / "none.csv")
    text = "path,label\na.png,x\nno.png,x\nsub/no.png,x\nno.png,x\nsub,x\n"
    with pytest.raises(FileNotFoundError, match=r"3 of 5 image .*`root`") as caught:
        load_csv(write(text))
    for name in ("no.png", "sub/no.png", "sub"):
        assert f"\n  {tmp_path / name}" in str(caught.value)
    rows = "".join(f"{i}.png,x\n" for i in range(500))
    with pytest.raises(FileNotFoundError, match=r"500 of 500 (.|\n)*\n  and 480 more$"):
        load_csv(write("path,label\n" + rows))


def test_separated_by_bars_and_in_utf_16(write):
    text = TABLE.replace(",", "|")
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        cells = load_csv(write(text, encoding), group_column="slide")
        assert cells.target.tolist() == ["ig", "platelet", "ig"]


def test_unknown_delimiter(write):
    with pytest.raises(ValueError, match=r"are \['path:label'\].* delimiter \(, ; tab or"):
        load_csv(write("path:label\na.png:ig\n"))


def test_missing_column_and_another_delimiter(write):
    """The columns are told, not the whole header as one name."""
    with pytest.raises(ValueError, match=r"no column \['slide'\]; .* \['path', 'label'\]"):
        load_csv(write("path;label\na.png;ig\n"), group_column="slide")
    with pytest.raises(ValueError, match=r"no column \['file'\]; .* \['path', 'label'\]"):
        read_table(write("path;label\na.png;ig\n"), ["file"])


def test_text_of_a_table(write):
    """Nothing is converted; the mark of a formula is taken off; missing cells are empty."""
    frame = read_table(write("path,slide,note,x\na.png,007,'=1,NA\nb.png,12E4\n"), ["path"])
    assert frame["slide"].tolist() == ["007", "12E4"]
    assert frame["note"].tolist() == ["=1", ""] and frame["x"].tolist() == ["NA", ""]
    with pytest.raises(ValueError, match="1 rows without a 'x': 2 "):
        read_table(write("path,x\na.png,1\nb.png,\n"), ["path", "x"])


@pytest.mark.parametrize("start", [b"PK\3\4", b"\xd0\xcf\x11\xe0"])
def test_excel(tmp_path, start):
    (tmp_path / "cells.csv").write_bytes(start + bytes(100))
    with pytest.raises(ValueError, match=r"is an Excel file .*Save the table as \.csv\.$"):
        load_csv(tmp_path / "cells.csv")
    (tmp_path / "cells.xlsx").write_bytes(start)
    with pytest.raises(ValueError, match=r"one of Excel as \.csv"):
        load_cells(tmp_path / "cells.xlsx")


@pytest.mark.parametrize("given", [r"sub\c.png", "sub/c", r"sub\c", "sub/c.jpg", "sub/C.PNG"])
def test_paths_written_otherwise_and_the_advice(write, tmp_path, given):
    expected = str(tmp_path / "sub" / "c.png")
    with pytest.raises(FileNotFoundError, match=rf"but there is '{expected}'"):
        load_csv(write(f"path,label\n{given},ig\n"))
    assert load_csv(write(f"path,label\n{expected},ig\n")).data.tolist() == [expected]


def test_mistyped_folders(write, tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"there is '{tmp_path / 'sub'}'"):
        load_csv(write("path,label\nsubs/c.png,ig\n"))
    with pytest.raises(FileNotFoundError, match=rf"there is '{tmp_path / 'sub'}'"):
        load_csv(write("path,label\nc.png,ig\n"), root=tmp_path / "subb")
    with pytest.raises(
        FileNotFoundError, match=rf"not a file .*there is '{tmp_path / 'cells.csv'}'"
    ):
        load_csv(tmp_path / "cell.csv")
    for folder in (tmp_path / "sub", "/"):
        with pytest.raises(IsADirectoryError, match="is not a file"):
            load_csv(folder)


@pytest.mark.parametrize("other", ["./a.png", "sub/../a.png", ".//a.png", "{root}/a.png"])
def test_one_file_with_two_spellings_and_two_labels(write, tmp_path, other):
    other = other.format(root=tmp_path)
    with pytest.raises(
        ValueError, match=r"1 files .* several labels; keep one(.|\n)*a\.png: ig, x"
    ):
        load_csv(write(f"path,label\na.png,ig\n{other},x\n"))
    assert load_csv(write(f"path,label\na.png,ig\n{other},ig\n")).target.tolist() == ["ig", "ig"]


def test_names_that_are_not_utf_8(write, tmp_path):
    name = b"cell_\xe4.png"
    try:
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    table = write("")
    table.write_bytes(b"path,label\n" + name + b",ig\na.png,platelet\n")
    cells = load_csv(table)
    assert os.fsencode(cells.data[0]).endswith(name)
    assert cells.frame["path"].tolist() == [os.fsdecode(name), "a.png"]


def test_another_encoding_and_the_advice(write):
    table = write("path,label,note\na.png,Zelle-ä,\nb.png,ig,ö\n", "latin-1")
    with pytest.raises(ValueError, match=r"text is in another encoding\. Check the encoding"):
        load_csv(table)
    table.write_text(table.read_text("latin-1"), "utf-8")
    assert load_csv(table).target.tolist() == ["Zelle-ä", "ig"]


def test_long_names_are_cut(tmp_path):
    rows = "".join(f"{'A' * 5000}{i},a\n" for i in range(30))
    (tmp_path / "cells.csv").write_text(f"path,label\n{rows}")
    with pytest.raises(FileNotFoundError, match="30 of 30 image files do not exist") as error:
        load_csv(tmp_path / "cells.csv")
    assert len(str(error.value)) < 5000
