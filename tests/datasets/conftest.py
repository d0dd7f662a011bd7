"""A web server on this machine, which can do what bad ones do."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from skblood.datasets import _download


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        status = server.statuses.pop(0) if server.statuses else None
        content = server.content
        start = (
            int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        )
        if status is None:
            status = 206 if start else 200
            if start >= len(content) > 0:
                status = 416
        self.send_response(status)
        if status == 416:
            self.send_header("Content-Range", f"bytes */{len(content)}")
            content = b""
        elif status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            content = content[start:]
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        # Fewer bytes than announced: the connection breaks.
        n_bytes = server.breaks.pop(0) if server.breaks else len(content)
        self.wfile.write(content[:n_bytes])
        server.stall.wait(10)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """Serve `content` at `url`.

    `asked` lists the Range header of each request. For the next requests, `breaks` lists after how
    many bytes the connection breaks, and `statuses` what is answered. Without `ranges` all bytes
    are sent always. While `stall` is cleared, no connection is closed.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.asked, server.breaks, server.statuses = b"", [], [], []
        server.ranges = True
        server.stall = threading.Event()
        server.stall.set()
        server.url = f"http://127.0.0.1:{server.server_port}/file"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stall.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_url(monkeypatch):
    """Return the address of a port at which nobody listens."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_port
    return f"http://127.0.0.1:{port}/file"
