"""Device and precision, and one GPU for each worker process."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from skblood.inference import _device, autocast_dtype, relocate, resolve_device

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that pretends that these devices are here."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(_device, "_claims", {})

    def pretend(*, n_cuda=0, mps=False, visible=range(9)):
        gpus = [SimpleNamespace(uuid=f"GPU-{i}") for i in visible]
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: gpus[i])
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


@pytest.fixture
def worker(monkeypatch):
    """Return a function that makes this process the worker process of a number."""
    claims = defaultdict(dict)

    def become(number, *, dask=False):
        parent = None if dask else object()  # a Dask worker may have none (--no-nanny)
        package = SimpleNamespace(get_worker=lambda: "a worker")
        monkeypatch.setattr(multiprocessing, "parent_process", lambda: parent)
        monkeypatch.setattr(_device, "_claims", claims[number])
        monkeypatch.setitem(sys.modules, "distributed", package if dask else None)

    return become


class TestWorkers:
    @pytest.mark.parametrize("rank", range(3))
    def test_of_a_launcher(self, machine, worker, monkeypatch, rank):
        machine(n_cuda=3)
        worker(1)
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        assert resolve_device("auto") == torch.device("cuda", rank)
        assert resolve_device("cuda:1") == torch.device("cuda", 1)

    def test_of_a_launcher_on_a_cpu(self, machine, monkeypatch):
        machine()
        monkeypatch.setenv("LOCAL_RANK", "1")
        assert resolve_device("auto") == CPU

    def test_more_ranks_than_gpus(self, machine, monkeypatch):
        machine(n_cuda=2)
        monkeypatch.setenv("LOCAL_RANK", "2")
        with pytest.raises(ValueError, match=r"LOCAL_RANK is 2, but this process sees 2 GPU"):
            resolve_device("auto")

    @pytest.mark.parametrize("dask", [True, False], ids=["dask", "joblib"])
    def test_each_takes_one(self, machine, worker, dask):
        machine(n_cuda=2)
        for number in (1, 2, 1):  # the first one keeps its own
            worker(number, dask=dask)
            assert resolve_device("auto") == torch.device("cuda", number - 1)
            assert resolve_device("cuda:1") == torch.device("cuda", 1)

    def test_dask_cuda_rotates_what_they_see(self, machine, worker):
        for number, visible in enumerate([(0, 1, 2), (1, 2, 0), (2, 0, 1)]):
            machine(n_cuda=3, visible=visible)
            worker(number, dask=True)
            assert resolve_device("auto") == torch.device("cuda", 0)
        machine(n_cuda=3, visible=(1, 2, 0))
        worker(3, dask=True)
        with pytest.raises(ValueError, match="No GPU is left"):
            resolve_device("auto")

    def test_dask_workers_share_none(self, machine, worker):
        machine(n_cuda=1)
        worker(1, dask=True)
        resolve_device("auto")
        worker(2, dask=True)
        with pytest.raises(ValueError, match=r"sees 1 GPU.*as many Dask workers .*'cuda:0'"):
            resolve_device("auto")
        assert resolve_device("cuda:0") == torch.device("cuda", 0)

    def test_joblib_processes_share_one_and_say_so_once(self, machine, worker):
        machine(n_cuda=1)
        worker(1)
        resolve_device("auto")
        worker(2)
        with pytest.warns(UserWarning, match=r"sees 1 GPU.*Set n_jobs") as caught:
            assert resolve_device("auto") == torch.device("cuda", 0)
        assert caught[0].filename == __file__
        assert resolve_device("auto") == torch.device("cuda", 0)

    def test_a_gpu_is_free_when_its_worker_has_ended(self, machine, worker):
        machine(n_cuda=1)
        worker(1, dask=True)
        resolve_device("auto")
        _device._claims[os.getpid()].file_lock.release()  # as the system does
        worker(2, dask=True)
        assert resolve_device("auto") == torch.device("cuda", 0)

    def test_a_process_alone_takes_none(self, machine, tmp_path):
        machine(n_cuda=2)
        assert resolve_device("auto") == torch.device("cuda")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    @pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
    def test_processes_of_joblib(self, tmp_path):
        """Two at once, then the others after both were killed."""
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        environment.pop("LOCAL_RANK", None)
        run = [sys.executable, "-W", "error", "-c", PROCESSES]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["cuda", "cuda:0", "cuda:1", "cuda:0", "cuda:1"]

    @pytest.mark.gpu
    def test_two_jobs_on_a_real_gpu(self, tmp_path):
        environment = {**os.environ, "TMPDIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": "0"}
        environment.pop("LOCAL_RANK", None)
        run = [sys.executable, "-c", SHARED_GPU]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["cuda:0", "cuda:0"]
        assert done.stderr.count("No GPU is left") == 1


SHARED_GPU = """
import time
import joblib
import torch
from skblood.inference import resolve_device

def choose(i):
    device = resolve_device("auto")
    torch.zeros(1, device=device)
    time.sleep(10)  # until the other process has started
    return device

if __name__ == "__main__":
    print(*joblib.Parallel(n_jobs=2)(joblib.delayed(choose)(i) for i in range(2)))
"""
PROCESSES = """
import os, signal, time
from types import SimpleNamespace
import joblib

def choose(folder):
    import torch
    from skblood.inference import resolve_device
    torch.cuda.is_available = lambda: True
    torch.cuda.device_count = lambda: 2
    torch.cuda.get_device_properties = lambda i: SimpleNamespace(uuid=i)
    device = str(resolve_device("auto"))
    open(os.path.join(folder, str(os.getpid())), "w").close()
    while folder and len(os.listdir(folder)) < 2:  # until both have chosen
        time.sleep(0.01)
    return device, os.getpid()

if __name__ == "__main__":
    here = os.environ["TMPDIR"]
    for name in "ab":
        os.mkdir(f"{here}/{name}")
        both = joblib.Parallel(n_jobs=2)(joblib.delayed(choose)(f"{here}/{name}") for _ in "12")
        if name == "a":
            os.mkdir(f"{here}/one")
            open(f"{here}/one/2", "w").close()
            print(choose(f"{here}/one")[0])
        print(*sorted(device for device, _ in both))
        for _, number in both:
            os.kill(number, signal.SIGKILL)
        time.sleep(0.5)
        try:
            joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(i) for i in "12")
        except Exception:  # the pool that was killed
            pass
"""


class TestRelocate:
    """A model from a file or from another process."""

    @pytest.mark.parametrize(
        ("there", "here", "goes_to"),
        [
            ("cuda:1", {"n_cuda": 2}, "cuda:1"),
            ("cuda:1", {"n_cuda": 1}, "cuda"),
            ("cuda:1", {}, "cpu"),
            ("cuda", {"mps": True}, "mps"),
            ("cpu", {"n_cuda": 1}, "cpu"),
            ("no device", {"n_cuda": 1}, "cuda"),
        ],
    )
    def test_in_a_process_alone(self, machine, there, here, goes_to):
        machine(**here)
        assert relocate(there, is_named=False) == torch.device(goes_to)

    def test_in_a_worker(self, machine, worker):
        machine(n_cuda=2)
        worker(1)
        resolve_device("auto")
        worker(2)
        assert relocate("cuda", is_named=False) == torch.device("cuda", 1)
        assert relocate("cuda:0", is_named=True) == torch.device("cuda", 0)
        assert relocate("cpu", is_named=False) == CPU


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
