"""A local web server for downloads, and the names of the classes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.n_requests += 1
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        # Fewer bytes than announced: the connection breaks.
        n_bytes = server.breaks.pop(0) if server.breaks else len(server.content)
        self.wfile.write(server.content[:n_bytes])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """Serve `content` at `url`, with `status`; the next connections break after `breaks` bytes."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.breaks, server.status, server.n_requests = b"", [], 200, 0
        server.url = f"http://127.0.0.1:{server.server_port}/file"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def classes():
    """The classes of PBC and BloodMNIST."""
    return [
        *("basophil", "eosinophil", "erythroblast", "ig"),
        *("lymphocyte", "monocyte", "neutrophil", "platelet"),
    ]
