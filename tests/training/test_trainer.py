"""The trainer: phases, single epochs, interrupts, lack of memory, and the key of a fit."""

import gc
import weakref

import numpy as np
import pytest
import torch
from skorch.callbacks import EarlyStopping

from skblood import TrainingCheckpoint
from skblood.training import Phase, Trainer, TrainingNet, TrainingSet, WeightedLoss, fit_key
from skblood.training._memory import MemoryAdvice

CPU = torch.device("cpu")


def make_trainer(**options):
    options = {"seed": 0, "batch_size": 8, "scoring": "accuracy", **options}
    shape = (4, 4, 3)
    return Trainer(
        classes=np.arange(2), image_shape=shape, device=CPU, dtype=torch.float32, **options
    )


@pytest.fixture
def phase(make_network, make_samples):
    """Return a function that makes a phase of training."""

    def phase(network=None, n_epochs=2, valid=None, **options):
        network = make_network() if network is None else network
        criterion = options.pop("criterion", WeightedLoss("cross_entropy", 0.0))
        return Phase(network, make_samples(), valid, n_epochs, criterion, 0.01, None, **options)

    return phase


class TestPhases:
    def test_single_epochs_keep_the_optimizer(self, phase):
        trainer = make_trainer()
        first = trainer.train_epoch(phase, None, 0.02)
        second = trainer.train_epoch(phase, first.net, 0.01)
        assert (first.best_epoch, second.best_epoch) == (1, 2)
        assert {int(s["step"]) for s in second.net.optimizer_.state.values()} == {6}
        assert {int(s["step"]) for s in first.net.optimizer_.state.values()} == {3}
        assert second.net.history_[1]["train_loss"] < first.net.history_[0]["train_loss"]
        assert {group["lr"] for group in second.net.optimizer_.param_groups} == {0.01}

    def test_checkpoint_beside_other_callbacks(self, tmp_path):
        callbacks = [TrainingCheckpoint(tmp_path), EarlyStopping()]
        with pytest.raises(ValueError, match=r"cannot be used with other callbacks \(EarlyStop"):
            make_trainer(callbacks=callbacks)


class TestMemory:
    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)."),
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            MemoryError(),
        ],
        ids=repr,
    )
    def test_message(self, error):
        with pytest.raises(MemoryError, match=r"Device mps .* memory") as caught:
            with MemoryAdvice(8, (4, 5, 3), torch.device("mps")):
                raise error
        message = str(caught.value)
        parts = ["batches of 8 images of shape (4, 5, 3)", "batch_size", "image_size"]
        parts += ["precision='bfloat16'", "trainable='head'", "device='cpu'"]
        assert not [part for part in parts if part not in message]
        assert caught.value.__cause__ is error

    def test_other_errors_pass(self):
        advised = MemoryError("with its advice")
        advised.__cause__ = ValueError()
        for error in (RuntimeError("a kernel is missing"), advised, KeyboardInterrupt()):
            with pytest.raises(type(error)) as caught, MemoryAdvice(8, (4, 4, 3), CPU):
                raise error
            assert caught.value is error

    def test_network_is_freed(self, phase, monkeypatch):
        """Even while the error is looked at: a notebook keeps the last one."""
        seen = []

        def train_step_single(self, *args, **kwargs):
            seen.append(weakref.ref(self.module_))
            raise torch.OutOfMemoryError("CUDA out of memory.")

        monkeypatch.setattr(TrainingNet, "train_step_single", train_step_single)
        with pytest.raises(MemoryError) as caught:
            make_trainer().train(lambda: iter([phase()]))
        gc.collect()
        assert caught.value.__cause__ is not None
        assert seen[0]() is None


class TestFitKey:
    PARAMETERS = {"lr": 0.1, "random_state": 0, "verbose": 0, "augment": None, "callbacks": None}

    @pytest.fixture
    def data(self):
        from skblood.images import CellImages

        pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
        return TrainingSet.plan(CellImages(pixels), np.arange(6) % 2, np.array(["a", "b"]))

    def key(self, data, name="Classifier", dtype=torch.float32, seed=0, **changes):
        return fit_key(name, {**self.PARAMETERS, **changes}, data, CPU, dtype, seed)

    def test_what_counts(self, data):
        keys = [
            self.key(data),
            self.key(data, name="Other"),
            self.key(data, dtype=torch.bfloat16),
            self.key(data, seed=1),
            self.key(data, lr=0.2),
            self.key(data, augment=np.sum),
            self.key(data, callbacks=[1]),
            self.key(data.split(0.5, 0)),
        ]
        assert len(set(keys)) == len(keys)
        assert {len(key) for key in keys} == {32}

    def test_what_does_not(self, data):
        assert self.key(data, verbose=2, memory="folder") == self.key(data)
        unseeded = [self.key(data, random_state=None, seed=seed) for seed in (0, 1)]
        assert unseeded[0] == unseeded[1]

    def test_what_cannot_be_hashed(self, data):
        with pytest.raises(ValueError, match=r"augment=<.*cannot be pickled.*top level"):
            self.key(data, augment=lambda images: images)
