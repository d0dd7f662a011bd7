"""The contract of `adapt`: what comes back, and what stays as it was."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

import skblood
from skblood import CellEmbedder, MLPCellClassifier, TransferCellClassifier
from skblood.adaptation import _tune, adapt

from .conftest import MAKERS, n_per_class, other_laboratory, same, state


@pytest.fixture(scope="module")
def few(small):
    """(X, y): three cells of each class in another laboratory."""
    X, y = small
    known = n_per_class(y, 3)
    return other_laboratory(X[known]), y[known]


@pytest.fixture(scope="module")
def adapted(model, few):
    return adapt(model, *few, random_state=0)


class TestEachClassifier:
    def test_it_is_a_new_one_of_the_same_class(self, model, adapted):
        assert adapted is not model
        assert type(adapted) is type(model)
        assert adapted.get_params() == model.get_params()
        np.testing.assert_array_equal(adapted.classes_, model.classes_)

    def test_it_predicts(self, adapted, small):
        probabilities = adapted.predict_proba(small[0])
        assert probabilities.shape == (64, 8)
        np.testing.assert_allclose(probabilities.sum(1), 1)
        assert set(adapted.predict(small[0])) <= set(adapted.classes_)

    def test_the_old_one_is_untouched(self, model, small, few):
        X = small[0]
        before, attributes = state(model), copy.copy(vars(model))
        expected = model.predict_proba(X)
        adapt(model, *few, random_state=0)
        adapt(model, few[0], random_state=0)

        assert same(before, state(model))
        assert vars(model).keys() == attributes.keys()
        assert all(vars(model)[name] is value for name, value in attributes.items())
        np.testing.assert_array_equal(model.predict_proba(X), expected)

    def test_nothing_is_shared_with_the_old_one(self, model, adapted):
        old = {t.data_ptr() for t in model.net_.module_.state_dict().values()}
        new = {t.data_ptr() for t in adapted.net_.module_.state_dict().values()}
        assert not old & new
        assert adapted.history_ is not model.history_

    def test_what_the_training_was_is_kept(self, model, adapted):
        assert adapted.training_data_ == model.training_data_
        assert adapted.n_iter_ == model.n_iter_
        assert adapted.best_epoch_ == model.best_epoch_
        assert adapted.net_.module_.frozen == model.net_.module_.frozen

    def test_a_file_gives_it_back(self, adapted, small, tmp_path):
        path = skblood.save(adapted, tmp_path / "adapted.skblood")
        again = skblood.load(path)
        np.testing.assert_array_equal(
            again.predict_proba(small[0]), adapted.predict_proba(small[0])
        )
        assert again.adaptation_ == adapted.adaptation_

    def test_a_pickle_gives_it_back(self, adapted, small):
        again = pickle.loads(pickle.dumps(adapted))
        np.testing.assert_array_equal(
            again.predict_proba(small[0]), adapted.predict_proba(small[0])
        )
        assert again.adaptation_ == adapted.adaptation_

    def test_it_is_adapted_again(self, adapted, few):
        again = adapt(adapted, *few, random_state=0)
        assert again.adaptation_.n_labelled == dict.fromkeys(adapted.classes_.tolist(), 3)


def test_four_cells_a_class_help_abroad(skilled, abroad):
    X, y = abroad
    known = n_per_class(y, 4)
    rest = np.setdiff1d(np.arange(len(y)), known)
    adapted = adapt(skilled, X[known], y[known], random_state=0)
    before, after = (
        balanced_accuracy_score(y[rest], clf.predict(X[rest])) for clf in (skilled, adapted)
    )
    assert adapted.adaptation_.steps
    assert after > before + 0.1


def test_with_more_cells_the_network_is_tried(skilled, abroad, monkeypatch):
    monkeypatch.setattr(_tune, "_N_STEPS", 2)
    X, y = abroad
    known = n_per_class(y, 5)
    adaptation = adapt(skilled, X[known], y[known], random_state=0).adaptation_
    assert sum(name.endswith("network") for name in adaptation.scores) == 1


def test_nothing_is_lost_at_home(skilled, home):
    X, y = home
    known = n_per_class(y, 4)
    rest = np.setdiff1d(np.arange(len(y)), known)
    adapted = adapt(skilled, X[known], y[known], random_state=0)
    before, after = (
        balanced_accuracy_score(y[rest], clf.predict(X[rest])) for clf in (skilled, adapted)
    )
    assert after >= before - 0.05


def test_one_cell_a_class_moves_the_output_layer_alone(skilled, abroad):
    X, y = abroad
    known = n_per_class(y, 1)
    adapted = adapt(skilled, X[known], y[known], random_state=0)
    before, after = state(skilled), state(adapted)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert adapted.adaptation_.steps == ("output",)
    assert len(moved) == 2 and all(name.startswith("head") for name in moved)
    assert adapted.adaptation_.scores == {}


def test_classes_without_a_cell_keep_their_weights(skilled, abroad):
    X, y = abroad
    known = n_per_class(y, 4)
    known = known[np.isin(y[known], ["lymphocyte", "monocyte", "neutrophil"])]
    adapted = adapt(skilled, X[known], y[known], random_state=0)
    absent = ~np.isin(skilled.classes_, ["lymphocyte", "monocyte", "neutrophil"])
    old, new = (clf.net_.module_.head[-1] for clf in (skilled, adapted))

    assert "output" in adapted.adaptation_.steps
    assert torch.equal(old.weight[absent], new.weight[absent])
    assert torch.equal(old.bias[absent], new.bias[absent])
    assert not torch.equal(old.weight[~absent], new.weight[~absent])
    assert adapted.predict_proba(X).shape == (160, 8)
    assert adapted.adaptation_.n_labelled["platelet"] == 0


def test_labelled_and_unlabelled_cells_together(skilled, abroad):
    X, y = abroad
    partly = y.astype(object)
    partly[np.setdiff1d(np.arange(len(y)), n_per_class(y, 3))] = None
    adaptation = adapt(skilled, X, partly, random_state=0).adaptation_
    assert adaptation.n_unlabelled == 160 - 24
    assert set(adaptation.n_labelled.values()) == {3}
    assert any("self-training" in name for name in adaptation.scores)


def test_unequal_counts(skilled, abroad):
    X, y = abroad
    counts = dict(zip(skilled.classes_, [1, 2, 7, 0, 3, 1, 5, 2], strict=True))
    known = np.concatenate([np.flatnonzero(y == label)[:n] for label, n in counts.items()])
    adapted = adapt(skilled, X[known], y[known], random_state=0)
    assert adapted.adaptation_.n_labelled == counts
    assert np.isfinite(adapted.predict_proba(X)).all()


def test_cells_of_one_class_alone(skilled, abroad):
    X, y = abroad
    known = np.flatnonzero(y == "monocyte")[:4]
    adapted = adapt(skilled, X[known], y[known], random_state=0)
    assert np.isfinite(adapted.predict_proba(X)).all()


def test_labels_that_are_all_missing_are_none(skilled, abroad):
    X, _ = abroad
    one = adapt(skilled, X, [None] * len(X), random_state=0)
    other = adapt(skilled, X, random_state=0)
    assert one.adaptation_ == other.adaptation_
    assert same(state(one), state(other))


def test_the_seed_repeats_it(skilled, abroad):
    X, y = abroad
    known = n_per_class(y, 2)
    one, other = (adapt(skilled, X[known], y[known], random_state=7) for _ in range(2))
    assert same(state(one), state(other))
    assert one.adaptation_ == other.adaptation_


def test_what_is_the_callers_is_left_as_it_was(skilled, abroad):
    X, y = abroad[0].copy(), abroad[1].copy()
    known = n_per_class(y, 2)
    X, y = X[known], y[known]
    given = X.copy(), y.copy()
    generator = np.random.RandomState(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    adapt(skilled, X, y, random_state=0)

    np.testing.assert_array_equal(X, given[0])
    np.testing.assert_array_equal(y, given[1])
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]
    adapt(skilled, X, y, random_state=generator)
    assert generator.randint(2**31) != np.random.RandomState(0).randint(2**31)  # one was drawn


def test_rows_of_numbers_have_no_views():
    rng = np.random.RandomState(0)
    X = np.concatenate([rng.normal(size=(30, 7)), rng.normal(2, size=(30, 7))])
    y = np.repeat([3, 8], 30)
    clf = MLPCellClassifier((8,), max_epochs=5, batch_size=16, random_state=0, device="cpu")
    clf.fit(X, y)
    adapted = adapt(clf, X + 3, y, random_state=0)
    assert adapted.score(X + 3, y) >= clf.score(X + 3, y)
    assert adapted.adaptation_.n_labelled == {3: 30, 8: 30}


def test_integer_labels_with_minus_one(small):
    X, y = small
    codes = np.unique(y, return_inverse=True)[1]
    clf = TransferCellClassifier(
        "cellnet_t", max_epochs=1, batch_size=16, random_state=0, device="cpu"
    ).fit(X, codes)
    codes[20:] = -1
    assert adapt(clf, X, codes, random_state=0).adaptation_.n_unlabelled == 44


class TestErrors:
    def test_not_fitted(self, abroad):
        with pytest.raises(NotFittedError):
            adapt(TransferCellClassifier("cellnet_t"), *abroad)

    @pytest.mark.parametrize("other", [CellEmbedder("cellnet_t"), LogisticRegression(), None])
    def test_no_classifier_of_ours(self, other, abroad):
        with pytest.raises(TypeError, match=f"got a {type(other).__name__}.*Give a Transfer"):
            adapt(other, *abroad)

    def test_a_label_that_the_model_does_not_know(self, skilled, abroad):
        with pytest.raises(ValueError, match=r"\['blast'\].*fit a new one"):
            adapt(skilled, abroad[0][:2], ["blast", "monocyte"])

    def test_more_cells_than_labels(self, skilled, abroad):
        X, y = abroad
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            adapt(skilled, X, y[:-1])

    def test_images_of_another_shape(self, skilled, abroad):
        with pytest.raises(ValueError, match="image_size"):
            adapt(skilled, abroad[0][:, :20], abroad[1])


def test_another_fit_forgets_the_adaptation(small):
    X, y = small
    clf = MAKERS["mlp"]().fit(X, y)
    adapted = adapt(clf, other_laboratory(X), y, random_state=0)
    assert hasattr(adapted, "adaptation_")
    assert not hasattr(adapted.fit(X, y), "adaptation_")
