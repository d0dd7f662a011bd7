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
        before = copy.deepcopy(network.state_dict())
        flags = [p.requires_grad for p in network.parameters()]
        gradients = [copy.deepcopy(p.grad) for p in network.parameters()]  # left by the training
        modes = [m.training for m in network.modules()]
        names = set(vars(estimator))
        call()
        assert set(vars(estimator)) == names
        assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
        assert [p.requires_grad for p in network.parameters()] == flags
        assert [m.training for m in network.modules()] == modes
        for parameter, former in zip(network.parameters(), gradients, strict=True):
            torch.testing.assert_close(parameter.grad, former, rtol=0, atol=0)
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())

    return check
