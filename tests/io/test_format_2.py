"""Files of format 2 go on loading; see fixtures/ for how they were made."""

from pathlib import Path

import numpy as np
import pytest

import skblood

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ["format_2", "format_2_mlp", "format_2_embedder"]


@pytest.mark.parametrize("name", NAMES)
def test_predictions(name):
    with np.load(FIXTURES / "format_2.npz") as stored:
        X, expected = stored["X"], stored[name]
    assert np.ptp(expected, axis=0).max() > 0.05  # else any model would pass
    model = skblood.load(FIXTURES / f"{name}.skblood", device="cpu")
    found = getattr(model, "predict_proba", None) or model.transform
    np.testing.assert_allclose(found(X), expected, atol=1e-5, rtol=1e-4)  # processors differ
    info = skblood.load_info(FIXTURES / f"{name}.skblood")
    assert info["format"] == 2
    assert f"# Model card: {type(model).__name__}" in info["card"]


def test_specification_and_attributes():
    model = skblood.load(FIXTURES / "format_2.skblood")
    spec = model.spec_
    assert (spec.image_size, spec.crop, spec.dihedral_views) == ((24, 24), 0.9, 2)
    assert (spec.head.hidden_layer_sizes, spec.precision) == ((16,), "float32")
    assert (model.early_stopping, model.n_iter_, len(model.history_)) == (12, 12, 12)
    assert model.training_data_["n_images"] + model.training_data_["n_validation_images"] == 90
    assert skblood.load_info(FIXTURES / "format_2.skblood")["evaluation"]["n_images"] == 6
