"""Weights from files: whole, wrapped, incomplete, damaged, hostile."""

import io
import os
import pickle
import warnings

import pytest
import timm
import torch
from safetensors.torch import save_file


def save(state, path):
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.fixture
def state(small, random_state_dict):
    """Weights of a cellnet_t."""
    return random_state_dict(small().body)


def assert_loaded(backbone, state):
    loaded = backbone.body.state_dict()
    assert state.keys() <= loaded.keys()
    different = [name for name in state if not torch.equal(loaded[name], state[name])]
    assert not different


class TestRoundTrip:
    @pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin"])
    def test_every_tensor(self, small, state, tmp_path, suffix):
        assert_loaded(small(weights=save(state, tmp_path / f"w{suffix}")), state)

    def test_same_features(self, small, state, tmp_path):
        source = small()
        source.body.load_state_dict(state)
        loaded = small(weights=str(save(state, tmp_path / "w.safetensors")))
        x = torch.rand(2, 3, 32, 32)
        assert torch.equal(source.eval()(x), loaded.eval()(x))

    @pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "state_dict_ema"])
    def test_checkpoint_of_a_trainer(self, small, state, tmp_path, key):
        checkpoint = {"epoch": 3, "optimizer": {"lr": 0.1}, key: state}
        assert_loaded(small(weights=save(checkpoint, tmp_path / "w.pth")), state)

    @pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module."])
    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_prefix_of_a_wrapper(self, small, state, tmp_path, prefix, suffix):
        wrapped = {prefix + name: tensor for name, tensor in state.items()}
        assert_loaded(small(weights=save(wrapped, tmp_path / f"w{suffix}")), state)

    def test_counters_may_be_missing(self, small, state, tmp_path):
        """Files from before PyTorch 0.4.1 have none."""
        counted = [name for name in state if name.endswith("num_batches_tracked")]
        assert counted
        for name in counted:
            del state[name]
        assert_loaded(small(weights=save(state, tmp_path / "w.pth")), state)

    def test_half_precision_is_widened(self, small, state, tmp_path):
        half = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
        backbone = small(weights=save(half, tmp_path / "w.safetensors"))
        widened = {n: t.float() if t.is_floating_point() else t for n, t in half.items()}
        assert_loaded(backbone, widened)
        assert {p.dtype for p in backbone.parameters()} == {torch.float32}

    @pytest.mark.parametrize("trainable", ["head", 1])
    def test_what_is_frozen_is_loaded_too(self, small, state, tmp_path, trainable):
        weights = save(state, tmp_path / "w.pth")
        assert_loaded(small(weights=weights, trainable=trainable), state)

    def test_home_is_understood(self, small, state, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        save(state, tmp_path / "w.pth")
        assert_loaded(small(weights="~/w.pth"), state)

    def test_weights_fit_another_size_and_gray_ones_do_not(self, small, state, tmp_path):
        weights = save(state, tmp_path / "w.pth")
        assert_loaded(small(size=100, weights=weights), state)
        with pytest.raises(
            ValueError, match=r"stem\.0\.weight: \(16, 3, 3, 3\), not \(16, 1, 3, 3"
        ):
            small(weights=weights, image_shape=(32, 32, 1))


class TestWithItsClassifier:
    @pytest.mark.parametrize("name", ["cellnet_t", "test_resnet", "test_vit", "test_convnext"])
    def test_timm(self, small, random_state_dict, tmp_path, name):
        options = {"img_size": (64, 64)} if name in ("cellnet_t", "test_vit") else {}
        state = random_state_dict(timm.create_model(name, num_classes=7, **options))
        backbone = small(name, 64, weights=save(state, tmp_path / "w.safetensors"))
        assert_loaded(backbone, {k: v for k, v in state.items() if k in backbone.body.state_dict()})

    @pytest.mark.parametrize("name", ["squeezenet1_0", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
    def test_torchvision(self, small, random_state_dict, tmp_path, name):
        from torchvision import models

        state = random_state_dict(models.get_model(name, weights=None))
        weights = save(state, tmp_path / "w.pth")
        backbone = small(f"torchvision/{name}", 64, weights=weights)
        assert_loaded(backbone, {k: v for k, v in state.items() if k in backbone.body.state_dict()})
        assert len(backbone.body.state_dict()) == len(state) - 2


class TestDoesNotFit:
    def test_every_missing_and_misshapen_tensor_is_listed(self, small, state, tmp_path):
        missing = ["stem.1.bias", "stages.2.0.conv2.weight"]
        wrong = {"stem.0.weight": (16, 3, 5, 5), "stages.1.0.bn1.weight": (31,)}
        n_before = sum(not name.endswith("num_batches_tracked") for name in state)
        for name in missing:
            del state[name]
        for name, shape in wrong.items():
            state[name] = torch.zeros(shape)
        weights = save(state, tmp_path / "w.pth")
        with pytest.raises(ValueError, match="do not fit backbone 'cellnet_t'") as caught:
            small(weights=weights)
        message = str(caught.value)
        assert f"({n_before - 4} of {n_before} tensors fit)" in message
        assert f"missing from the file (2): {', '.join(missing)}" in message
        assert "of another shape (2): " in message
        assert "stem.0.weight: (16, 3, 5, 5), not (16, 3, 3, 3)" in message
        assert "stages.1.0.bn1.weight: (31,), not (32,)" in message
        assert str(weights) in message

    def test_file_of_another_network(self, small, state, tmp_path):
        with pytest.raises(ValueError, match="do not fit backbone 'test_resnet'"):
            small("test_resnet", 64, weights=save(state, tmp_path / "w.pth"))

    def test_left_over_tensors_are_named(self, small, state, tmp_path):
        extra = {"projection.weight": torch.zeros(2), "stages.3.0.conv1.weight": torch.zeros(2)}
        weights = save(state | extra, tmp_path / "w.safetensors")
        with pytest.warns(UserWarning, match="holds 2 tensors that backbone 'cellnet_t'") as caught:
            backbone = small(weights=weights)
        (warning,) = caught
        assert all(name in str(warning.message) for name in extra)
        assert_loaded(backbone, state)

    def test_left_over_tensors_beside_missing_ones(self, small, state, tmp_path):
        """The error is what matters."""
        state["new"] = state.pop("stem.0.weight")
        with warnings.catch_warnings(), pytest.raises(ValueError, match=r"stem\.0\.weight"):
            warnings.simplefilter("error")
            small(weights=save(state, tmp_path / "w.pth"))


class TestNoWeights:
    @pytest.mark.parametrize("name", ["nothing.pth", "nothing.safetensors", ".", "imagenet"])
    def test_no_file(self, small, tmp_path, name):
        with pytest.raises(FileNotFoundError, match=r"is no file\. weights takes 'default', None"):
            small(weights=tmp_path / name)

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    @pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
    def test_truncated(self, small, state, tmp_path, suffix, share):
        path = save(state, tmp_path / f"w{suffix}")
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"cannot be read.*must be a \.safetensors") as caught:
            small(weights=path)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    @pytest.mark.parametrize(
        "content",
        [
            b"<html>403 Forbidden</html>",
            b"version https://git-lfs.github.com/spec/v1\n",
            b"\x00" * 99,
        ],
        ids=["page", "git-lfs", "zeros"],
    )
    def test_something_else(self, small, tmp_path, suffix, content):
        path = tmp_path / f"w{suffix}"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read"):
            small(weights=path)

    def test_the_other_format_under_this_name(self, small, state, tmp_path):
        path = save(state, tmp_path / "w.pth").rename(tmp_path / "w.safetensors")
        with pytest.raises(ValueError, match="cannot be read"):
            small(weights=path)

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            ([torch.zeros(2)], "list"),
            (torch.zeros(2), "Tensor"),
            ({"epoch": 3}, "dict"),
            ({"state_dict": {"lr": 0.1}}, "dict"),
            ({}, "dict"),
            (None, "NoneType"),
        ],
    )
    def test_no_state_dict(self, small, tmp_path, content, kind):
        path = save(content, tmp_path / "w.pth")
        with pytest.raises(ValueError, match=f"holds no state_dict.*{kind} without any was found"):
            small(weights=path)


class MakesFolder:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("suffix", [".pth", ".bin", ".safetensors"])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_file_does_not_run(small, state, tmp_path, form, suffix):
    folder = tmp_path / "made"
    content, path = {**state, "stem.2.x": MakesFolder(folder)}, tmp_path / f"w{suffix}"
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(ValueError, match="cannot be read"):
        small(weights=path)
    assert not folder.exists()

    # The file is live: whoever trusts it runs its code.
    if form == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(io.BytesIO(path.read_bytes()), weights_only=False)
    assert folder.exists()


def test_whole_network_is_refused(small, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ValueError, match="cannot be read"):
        small(weights=path)
