"""A fitted classifier for all tests of this folder, and a check that it is not modified."""

import copy

import matplotlib.pyplot as plt
import pytest
import torch

from skblood import TransferCellClassifier


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def fitted(cells):
    """A classifier with a linear head, fitted on the first 160 cells."""
    X, y = cells
    return TransferCellClassifier(
        "cellnet_t", hidden_layer_sizes=(), max_epochs=3, batch_size=32, random_state=0
    ).fit(X[:160], y[:160])


@pytest.fixture
def assert_unmodified():
    """Return a function that asserts that a call does not modify a fitted classifier."""

    def check(estimator, call):
        network = estimator.predictor_.network
        before = copy.deepcopy(network)
        gradients = [copy.deepcopy(tensor.grad) for tensor in network.parameters()]
        names = set(vars(estimator))
        call()
        assert set(vars(estimator)) == names
        for part, former in zip(network.modules(), before.modules(), strict=True):
            assert part.training == former.training
            assert not part._forward_hooks and not part._forward_pre_hooks
        for tensor, former in zip(network.parameters(), before.parameters(), strict=True):
            assert torch.equal(tensor, former) and tensor.requires_grad == former.requires_grad
        for tensor, former in zip(network.buffers(), before.buffers(), strict=True):
            assert torch.equal(tensor, former)
        for tensor, former in zip(network.parameters(), gradients, strict=True):
            assert tensor.grad is former is None or torch.equal(tensor.grad, former)

    return check
