"""Published weights, through the loading code of torchvision and timm, against stand-ins."""

import urllib.error

import pytest
import timm
import torch

from skblood.networks import create_backbone

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
        with pytest.raises(ValueError, match="No weights are published for 'vit_giant"):
            create_backbone("vit_giant_patch14_224")
