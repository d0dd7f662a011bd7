"""One model that several processes of a launcher train, against the same one of one process."""

import os
import pickle
import runpy
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import distributed, nn

from skblood import MLPCellClassifier, load
from skblood.training import join_processes
from skblood.training._batch_norm import SynchronizedBatchNorm

ROOT = Path(__file__).resolve().parents[2]
FITS = Path(__file__).with_name("parallel_fits.py")
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
TWO = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}


def launch(*arguments, launcher=LAUNCHER):
    """Run two processes; a hang is an error."""
    return subprocess.run(
        [sys.executable, *launcher, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def sizes(found):
    """Return the sizes of the batches of each epoch."""
    return [[b.get("train_batch_size") for b in each["batches"]] for each in found["history"]]


@pytest.fixture(scope="module")
def fits():
    return runpy.run_path(str(FITS))


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two processes has found."""
    folder = tmp_path_factory.mktemp("ranks")
    done = launch(FITS, folder)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in (0, 1)]


@pytest.mark.slow
class TestTwoProcesses:
    @pytest.mark.parametrize("name", "same contrastive hybrid head mlp continued unreached".split())
    def test_they_train_as_one_does(self, name, ranks, fits):
        alone = fits["found"](fits["ALIKE"][name]())
        for rank in ranks:
            losses = {key for key in alone["history"][0] if key.endswith("_loss")}
            for key in losses:
                ours, theirs = ([each[key] for each in r["history"]] for r in (rank[name], alone))
                assert_allclose(ours, theirs, atol=1e-4)
            assert_allclose(rank[name]["probabilities"], alone["probabilities"], atol=5e-3)
            for key in {key for key in alone["weights"] if ".more." in key}:
                assert_array_equal(rank[name]["weights"][key], alone["weights"][key])
            assert rank[name]["best_epoch"] == alone["best_epoch"]
            assert sizes(rank[name]) == sizes(alone)

    @pytest.mark.parametrize(
        "name",
        "same contrastive hybrid head mlp continued unreached search augmented resumed".split(),
    )
    def test_all_have_the_same_model_and_history(self, name, ranks):
        one, other = (rank[name] for rank in ranks)
        assert one["history"] == other["history"]
        for key in one["weights"]:
            assert_array_equal(one["weights"][key], other["weights"][key])
        assert_array_equal(one["probabilities"], other["probabilities"])
        assert (one["network"], one["device"]) == ("CellNetwork", "cpu")

    def test_a_stop_of_one_is_the_end_of_all(self, ranks):
        assert [len(rank["augmented"]["history"]) for rank in ranks] == [2, 2]
        scores = [each["train_accuracy"] for each in ranks[0]["augmented"]["history"]]
        counted = np.array(scores) * 91
        assert_allclose(counted, counted.round(), atol=1e-6)  # of all images, not of a part

    def test_interrupted_training_resumes_to_the_bit(self, ranks):
        for rank in ranks:
            assert len(rank["files"]) == 1
            for key, weights in rank["whole"]["weights"].items():
                assert_array_equal(rank["resumed"]["weights"][key], weights)

    def test_randomness_differs_but_for_the_order(self, ranks):
        one, other = (rank["draws"] for rank in ranks)
        assert len({*one, *other}) == len(one) + len(other) == 16

    def test_all_fail_alike_and_go_on(self, ranks):
        one, other = (rank["diverging"] for rank in ranks)
        assert one == other
        assert "The training loss is nan in epoch 1" in one

    def test_what_cannot_be_shared_is_refused_by_all(self, ranks):
        for rank in ranks:
            assert "ranks [1] were given other images" in rank["other images"]
            assert "LOCAL_RANK" in rank["a gpu"]


@pytest.mark.slow
class TestCommand:
    def test_one_file_and_one_account(self, tmp_path):
        command = ["-m", "skblood", "train", "synthetic", "--out", tmp_path / "m.skblood"]
        command += ["--backbone", "cellnet_t", "--image-size", "16", "--epochs", "2"]
        done = launch(*command, "--device", "cpu", "--history", tmp_path / "h.csv")
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["h.csv", "m.skblood"]
        assert load(tmp_path / "m.skblood").n_iter_ == 2
        assert done.stderr.count("epoch 1/2") == done.stdout.count("On the test part") == 1
        again = launch(*command, "--device", "cpu")
        assert again.returncode != 0
        assert "Pass --overwrite" in again.stderr

    def test_other_commands_are_refused(self, tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "skblood", "audit", tmp_path],
            env={**os.environ, **TWO},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "Only `skblood train` shares its work" in done.stderr

    def test_a_failure_in_one_process_ends_all(self, tmp_path):
        script = tmp_path / "fails.py"
        script.write_text(
            "import os\n"
            "from skorch.callbacks import Callback\n"
            "from skblood import MLPCellClassifier\n"
            "from skblood.datasets import make_blood_cells\n"
            "class Fail(Callback):\n"
            "    def on_batch_begin(self, net, **kwargs):\n"
            "        if os.environ['RANK'] == '1':\n"
            "            raise RuntimeError('the disk of rank 1 is full')\n"
            "X, y = make_blood_cells(90, image_size=16, random_state=0)\n"
            "MLPCellClassifier((8,), callbacks=[Fail()], device='cpu').fit(X, y)\n"
        )
        done = launch(script)
        assert done.returncode != 0
        assert "the disk of rank 1 is full" in done.stderr


@pytest.fixture
def two(monkeypatch):
    """The environment of the first of two processes."""
    for name, value in TWO.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def group(tmp_path):
    """A process group of this process alone."""
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.fixture
def images():
    return np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1])


class TestRefusals:
    def test_no_launcher(self, monkeypatch):
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        assert join_processes("cpu") is None
        monkeypatch.setenv("WORLD_SIZE", "1")
        assert join_processes("cpu") is None

    def test_without_accelerate(self, two, images, monkeypatch):
        monkeypatch.setitem(sys.modules, "accelerate", None)
        with pytest.raises(ImportError, match=r"2 processes .*skblood\[accelerate\]"):
            MLPCellClassifier((8,), device="cpu").fit(*images)

    def test_a_process_group_of_another(self, two, group, images):
        with pytest.raises(ValueError, match="that accelerate did not initialize"):
            MLPCellClassifier((8,), device="cpu").fit(*images)

    def test_fits_at_the_same_time(self, two):
        raised = []

        def fit():
            with pytest.raises(ValueError, match="Use n_jobs=1"):
                join_processes("cpu")
            raised.append(True)

        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
        assert raised

    def test_more_processes_than_gpus(self, two, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        with pytest.raises(ValueError, match="2 processes on a machine with 1 GPUs"):
            join_processes("cuda")


class TestBatchNorm:
    @pytest.mark.parametrize(
        "layer, shape",
        [
            (nn.BatchNorm1d(3), (6, 3)),
            (nn.BatchNorm2d(3), (6, 3, 4, 5)),
            (nn.BatchNorm2d(3, affine=False, momentum=None), (6, 3, 4, 5)),
            (nn.BatchNorm2d(3, track_running_stats=False), (6, 3, 4, 5)),
        ],
        ids=str,
    )
    def test_equals_that_of_torch_in_one_process(self, group, layer, shape):
        torch.manual_seed(0)
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, 0.5, 2)
        before = {name: each.clone() for name, each in layer.state_dict().items()}
        x, factors = 3 * torch.randn(shape) + 1, torch.randn(shape)

        def results(context):
            layer.load_state_dict(before)
            layer.zero_grad()
            images = x.clone().requires_grad_()
            with context:
                out = layer(images)
            (out * factors).sum().backward()
            gradients = [each.grad for each in layer.parameters()]
            return [out.detach(), images.grad, *gradients, *map(torch.clone, layer.buffers())]

        torchs = results(torch.enable_grad())
        for ours, each in zip(results(SynchronizedBatchNorm()), torchs, strict=True):
            assert_allclose(ours, each, atol=2e-5)

    def test_evaluation_is_left_alone(self):
        layer, x = nn.BatchNorm2d(3).eval(), torch.randn(2, 3, 4, 4)
        with SynchronizedBatchNorm():  # and no process group
            ours = layer(x)
        assert torch.equal(ours, layer(x))
