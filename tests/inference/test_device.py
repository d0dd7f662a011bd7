"""Device and precision."""

import pytest
import torch

from skblood.inference import autocast_dtype, resolve_device

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Return a function that pretends that these devices are here."""

    def pretend(*, n_cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


class TestResolveDevice:
    @pytest.mark.parametrize(
        ("here", "chosen"),
        [
            ({}, "cpu"),
            ({"mps": True}, "mps"),
            ({"n_cuda": 1}, "cuda"),
            ({"n_cuda": 2, "mps": True}, "cuda"),
        ],
    )
    def test_auto(self, machine, here, chosen):
        machine(**here)
        assert resolve_device("auto") == torch.device(chosen)

    @pytest.mark.parametrize("named", ["cpu", "cuda", "cuda:1", "mps", torch.device("cuda", 0)])
    def test_named_device_is_kept(self, machine, named):
        machine(n_cuda=2, mps=True)
        assert resolve_device(named) == torch.device(named)

    @pytest.mark.parametrize(
        ("named", "here", "listed"),
        [
            ("cuda", {}, "'auto' or one of 'cpu'"),
            ("cuda:0", {"mps": True}, "'auto' or one of 'mps', 'cpu'"),
            ("cuda:2", {"n_cuda": 2}, "'auto' or one of 'cuda', 'cpu'"),
            ("mps", {"n_cuda": 1}, "'auto' or one of 'cuda', 'cpu'"),
            ("xpu", {}, "'auto' or one of 'cpu'"),
            ("meta", {}, "'auto' or one of 'cpu'"),
        ],
    )
    def test_absent_device_is_never_replaced(self, machine, named, here, listed):
        machine(**here)
        with pytest.raises(ValueError, match="not available on this machine") as caught:
            resolve_device(named)
        assert f"device={named!r}" in str(caught.value)
        assert listed in str(caught.value)

    @pytest.mark.parametrize("named", ["gpu", "", "CPU", "cuda:x", None, []], ids=repr)
    def test_unknown_device(self, named):
        with pytest.raises(
            ValueError, match="is not available on this machine; use 'auto' or one of"
        ) as caught:
            resolve_device(named)
        assert f"device={named!r}" in str(caught.value)


class TestAutocastDtype:
    @pytest.mark.parametrize("kind", ["cpu", "cuda", "mps"])
    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_named_precision_is_kept(self, kind, precision):
        assert autocast_dtype(precision, torch.device(kind)) is getattr(torch, precision)

    @pytest.mark.parametrize(
        ("avx512", "amx", "expected"),
        [(True, False, "bfloat16"), (False, True, "bfloat16"), (False, False, "float32")],
    )
    def test_auto_asks_the_cpu(self, monkeypatch, avx512, amx, expected):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        assert autocast_dtype("auto", CPU) is getattr(torch, expected)

    @pytest.mark.parametrize("in_hardware", [True, False])
    def test_auto_asks_the_gpu_for_hardware(self, monkeypatch, in_hardware):
        def supported(including_emulation=True):
            return including_emulation or in_hardware

        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        expected = torch.bfloat16 if in_hardware else torch.float32
        assert autocast_dtype("auto", torch.device("cuda")) is expected

    def test_auto_on_mps_is_float32(self):
        assert autocast_dtype("auto", torch.device("mps")) is torch.float32
