"""URLs: memory, local files and a web server, with its faults."""

import gzip
import http.server
import threading
from functools import partial
from pathlib import Path

import fsspec
import pytest

from skblood.datasets import find_images
from skblood.streaming import open_source

from .conftest import png, read_batches, read_values, write_tar


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve a folder, with faults: what has "broken" in its name ends after 20 bytes."""

    protocol_version = "HTTP/1.1"

    def copyfile(self, source, outputfile):
        if "broken" in self.path:
            outputfile.write(source.read(20))
            self.close_connection = True
        else:
            super().copyfile(source, outputfile)

    def send_head(self):
        return self.send_error(500) if "status500" in self.path else super().send_head()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(here):
    handler = partial(Handler, directory=str(here))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
    fsspec.filesystem("http").invalidate_cache()


@pytest.fixture
def memory():
    """File system in memory, empty before and after."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]
    yield filesystem
    filesystem.store.clear()


class TestMemory:
    @pytest.fixture(autouse=True)
    def _copy(self, folder, memory):
        memory.put("cells", "/cells", recursive=True)
        self.names = [f"memory:///{name}" for name in find_images("cells")]

    def test_folder_in_the_order_of_a_local_one(self):
        values, errors = read_values("memory://cells")
        assert list(values) == self.names
        assert list(values.values()) == [0, 4, 1, 2, 3, 5]
        assert errors == {}

    def test_pattern_image_and_plan(self, memory):
        assert list(read_values("memory://cells/*.png")[0].values()) == [0, 4]
        assert read_values("memory://cells/b.tif")[0] == {"memory://cells/b.tif": 5}
        plan = open_source("memory://cells", partition_size=4).write_plan("plan")
        memory.rm("/cells/a/0.PNG")
        assert list(read_values(plan)[0].values()) == [0, 4, None, 2, 3, 5]

    def test_tables(self, memory, here):
        memory.pipe(
            "/t/t.csv", b"path,n\n../cells/a.png,1\nmemory://cells/b.tif,2\n/cells/no.png,3\n"
        )
        batch = read_batches("memory://t/t.csv")[0]
        assert batch.names[1:] == ["memory://cells/b.tif", "/cells/no.png"]
        assert batch.columns.n.tolist() == ["1", "2", "3"]
        Path("t.csv").write_text("path\nmemory://cells/b.tif\ncells/a.png\nmemory://cells/no.png\n")
        values = read_values("t.csv")[0]
        assert list(values.values()) == [5, 4, None]

    def test_faulty_table_is_named_by_its_url(self, memory):
        memory.pipe("/t.csv", b"file\na.png\n")
        with pytest.raises(ValueError, match=r"^'memory://t\.csv' is not a table.*no column"):
            read_batches("memory://t.csv")

    def test_shards(self, memory, here):
        for i in range(2):
            write_tar("x.tgz", [("a.png", png(i))], "w:gz")
            memory.put("x.tgz", f"/{i}.tgz")
        assert list(read_values("memory://{0..1}.tgz")[0].values()) == [0, 1]
        assert list(read_values("memory://*.tgz")[0]) == [
            f"memory:///{i}.tgz/a.png" for i in (0, 1)
        ]
        assert read_values("memory://{1..2}.tgz")[1] == {"memory://2.tgz": "no such file"}

    def test_nothing(self):
        with pytest.raises(FileNotFoundError, match="no image file in 'memory://cells/x"):
            read_batches("memory://cells/x*")
        with pytest.raises(FileNotFoundError):
            read_batches("memory://nothing")
        with pytest.raises(ValueError, match="Protocol not known: nonsense"):
            read_batches("nonsense://cells")

    def test_depth(self):
        assert read_batches("memory://cells", bit_depth=12)[0].items[0].bit_depth == 12


def test_file_urls_are_local_paths(folder):
    assert read_values(f"file://{folder}") == read_values(str(folder))


class TestHTTP:
    def test_images_of_a_table_and_one_that_is_missing(self, server, folder):
        rows = [f"{server}/cells/{name}" for name in ("b.tif", "a/c/2.png", "missing.png", "a.png")]
        Path("t.csv").write_text("\n".join(["path", *rows]))
        values, errors = read_values("t.csv")
        assert list(values) == rows
        assert list(values.values()) == [5, 3, None, 4]
        assert errors == {}

    def test_query_of_an_image(self, server, folder):
        assert list(read_values(f"{server}/cells/b.tif?version=1")[0].values()) == [5]

    def test_listing(self, server, folder):
        values = read_values(f"{server}/cells/")[0]
        assert sorted(v for n, v in values.items() if "link" not in n) == [0, 1, 2, 3, 4, 5]

    def test_table(self, server, folder):
        Path("cells/t.csv").write_text("path\nb.tif\na/c/2.png\n")
        values = read_values(f"{server}/cells/t.csv")[0]
        assert values == {f"{server}/cells/b.tif": 5, f"{server}/cells/a/c/2.png": 3}

    def test_shard(self, server, here):
        write_tar("x.tar", [(f"{i}.png", png(i)) for i in range(5)])
        write_tar("x.tgz", [(f"{i}.png", png(i)) for i in range(5)], "w:gz")
        for name in ("x.tar", "x.tgz"):
            values, errors = read_values(f"{server}/{name}")
            assert values == {f"{server}/{name}/{i}.png": i for i in range(5)}
            assert errors == {}

    def test_shard_of_a_server_that_gives_no_parts(self, server, here):
        """As Python's own server: a file is read from its beginning only."""
        write_tar("x.tar", [(f"{i}.png", png(i) + bytes(2**21)) for i in range(4)])
        assert list(read_values(f"{server}/x.tar")[0].values()) == [0, 1, 2, 3]

    def test_missing_shard(self, server):
        values, errors = read_values(f"{server}/x.tar")
        assert values == {}
        assert errors == {f"{server}/x.tar": "no such file"}

    def test_cut_shard(self, server, here):
        path = write_tar("x.tar", [(f"{i}.png", png(i)) for i in range(5)])
        Path(path).write_bytes(Path(path).read_bytes()[:3000])
        values, errors = read_values(f"{server}/x.tar")
        assert len(values) == 3
        assert "cut off: it ends at byte 3,000" in errors[f"{server}/x.tar"]

    @pytest.mark.parametrize("kind", ["broken", "status500"])
    @pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.png"])
    def test_connection_says_nothing_of_the_file(self, server, here, kind, name):
        if name == "x.png":
            Path(f"{kind}.png").write_bytes(png(1))
        else:
            write_tar(f"{kind}.tar", [(f"{i}.png", png(i)) for i in range(5)])
            Path(f"{kind}.tgz").write_bytes(gzip.compress(Path(f"{kind}.tar").read_bytes()))
        with pytest.raises(OSError, match=rf"Reading '{server}/{kind}.* broke off.*Run the same"):
            read_batches(f"{server}/{name.replace('x', kind)}")

    def test_no_server(self):
        with pytest.raises(OSError, match=r"broke off.*Connect call failed"):
            read_batches("http://127.0.0.1:9/x.png")
        with pytest.raises(OSError, match="broke off"):
            read_batches("http://127.0.0.1:9/x.tar")
