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
    assert not [name for name in state if not torch.equal(loaded[name], state[name])]


class TestFits:
    @pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".bin"])
    def test_every_tensor(self, small, state, tmp_path, suffix):
        path = save(state, tmp_path / f"w{suffix}")
        assert_loaded(small(weights=path), state)
        assert_loaded(small(weights=str(path), trainable="head"), state)

    @pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "state_dict_ema"])
    def test_checkpoint_of_a_trainer(self, small, state, tmp_path, key):
        checkpoint = {"epoch": 3, "optimizer": {"lr": 0.1}, key: state}
        assert_loaded(small(weights=save(checkpoint, tmp_path / "w.pth")), state)

    @pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module."])
    def test_prefix_of_a_wrapper(self, small, state, tmp_path, prefix):
        wrapped = {prefix + name: tensor for name, tensor in state.items()}
        assert_loaded(small(weights=save(wrapped, tmp_path / "w.safetensors")), state)

    def test_counters_may_be_missing_and_half_precision_is_widened(self, small, state, tmp_path):
        half = {n: t.half() for n, t in state.items() if t.is_floating_point()}
        assert len(half) < len(state)
        backbone = small(weights=save(half, tmp_path / "w.pth"))
        assert_loaded(backbone, {n: t.float() for n, t in half.items()})
        assert {p.dtype for p in backbone.parameters()} == {torch.float32}

    def test_weights_fit_another_size_but_not_other_channels(self, small, state, tmp_path):
        weights = save(state, tmp_path / "w.pth")
        assert_loaded(small(size=100, weights=weights), state)
        shapes = r"stem\.0\.weight: shape \(16, 3, 3, 3\), not \(16, 1, 3, 3"
        with pytest.raises(ValueError, match=shapes):
            small(weights=weights, image_shape=(32, 32, 1))

    @pytest.mark.parametrize("name", ["cellnet_t", "test_resnet", "test_vit", "test_convnext"])
    def test_classifier_of_timm_is_left_out(self, small, random_state_dict, tmp_path, name):
        options = {"img_size": (64, 64)} if name in ("cellnet_t", "test_vit") else {}
        state = random_state_dict(timm.create_model(name, num_classes=7, **options))
        backbone = small(name, 64, weights=save(state, tmp_path / "w.safetensors"))
        assert_loaded(backbone, {k: v for k, v in state.items() if k in backbone.body.state_dict()})


class TestDoesNotFit:
    def test_every_missing_and_misshapen_tensor_is_listed(self, small, state, tmp_path):
        missing = ["stem.1.bias", "stages.2.0.conv2.weight"]
        n_before = sum(not name.endswith("num_batches_tracked") for name in state)
        for name in missing:
            del state[name]
        state["stem.0.weight"] = torch.zeros(16, 3, 5, 5)
        state["unknown"] = torch.zeros(2)
        weights = save(state, tmp_path / "w.pth")
        with warnings.catch_warnings(), pytest.raises(ValueError) as caught:
            warnings.simplefilter("error")  # the error is what matters
            small(weights=weights)
        message = str(caught.value)
        assert f"backbone 'cellnet_t': 3 of {n_before} tensors do not fit" in message
        assert all(f"{name}: missing" in message for name in missing)
        assert "stem.0.weight: shape (16, 3, 5, 5), not (16, 3, 3, 3)" in message
        assert str(weights) in message

    def test_left_over_tensors_are_named(self, small, state, tmp_path):
        extra = {"projection.weight": torch.zeros(2), "stages.3.0.conv1.weight": torch.zeros(2)}
        weights = save(state | extra, tmp_path / "w.safetensors")
        with pytest.warns(UserWarning, match="holds 2 tensors that backbone 'cellnet_t'") as caught:
            backbone = small(weights=weights)
        assert all(name in str(caught[0].message) for name in extra)
        assert_loaded(backbone, state)


FLAWS = {
    "uint8": lambda tensor: tensor.mul(100).to(torch.uint8),
    "int64": lambda tensor: tensor.mul(100).long(),
    "bool": lambda tensor: tensor > 0,
    "float8_e4m3fn": lambda tensor: tensor.to(torch.float8_e4m3fn),
    "complex64": lambda tensor: tensor.to(torch.complex64),
    "not finite": lambda tensor: torch.where(tensor == tensor.max(), torch.nan, tensor),
    "not finite, in float32": lambda tensor: tensor.double() * 1e300,
}


class TestUnusable:
    @pytest.mark.parametrize("flaw", FLAWS)
    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_dtype_and_finiteness(self, small, state, tmp_path, flaw, suffix):
        name = "stages.1.0.conv1.weight"
        state[name] = FLAWS[flaw](state[name])
        content = state if suffix == ".safetensors" else {"state_dict": state}
        path = save(content, tmp_path / f"w{suffix}")
        with pytest.raises(ValueError, match="no usable weights of backbone 'cellnet_t'") as caught:
            small(weights=path)
        assert str(path) in str(caught.value)
        told = str(caught.value).splitlines()[-1]
        assert told.strip().startswith(f"{name}: ") and flaw.partition(",")[0] in told

    def test_statistics_and_tensors_without_values(self, small, state, tmp_path):
        state["stem.1.running_var"][3] = torch.inf
        state["stem.0.weight"] = state["stem.0.weight"].to("meta")
        with pytest.raises(ValueError) as caught:
            small(weights=save(state, tmp_path / "w.pth"))
        assert "stem.0.weight: not dense; stem.1.running_var: not finite" in str(caught.value)

    def test_what_the_backbone_does_not_have(self, small, state, tmp_path):
        """The classifier of the file is not loaded, nor are counters checked."""
        odd = {"head.weight": torch.full((7, 48), torch.nan), "head.bias": torch.zeros(7).int()}
        counters = {k: v.float() for k, v in state.items() if k.endswith("num_batches_tracked")}
        assert_loaded(small(weights=save(state | odd | counters, tmp_path / "w.pth")), state)


class TestNoWeights:
    @pytest.mark.parametrize("name", ["nothing.pth", ".", "imagenet"])
    def test_no_file(self, small, tmp_path, name):
        with pytest.raises(
            FileNotFoundError, match=r"is no file\. weights takes 'default', None.*set_p"
        ):
            small(weights=tmp_path / name)

    @pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
    def test_truncated_or_something_else(self, small, state, tmp_path, suffix):
        path = save(state, tmp_path / f"w{suffix}")
        whole = path.read_bytes()
        for content in (b"", whole[:999], whole[:-200], b"<html>403 Forbidden</html>", b"\0" * 99):
            path.write_bytes(content)
            with pytest.raises(ValueError, match=r"cannot be read.*must be a \.safetensors") as e:
                small(weights=path)
            assert str(path) in str(e.value)

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            ([torch.zeros(2)], "list"),
            ({"state_dict": {"lr": 0.1}}, "dict"),
            (None, "NoneType"),
        ],
    )
    def test_no_state_dict(self, small, tmp_path, content, kind):
        path = save(content, tmp_path / "w.pth")
        with pytest.raises(ValueError, match=f"holds no state_dict.*{kind}"):
            small(weights=path)


class MakesFolder:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
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
