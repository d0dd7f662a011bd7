"""Tar files: members, labels, and all kinds of damage."""

import gzip
import io
import os
import pickle
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from skblood.streaming import open_source
from skblood.streaming._samples import _Names

from .conftest import png, read_batches, read_values, write_tar

BLOCK = 512


def special(name, kind, target=""):
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, target
    return header, b""


@pytest.fixture
def six(here):
    """Path of a tar file of six images, a.png to f.png, of values 0 to 5; each takes two blocks."""
    return write_tar("six.tar", [(f"{name}.png", png(i)) for i, name in enumerate("abcdef")])


def expected(*left_out):
    return {f"six.tar/{n}.png": i for i, n in enumerate("abcdef") if n not in left_out}


class TestMembers:
    def test_images_in_the_order_of_the_file(self, here):
        path = write_tar("x.tar", [("z.png", png(1)), ("dir/a.JPG", png(2)), ("./m.png", png(3))])
        values, errors = read_values(path)
        assert list(values.items()) == [
            ("x.tar/z.png", 1),
            ("x.tar/dir/a.JPG", 2),
            ("x.tar/m.png", 3),
        ]
        assert errors == {}

    def test_labels(self, here):
        members = [
            ("a.cls", b"3\n"), ("a.png", png(0)),
            ("b.png", png(1)), ("b.txt", b" monocyte "), ("b.cls", b"7"),
            ("c.JSON", b'{"slide": 12, "ok": true, "by": "x", "more": [1]}'), ("c.png", png(2)),
            ("d.png", png(3)),
            ("e.txt", "\ufeffblaste \xe9".encode()), ("e.png", png(4)),
        ]  # fmt: skip
        write_tar("x.tar", members)
        columns = [batch.columns for batch in read_batches("x.tar", size=9)]
        assert len(columns) == 1
        rows = columns[0].to_dict("list")
        assert rows["label"] == ["3", "7", "", "", "blaste \xe9"]
        assert rows["slide"] == ["", "", "12", "", ""]
        assert rows["ok"][2] == "true" and rows["by"][2] == "x" and rows["more"][2] == "[1]"

    def test_one_image_a_sample(self, here):
        """Masks and views beside it are no cells of their own."""
        members = [
            ("a.mask.png", png(9)),
            ("a.png", png(1)),
            ("a.seg.png", png(9)),
            ("a.cls", b"x"),
        ]
        members += [("b.cell.png", png(2)), ("b.txt", b"y"), ("b.cell.cls", b"z")]
        members += [("c.left.png", png(9)), ("c.right.png", png(9)), ("c.cls", b"x")]
        members += [("d.png", png(9)), ("d.jpg", png(9)), ("d.seg.png", png(9))]
        members += [("a.late.png", png(9))]
        path = write_tar("x.tar", members)
        assert read_batches(path, size=9)[0].columns.label.tolist() == ["x", "z"]
        values, errors = read_values(path)
        assert values == {"x.tar/a.png": 1, "x.tar/b.cell.png": 2}
        named = ["c.left.png", "c.right.png", "d.png", "d.jpg", "a.late.png"]
        assert [*errors] == [f"x.tar/{name}" for name in named]
        reasons = [*errors.values()]
        assert all(reason.startswith("one of 2 images of a sample") for reason in reasons[:4])
        assert reasons[4].startswith("apart from the image")

    def test_labels_that_are_not_beside_their_image(self, here):
        members = [("early.json", b"{}"), ("0.cls", b"a"), ("0.png", png(0)), ("1.png", png(1))]
        members += [("2.png", png(2)), ("early.png", png(3)), ("1.cls", b"b"), ("2.json", b"{}")]
        members += [
            ("2.txt", b"c"),
            ("lone.cls", b"d"),
            ("README.txt", b""),
            ("README.json", b"{}"),
        ]
        values, errors = read_values(write_tar("x.tar", members))
        assert [*values.values()] == [0, 1, 2, 3]
        named = ["1.cls", "lone.cls", "early.json", "2.json", "2.txt"]
        assert [*errors] == [f"x.tar/{name}" for name in named]
        assert all(reason.startswith("apart from the image") for reason in errors.values())

    def test_any_number_of_images_of_one_key(self, here):
        """Plain numbered files, of which few are held in memory."""
        noise = np.random.default_rng(0).integers(0, 256, 2**20, np.uint8).tobytes()

        def members():
            for i in range(100):
                yield f"IMG.{i}.png", noise
                yield f"IMG.{i}.cls", str(i).encode()

        write_tar("x.tar", members())
        tracemalloc.start()
        (batch,) = read_batches("x.tar")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert not batch.items and len(batch.errors) == 100
        assert peak < 20 * 2**20

    def test_hidden_members_and_folders(self, here):
        names = ["._a.png", ".DS_Store", "__MACOSX/a.png", "@eaDir/a.png", "x/.git/a.png", "__m__"]
        members = [(name, png(9)) for name in names]
        members += [special("dir", tarfile.DIRTYPE), special("y.png", tarfile.DIRTYPE)]
        members += [("../up.png", png(1)), ("/root.png", png(2)), ("../../etc/x.png", png(3))]
        members += [("README.md", b"text"), ("table.csv", b"a,b"), ("alone.txt", b"a")]
        values, errors = read_values(write_tar("x.tar", members))
        assert list(values.values()) == [1, 2, 3]
        assert next(iter(values)) == "x.tar/../up.png"
        assert errors == {}
        assert os.listdir(here) == ["x.tar"]

    def test_odd_names(self, here):
        names = [
            "a b.png",
            "é\u202e.png",
            "\udcff.png",
            "n\nl.png",
            "x" * 300 + ".png",
            "b*[1].png",
        ]
        values, errors = read_values(
            write_tar("x y.tar", [(n, png(i)) for i, n in enumerate(names)])
        )
        names[2] = "\\udcff.png"
        assert values == {f"x y.tar/{name}": i for i, name in enumerate(names)}
        assert errors == {}
        "".join(values).encode()

    def test_headers_of_pax(self, here):
        with tarfile.open("x.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for i, name in enumerate(["é" * 200 + ".png", "b.png"]):
                header = tarfile.TarInfo(name)
                header.size, header.mtime = len(png(i)), 1.5
                tar.addfile(header, io.BytesIO(png(i)))
        assert list(read_values("x.tar")[0].values()) == [0, 1]

    @pytest.mark.parametrize("name", ["x.tgz", "x.tar.gz", "X.TAR.GZ"])
    def test_compressed(self, here, name):
        write_tar(name, [("a.png", png(1)), ("b.png", png(2))], "w:gz")
        assert read_values(name) == ({f"{name}/a.png": 1, f"{name}/b.png": 2}, {})

    def test_batches_of_large_images_are_shorter(self, here):
        write_tar("x.tar", [(f"{i}.png", bytes(2**25)) for i in range(5)])
        assert [len(batch.items) for batch in read_batches("x.tar", size=4)] == [2, 2, 1]

    def test_depth(self, six):
        assert read_batches(six, bit_depth=12)[0].items[0].bit_depth == 12


class Evil:
    def __reduce__(self):
        return os.mkdir, ("executed",)


class TestOddMembers:
    def test_pickles_are_never_loaded(self, here):
        evil = pickle.dumps(Evil())
        members = [("a.png", png(1)), ("a.pyd", evil), ("a.pth", evil), ("b.pickle", evil)]
        members += [
            ("c.png", evil),
            ("c.json", evil),
            ("d.pyd", evil),
            ("d.cls", b"1"),
            ("e", evil),
        ]
        values, errors = read_values(write_tar("x.tar", members))
        assert values == {"x.tar/a.png": 1, "x.tar/c.png": None}
        assert list(errors) == ["x.tar/b.pickle", "x.tar/c.json", "x.tar/d.pyd", "x.tar/e"]
        assert errors["x.tar/b.pickle"].startswith("no image (.bmp, ")
        assert not os.path.exists("executed")

    @pytest.mark.parametrize(
        ("kind", "reason"),
        [
            (tarfile.SYMTYPE, "a link"),
            (tarfile.LNKTYPE, "a link"),
            (tarfile.CHRTYPE, "a device"),
            (tarfile.BLKTYPE, "a device"),
            (tarfile.FIFOTYPE, "a device, pipe"),
        ],
    )
    def test_links_and_devices(self, here, kind, reason):
        members = [("a.png", png(1)), special("b.png", kind, "/etc/passwd"), ("c.png", png(2))]
        values, errors = read_values(write_tar("x.tar", members))
        assert values == {"x.tar/a.png": 1, "x.tar/c.png": 2}
        assert list(errors) == ["x.tar/b.png"]
        assert errors["x.tar/b.png"].startswith(reason)

    def test_wrong_and_empty_images(self, here):
        members = [("a.png", b""), ("b.png", b"text"), ("c.jpg", png(3)), ("d.png", png(4)[:-30])]
        values, errors = read_values(write_tar("x.tar", members))
        assert list(values.values()) == [None, None, 3, None]
        assert errors == {}

    def test_two_members_of_one_name(self, here):
        members = [("a.png", png(1)), ("a.png", png(2)), ("b.png", png(3)), ("./a.png", png(4))]
        values, errors = read_values(write_tar("x.tar", members))
        assert values == {"x.tar/a.png": 1, "x.tar/b.png": 3}
        assert list(errors) == ["x.tar/a.png", "x.tar/a.png (again)"]

    def test_names_that_come_again_among_many(self):
        names = _Names()
        assert all(names.add(str(i)) for i in range(20_000))
        assert not any(names.add(str(i)) for i in range(0, 20_000, 7))
        assert names.add("new")

    @pytest.mark.parametrize(
        ("name", "data", "reason"),
        [
            ("a.json", b"{", "no JSON"),
            ("a.json", b"[1]", "no JSON in UTF-8: not an object"),
            ("a.json", b"[" * 100_000, "no JSON"),
            ("a.cls", b"\xff", "no text in UTF-8"),
            ("a.txt", bytes(2**20 + 1), "1,048,577 bytes, which are too many"),
        ],
    )
    def test_labels_that_cannot_be_read(self, here, name, data, reason):
        values, errors = read_values(write_tar("x.tar", [("a.png", png(1)), (name, data)]))
        assert values == {"x.tar/a.png": 1}
        assert list(errors) == [f"x.tar/{name}"]
        assert errors[f"x.tar/{name}"].startswith(reason)

    def test_member_that_claims_to_be_huge(self, here, six):
        header = tarfile.TarInfo("g.png")
        header.size = 2**62
        data = Path(six).read_bytes()
        data = data[:2048] + header.tobuf(tarfile.GNU_FORMAT) + data[2048:]
        Path(six).write_bytes(data)
        values, errors = read_values(six)
        assert values == expected(*"cdef")
        assert "which are too many" in errors["six.tar/g.png"]
        assert "cut off" in errors["six.tar"]

    @pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
    def test_name_that_claims_to_be_huge(self, here, six, kind):
        header = tarfile.TarInfo("name")
        header.type, header.size = kind, 2**40
        data = Path(six).read_bytes()
        Path(six).write_bytes(data[:2048] + header.tobuf(tarfile.GNU_FORMAT) + data[2048:])
        values, errors = read_values(six)
        assert values == expected()
        assert "no readable header in bytes 2,048 to 2,560" in errors["six.tar"]

    def test_chain_of_names(self, here, six):
        header = tarfile.TarInfo("name")
        header.type = tarfile.GNUTYPE_LONGNAME
        data = Path(six).read_bytes()
        chain = header.tobuf(tarfile.GNU_FORMAT) * 5000
        Path(six).write_bytes(data[:2048] + chain + data[2048:])
        values, errors = read_values(six)
        assert expected("c").items() <= values.items()
        assert "damaged" in errors["six.tar"]


class TestDamage:
    def test_cut_at_every_block_and_between(self, six):
        data = Path(six).read_bytes()
        for end in range(0, 7 * 1024, 128):
            Path(six).write_bytes(data[:end])
            values, errors = read_values(six)
            starts = {name: 1024 * i + BLOCK for name, i in expected().items()}
            whole = {n: i for n, i in expected().items() if starts[n] + len(png(i)) <= end}
            cut = [name for name in starts if starts[name] <= end and name not in whole]
            assert values == whole
            if end < 6 * 1024 + BLOCK:  # not even one block of the end mark
                assert list(errors) == [*cut, "six.tar"]
                assert f"cut off: it ends at byte {end:,}" in errors["six.tar"]
            else:
                assert errors == {}

    def test_no_image_is_lost_beside_a_damaged_block(self, six):
        rng = np.random.default_rng(0)
        data = bytearray(Path(six).read_bytes())
        for kind in ("noise", "zeros", "one bit"):
            for block in range(12):
                damaged = data.copy()
                place = slice(block * BLOCK, (block + 1) * BLOCK)
                if kind == "one bit":
                    damaged[block * BLOCK + 3] ^= 1
                else:
                    damaged[place] = rng.bytes(BLOCK) if kind == "noise" else bytes(BLOCK)
                Path(six).write_bytes(damaged)
                values, errors = read_values(six)
                name = f"six.tar/{'abcdef'[block // 2]}.png"
                assert {k: v for k, v in values.items() if k != name} == {
                    k: v for k, v in expected().items() if k != name
                }
                if block % 2:  # of an image
                    assert values[name] is None
                    assert errors == {}
                else:
                    assert name not in values
                    assert f"no readable header in bytes {block * BLOCK:,} to " in errors["six.tar"]

    def test_two_damaged_places(self, six):
        data = bytearray(Path(six).read_bytes())
        data[1024:1536] = data[4096:4608] = b"x" * BLOCK
        Path(six).write_bytes(data)
        values, errors = read_values(six)
        assert values == expected("b", "e")
        assert [*errors] == ["six.tar", "six.tar (again)"]
        assert (
            "1,024 to 2,048" in errors["six.tar"] and "4,096 to 5,120" in errors["six.tar (again)"]
        )

    def test_damage_after_a_long_name(self, here):
        long = "x" * 200 + ".png"
        path = write_tar("x.tar", [("a.png", png(0)), (long, png(1)), ("c.png", png(2))])
        data = bytearray(Path(path).read_bytes())
        data[2048:2560] = b"x" * BLOCK  # the header that follows the long name
        Path(path).write_bytes(data)
        values, errors = read_values(path)
        assert values == {"x.tar/a.png": 0, "x.tar/c.png": 2}
        assert "damaged" in errors["x.tar"]

    @pytest.mark.parametrize("content", [b"", b"no tar", png(0), b"x" * 5000])
    def test_no_tar_file(self, here, content):
        (here / "x.tar").write_bytes(content)
        values, errors = read_values("x.tar")
        assert values == {}
        assert list(errors) == ["x.tar"]

    def test_empty_archives(self, here):
        assert read_values(write_tar("x.tar", [])) == ({}, {})
        assert read_values(write_tar("x.tgz", [], "w:gz")) == ({}, {})

    def test_garbage_behind_the_end(self, six):
        with open(six, "ab") as file:
            file.write(b"x" * 1000)
        values, errors = read_values(six)
        assert values == expected()
        assert "damaged" in errors["six.tar"]

    def test_compressed_file_cut_or_changed_at_each_byte(self, here):
        rng = np.random.default_rng(0)
        members = [(f"{i}.png", rng.bytes(700)) for i in range(3)]
        data = gzip.compress(Path(write_tar("y.tar", members)).read_bytes())
        for i in range(0, len(data), 41):
            changed = bytearray(data)
            changed[i] ^= 255
            for content in (data[:i], bytes(changed)):
                (here / "x.tgz").write_bytes(content)
                items, errors = {}, {}
                for batch in read_batches("x.tgz"):
                    items |= {n: x.data for n, x in zip(batch.names, batch.items, strict=True)}
                    errors |= batch.errors
                assert errors or items == {f"x.tgz/{name}": each for name, each in members}
                if content != bytes(changed):
                    assert all(dict(members)[name[6:]] == each for name, each in items.items())
                    assert any("cut off" in x or "unpacking failed" in x for x in errors.values())

    def test_uncompressed_file_with_a_name_of_a_compressed_one(self, here):
        write_tar("x.tgz", [("a.png", png(0))])
        assert "unpacking failed at byte 0" in read_values("x.tgz")[1]["x.tgz"]

    def test_missing_and_no_files(self, six, here):
        source = open_source(six)
        os.remove(six)
        assert read_values(source) == ({}, {"six.tar": "no such file"})
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no named pipes")
        os.mkfifo(six)
        assert "a folder or device" in read_values(source)[1]["six.tar"]
