"""Published weights, through the loading code of torchvision and timm, against stand-ins."""

import socket
import threading
import urllib.error
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from sklearn.model_selection import cross_val_score

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.networks import _hub, create_backbone

HUB_MODEL = "test_resnet.r160_in1k"
WAYS_ON = ("weights='path/to/file.safetensors'", "weights=None", "backbone='cellnet_s'")


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
        assert "URLError" in str(caught.value)
        assert no_download[0] in str(caught.value)


class TestTimm:
    """The same, with timm's download replaced."""

    @pytest.fixture(autouse=True)
    def _hub_answers(self, monkeypatch):
        monkeypatch.setattr("skblood.networks._hub._ask_hub", lambda name: (None, None))

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
        assert f"from timm/{HUB_MODEL} of the Hugging Face Hub" in str(caught.value)

    def test_none_are_published(self):
        with pytest.raises(ValueError, match="No weights are published for 'vit_giant"):
            create_backbone("vit_giant_patch14_224")


class TestHubThatDoesNotAnswer:
    """A real client of the hub, and a server on this computer that refuses, is silent or fails."""

    @pytest.fixture(autouse=True)
    def _nothing_remembered(self, monkeypatch, tmp_path):
        monkeypatch.setattr(_hub, "_failures", {})
        monkeypatch.setattr(_hub, "_TIMEOUT", 0.3)
        monkeypatch.setattr(_hub, "_SLOW", 0.2)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    @pytest.fixture
    def waits(self, monkeypatch):
        """Seconds that a client would sleep before it tries again."""
        seconds = []
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", seconds.append)
        return seconds

    @pytest.fixture
    def listener(self):
        """A port that takes connections and never answers."""
        with closing(socket.create_server(("127.0.0.1", 0), backlog=20)) as listener:
            yield listener

    @staticmethod
    def point_to(port, monkeypatch):
        endpoint = f"http://127.0.0.1:{port}"
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/{revision}/{filename}"
        )

    def test_refused(self, listener, monkeypatch, waits):
        monkeypatch.setattr(_hub, "_SLOW", 60)
        port = listener.getsockname()[1]
        listener.close()
        self.point_to(port, monkeypatch)
        with pytest.raises(ConnectionError, match="Hub does not answer") as caught:
            create_backbone(HUB_MODEL, image_shape=(64, 64, 3))
        assert_names_the_ways_on(str(caught.value), HUB_MODEL)
        assert waits == []
        assert _hub._failures == {}  # it was quick: the next call may ask again
        assert constants.HF_HUB_OFFLINE is False

    def test_folds_wait_once_for_a_silent_hub(self, listener, monkeypatch, waits):
        self.point_to(listener.getsockname()[1], monkeypatch)
        asked, ask = [], _hub._ask_hub
        monkeypatch.setattr(_hub, "_ask_hub", lambda name: asked.append(1) or ask(name))
        X, y = make_blood_cells(32, image_size=16, random_state=0)
        clf = TransferCellClassifier(HUB_MODEL, image_size=64, max_epochs=1, device="cpu")
        with pytest.raises(ValueError, match="All the 3 fits failed") as caught:
            cross_val_score(clf, X, y, cv=3)
        assert len(asked) == 1
        assert waits == []
        assert str(caught.value).count("ConnectionError: ") == 1
        with pytest.raises(ConnectionError, match="Hub does not answer"):
            create_backbone("resnet18", image_shape=(64, 64, 3))
        assert len(asked) == 1  # another backbone, the same hub

    def test_asked_again_after_a_minute(self, listener, monkeypatch, waits):
        self.point_to(listener.getsockname()[1], monkeypatch)
        with pytest.raises(ConnectionError):
            create_backbone(HUB_MODEL, image_shape=(64, 64, 3))
        assert _hub._failures.keys() == {HUB_MODEL, constants.ENDPOINT}
        monkeypatch.setattr(_hub, "_MEMORY", 0)
        monkeypatch.setattr(_hub, "_ask_hub", lambda name: (None, "asked again"))
        with pytest.raises(ConnectionError, match="asked again"):
            create_backbone(HUB_MODEL, image_shape=(64, 64, 3))

    @pytest.fixture
    def server(self, monkeypatch):
        """A server whose first page is there, and which answers all else as it is told."""

        class Broken(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.server.asked.append(self.path)
                if self.path != "/" and self.server.status is None:
                    self.server.silence.wait(10)
                self.send_response(200 if self.path == "/" else self.server.status or 200)
                self.end_headers()

            do_GET = do_HEAD

            def log_message(self, *args):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
            server.asked, server.status, server.silence = [], None, threading.Event()
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            self.point_to(server.server_port, monkeypatch)
            yield server
            server.silence.set()
            server.shutdown()
            thread.join()

    @pytest.mark.parametrize(
        ("status", "reason"),
        [(503, "HTTP status 503"), (429, "HTTP status 429"), (None, "[Tt]imed? ?out")],
    )
    def test_a_server_that_has_only_a_first_page(self, server, waits, status, reason):
        server.status = status
        with pytest.raises(ConnectionError, match=rf"Hub does not answer, .*{reason}"):
            create_backbone(HUB_MODEL, image_shape=(64, 64, 3))
        assert server.asked == [f"/timm/{HUB_MODEL}/main/model.safetensors"]
        assert waits == []

    def test_a_page_to_log_in_to_a_net(self, server, waits):
        server.status = 200
        with pytest.raises(ConnectionError, match="FileMetadataError: ") as caught:
            create_backbone(HUB_MODEL, image_shape=(64, 64, 3))
        assert_names_the_ways_on(str(caught.value), HUB_MODEL)
        assert waits == []

    def test_cached_weights_need_no_hub(self, monkeypatch, waits, random_state_dict, tmp_path):
        monkeypatch.setattr(_hub, "_ask_hub", lambda name: (None, "no route to host"))
        folder = tmp_path / f"models--timm--{HUB_MODEL}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("0" * 40)
        file = folder / "snapshots" / ("0" * 40) / "model.safetensors"
        file.parent.mkdir(parents=True)
        state = random_state_dict(timm.create_model(HUB_MODEL))
        save_file(state, file)
        loaded = create_backbone(HUB_MODEL, image_shape=(64, 64, 3)).body.state_dict()
        assert all(torch.equal(loaded[name], state[name]) for name in loaded)
        assert waits == []

    def test_torch_does_not_wait_for_ever(self, listener, monkeypatch):
        from torchvision import models

        name, port = "shufflenet_v2_x0_5", listener.getsockname()[1]
        weights = models.get_model_weights(name).DEFAULT
        monkeypatch.setattr(weights.value, "url", f"http://127.0.0.1:{port}/weights.pth")
        with pytest.raises(ConnectionError, match="timed out"):
            create_backbone(f"torchvision/{name}", image_shape=(64, 64, 3))
        assert socket.getdefaulttimeout() is None
