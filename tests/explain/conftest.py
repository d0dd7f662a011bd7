"""A classifier that is fitted once for all tests of this folder, and held to be left alone."""

import copy

import matplotlib.pyplot as plt
import pytest
import torch

from skblood import TransferCellClassifier


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def fitted(cells):
    """A classifier whose head is linear, fitted on the first 160 cells."""
    X, y = cells
    return TransferCellClassifier(
        "cellnet_t", hidden_layer_sizes=(), max_epochs=3, batch_size=32, random_state=0
    ).fit(X[:160], y[:160])


@pytest.fixture
def is_left_alone():
    """Return what asserts that a call changes nothing of a fitted model."""

    def check(estimator, call):
        module = estimator.net_.module_
        before = copy.deepcopy(module.state_dict())
        flags = [p.requires_grad for p in module.parameters()]
        # Some are left of the training.
        gradients = [copy.deepcopy(p.grad) for p in module.parameters()]
        modes = [m.training for m in module.modules()]
        names = set(vars(estimator))
        call()
        assert set(vars(estimator)) == names
        assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
        assert [p.requires_grad for p in module.parameters()] == flags
        assert [m.training for m in module.modules()] == modes
        for parameter, former in zip(module.parameters(), gradients, strict=True):
            torch.testing.assert_close(parameter.grad, former, rtol=0, atol=0)
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())

    return check
