"""The frame that is chosen for the cells of another laboratory."""

import numpy as np
import pytest
import torch

from skblood import TransferCellClassifier, adapt, load, save
from skblood.adaptation import _frame
from skblood.adaptation._frame import choose_frame
from skblood.datasets import make_blood_cells
from skblood.images._crop import crop_image


@pytest.fixture(scope="module")
def cells():
    return make_blood_cells(320, image_size=32, random_state=0)


@pytest.fixture(scope="module")
def model(cells):
    return TransferCellClassifier("cellnet_t", max_epochs=12, random_state=0).fit(*cells)


@pytest.fixture(scope="module")
def far_away():
    """Return cells that a laboratory cuts out more widely: half as large in the image."""
    X, y = make_blood_cells(96, image_size=32, random_state=1)
    return np.stack([crop_image(x, 2.0) for x in X]), y


@pytest.fixture(scope="module")
def sized(cells):
    clf = TransferCellClassifier("cellnet_t", image_size=32, max_epochs=12, random_state=0)
    return clf.fit(*cells)


@pytest.fixture(scope="module")
def adapted(sized, far_away):
    X, y = far_away
    return adapt(sized, X[:48], y[:48], random_state=0)


def codes_of(model, y, n=None):
    codes = torch.from_numpy(np.searchsorted(model.classes_, y))
    if n is not None:
        codes[n:] = -1
    return codes


class TestChooseFrame:
    @pytest.mark.parametrize("n_labelled", [0, 48])
    def test_finds_the_cells(self, sized, far_away, n_labelled, monkeypatch):
        monkeypatch.setattr(_frame, "SURE", 0.45)  # this model is sure of little
        X, y = far_away
        framed, note = choose_frame(sized, X, codes_of(sized, y, n_labelled))
        assert framed.crop_ in (0.5, 0.6)
        assert framed.score(X, y) > sized.score(X, y) + 0.1
        assert f"crop {framed.crop:g} gives" in note

    def test_an_unsure_model_without_labels_changes_nothing(self, sized, far_away):
        X, y = far_away
        framed, note = choose_frame(sized, X, codes_of(sized, y, 0))
        assert framed is sized
        assert note == ""

    def test_one_labelled_cell_changes_nothing(self, sized, far_away):
        X, y = far_away
        framed, note = choose_frame(sized, X, codes_of(sized, y, 1))
        assert framed is sized
        assert note == ""

    @pytest.mark.parametrize(("n", "margin"), [(4, 3.8), (20, 2.19), (300, 2.01)])
    def test_few_cells_must_agree_more(self, n, margin):
        assert _frame._margin(n) == pytest.approx(margin, abs=0.01)

    def test_leaves_what_is_right(self, sized):
        X, y = make_blood_cells(96, image_size=32, random_state=2)
        framed, note = choose_frame(sized, X, codes_of(sized, y))
        assert framed is sized
        assert note == ""

    def test_leaves_the_model_as_it_was(self, sized, far_away):
        X, y = far_away
        before = sized.predict_proba(X[:8])
        choose_frame(sized, X, codes_of(sized, y))
        assert (sized.crop, sized.crop_) == (1.0, 1.0)
        np.testing.assert_array_equal(sized.predict_proba(X[:8]), before)

    def test_a_model_without_a_size(self, model, cells):
        X, y = cells
        wide = np.stack([crop_image(crop_image(x, 2.0), 0.5) for x in X[:64]])
        framed, _ = choose_frame(model, wide, codes_of(model, y[:64]))
        assert framed.predict_proba(wide).shape == (64, 8)
        assert model.image_size_ is None


class TestInAdapt:
    def test_it_is_a_step(self, adapted):
        assert adapted.adaptation_.steps[0] == "frame"
        assert adapted.adaptation_.reason.startswith("crop 0.")
        assert adapted.crop in (0.5, 0.6)

    def test_it_is_saved(self, adapted, far_away, tmp_path):
        X, _ = far_away
        again = load(save(adapted, tmp_path / "model.safetensors"))
        assert again.crop_ == adapted.crop_
        np.testing.assert_array_equal(again.predict_proba(X), adapted.predict_proba(X))

    def test_it_helps_on_other_cells(self, adapted, sized, far_away):
        X, y = far_away
        assert adapted.score(X[48:], y[48:]) > sized.score(X[48:], y[48:]) + 0.1
