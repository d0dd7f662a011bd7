"""What only a CUDA device can show."""

import pickle

import numpy as np
import pytest

from skblood import CellEmbedder, MLPCellClassifier, TransferCellClassifier, reconfigure

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(
    "estimator",
    [MLPCellClassifier((32,)), TransferCellClassifier("cellnet_t")],
    ids=["mlp", "transfer"],
)
def test_trains_there_and_predicts_the_same_on_the_cpu(cells, estimator):
    X, y = cells
    estimator.set_params(max_epochs=2, random_state=0).fit(X, y)
    assert estimator.device_.startswith("cuda")
    there = estimator.predict_proba(X)
    here = reconfigure(pickle.loads(pickle.dumps(estimator)), device="cpu").predict_proba(X)
    np.testing.assert_allclose(there, here, atol=1e-3)


def test_images_that_do_not_fit_are_sent_batch_by_batch(cells, monkeypatch):
    import torch

    X, y = cells
    fitted = TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0).fit(X, y)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (X.nbytes, X.nbytes))
    again = TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), again.predict_proba(X), atol=1e-2)


def test_embeds_there(cells):
    X, _ = cells
    there = CellEmbedder("cellnet_t", random_state=0).fit_transform(X)
    here = CellEmbedder("cellnet_t", random_state=0, device="cpu").fit_transform(X)
    np.testing.assert_allclose(there, here, atol=1e-2)
