"""Published weights, through the loading code of torchvision and timm, against stand-ins."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from skblood.networks import create_backbone

HUB_MODEL = "test_resnet.r160_in1k"
WAYS_ON = ("weights='path/to/file.safetensors'", "weights=None", "backbone='cellnet_s'")
LIMIT = 120  # seconds, for an interpreter that imports torch on a busy machine


def assert_names_the_ways_on(message, name):
    assert f"default weights of {name!r}" in message
    assert all(way in message for way in WAYS_ON)


class TestTorchvision:
    NAME = "shufflenet_v2_x0_5"

    @pytest.fixture
    def cached(self, tmp_path, monkeypatch):
        """Path of the file that torchvision downloads to, in a folder of ours."""
        from torchvision import models

        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        checkpoints = tmp_path / "hub" / "checkpoints"
        checkpoints.mkdir(parents=True)
        url = models.get_model_weights(self.NAME).DEFAULT.url
        return checkpoints / url.rsplit("/", 1)[-1]

    @pytest.fixture
    def no_download(self, monkeypatch):
        asked = []

        def fail(url, *args, **kwargs):
            asked.append(url)
            raise urllib.error.URLError("no route to host")

        monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
        return asked

    def test_values_of_the_file(self, cached, no_download, random_state_dict):
        from torchvision import models

        state = random_state_dict(models.get_model(self.NAME, weights=None))
        torch.save(state, cached)
        backbone = create_backbone(f"torchvision/{self.NAME}", image_shape=(64, 64, 3))
        loaded = backbone.body.state_dict()
        assert loaded.keys() == state.keys() - {"fc.weight", "fc.bias"}
        assert all(torch.equal(loaded[name], state[name]) for name in loaded)
        assert no_download == []

    @pytest.mark.parametrize("weights", ["default", None])
    def test_no_network(self, cached, no_download, weights):
        options = {"weights": weights, "image_shape": (64, 64, 3)}
        name = f"torchvision/{self.NAME}"
        if weights is None:
            create_backbone(name, **options)
            assert no_download == []
            return
        with pytest.raises(ConnectionError, match="no route to host") as caught:
            create_backbone(name, **options)
        assert_names_the_ways_on(str(caught.value), name)
        assert [url.rsplit("/", 1)[-1] for url in no_download] == [cached.name]
        assert isinstance(caught.value.__cause__, urllib.error.URLError)


class TestTimm:
    """The same, with timm's download replaced."""

    def test_values(self, monkeypatch, random_state_dict):
        state = random_state_dict(timm.create_model(HUB_MODEL))
        asked = []

        def load(location, *args, **kwargs):
            asked.append(location)
            return dict(state)

        monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", load)
        loaded = create_backbone(HUB_MODEL, image_shape=(64, 64, 3)).body.state_dict()
        assert asked == [f"timm/{HUB_MODEL}"]
        assert loaded.keys() == state.keys() - {"fc.weight", "fc.bias"}
        assert all(torch.equal(loaded[name], state[name]) for name in loaded)

    def test_no_network(self, monkeypatch):
        def fail(*args, **kwargs):
            raise OSError("no route to host")

        monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", fail)
        create_backbone(HUB_MODEL, weights=None, image_shape=(64, 64, 3))
        with pytest.raises(ConnectionError, match="OSError: no route to host") as caught:
            create_backbone(HUB_MODEL, image_shape=(64, 64, 3))
        assert_names_the_ways_on(str(caught.value), HUB_MODEL)

    def test_none_are_published(self):
        with pytest.raises(
            ValueError, match="No weights are published for 'vit_giant"
        ):
            create_backbone("vit_giant_patch14_224")


class Hub(ThreadingHTTPServer):
    """What huggingface_hub needs of the hub to fetch one file."""

    def __init__(self, path, content):
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.path, self.content, self.requests = path, content, []


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def do_HEAD(self):
        self.answer(with_content=False)

    def do_GET(self):
        self.answer(with_content=True)

    def answer(self, with_content):
        self.server.requests.append((self.command, self.path))
        found = self.path.split("?")[0] == self.server.path
        content = self.server.content if found else b""
        status, first = 200 if found else 403, 0  # as a firewall answers
        wanted = self.headers.get("Range", "")
        if found and wanted.startswith("bytes="):
            first = int(wanted.removeprefix("bytes=").split("-")[0])
            status = 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("ETag", f'"{hashlib.sha256(self.server.content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        if with_content:
            self.wfile.write(content[first:])

    def log_message(self, *args):
        pass


@pytest.fixture
def hub(tmp_path, random_state_dict):
    """A hub on this machine that holds random weights of HUB_MODEL, which lie in published/."""
    state = random_state_dict(timm.create_model(HUB_MODEL))
    path = tmp_path / "published" / "model.safetensors"
    path.parent.mkdir()
    save_file(state, path)
    server = Hub(f"/timm/{HUB_MODEL}/resolve/main/model.safetensors", path.read_bytes())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=20)


# huggingface_hub reads its settings when it is imported: hence an interpreter of its own.
SCRIPT = """
import json, sys, time
from safetensors.torch import save_file
from skblood.networks import create_backbone

out, *names = sys.argv[1:]
for name in names:
    start = time.monotonic()
    try:
        backbone = create_backbone(name, image_shape=(64, 64, 3))
        save_file(backbone.body.state_dict(), out)
        result = {"features": backbone.num_features}
    except Exception as error:
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result | {"seconds": time.monotonic() - start}))
"""


def create_in_subprocess(names, home, out, **settings):
    ours = ("HF_", "HUGGING", "TRANSFORMERS_", "TORCH_HOME", "XDG_")
    environment = {k: v for k, v in os.environ.items() if not k.upper().startswith(ours)}
    environment = {k: v for k, v in environment.items() if not k.lower().endswith("_proxy")}
    environment |= {"HF_HOME": str(home), "TORCH_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(out), *names],
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
class TestHub:
    def test_values_of_the_file_and_a_hub_that_refuses(self, hub, tmp_path):
        out, refused = tmp_path / "loaded.safetensors", "test_vit.r160_in1k"
        endpoint = f"http://127.0.0.1:{hub.server_port}"
        names = [HUB_MODEL, refused]
        fetched, failed = create_in_subprocess(names, tmp_path / "home", out, HF_ENDPOINT=endpoint)

        assert fetched.get("features") == 96, fetched
        assert ("GET", hub.path) in hub.requests
        published = load_file(tmp_path / "published" / "model.safetensors")
        loaded = load_file(out)
        assert loaded.keys() == published.keys() - {"fc.weight", "fc.bias"}
        assert all(torch.equal(loaded[name], published[name]) for name in loaded)

        assert any(refused in path for _, path in hub.requests)
        assert_failed(failed, refused)

    def test_offline(self, tmp_path):
        (failed,) = create_in_subprocess(
            [HUB_MODEL], tmp_path, tmp_path / "out", HF_HUB_OFFLINE="1"
        )
        assert_failed(failed, HUB_MODEL)


def assert_failed(result, name):
    assert result.get("error") == "ConnectionError", result
    assert_names_the_ways_on(result["message"], name)
    assert result["seconds"] < 30
