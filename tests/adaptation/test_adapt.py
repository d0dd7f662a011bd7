"""What `adapt` returns for each classifier, and what it leaves unchanged."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
    adapt,
    load,
    reconfigure,
    save,
)
from skblood.adaptation import _fine_tuning

from .conftest import QUICK, n_per_class, other_laboratory, same, state

MAKERS = {
    "transfer": lambda: TransferCellClassifier("cellnet_t", **QUICK),
    "frozen": lambda: TransferCellClassifier("cellnet_t", trainable="head", **QUICK),
    "hybrid": lambda: HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"), hidden_layer_sizes=(16,), refine_epochs=0, **QUICK
    ),
    "contrastive": lambda: ContrastiveCellClassifier("cellnet_t", pretrain_epochs=1, **QUICK),
    "mlp": lambda: MLPCellClassifier((16,), **QUICK),
}


@pytest.fixture(scope="module")
def few(small):
    """(X, y): three cells of each class in another laboratory."""
    known = n_per_class(small[1], 3)
    return other_laboratory(small[0][known]), small[1][known]


@pytest.fixture(scope="module", params=list(MAKERS))
def model(request, small):
    return MAKERS[request.param]().fit(*small)


@pytest.fixture(scope="module")
def given(model, small):
    """State, attributes and probabilities of the model before it is adapted."""
    return state(model), copy.copy(vars(model)), model.predict_proba(small[0])


@pytest.fixture(scope="module")
def adapted(model, given, few):
    return adapt(model, *few, random_state=0)


class TestEachClassifier:
    def test_a_new_one_of_the_same_class_predicts(self, model, adapted, small):
        assert type(adapted) is type(model)
        assert adapted.get_params() == model.get_params()
        for name in ("training_data_", "n_iter_", "best_epoch_", "history_"):
            assert getattr(adapted, name) == getattr(model, name)
        assert adapted.predictor_.network.frozen == model.predictor_.network.frozen
        np.testing.assert_array_equal(adapted.classes_, model.classes_)
        probabilities = adapted.predict_proba(small[0])
        assert probabilities.shape == (64, 8)
        np.testing.assert_allclose(probabilities.sum(1), 1)

    def test_the_given_one_is_unchanged_and_shares_nothing(self, model, given, adapted, small):
        tensors, attributes, probabilities = given
        assert same(tensors, state(model))
        assert vars(model).keys() == attributes.keys()
        assert all(vars(model)[name] is value for name, value in attributes.items())
        np.testing.assert_array_equal(model.predict_proba(small[0]), probabilities)
        old, new = (
            {t.data_ptr() for t in clf.predictor_.network.state_dict().values()}
            for clf in (model, adapted)
        )
        assert not old & new

    def test_files_and_pickles_keep_it(self, adapted, small, tmp_path):
        path = save(adapted, tmp_path / "adapted.skblood")
        for again in (load(path), pickle.loads(pickle.dumps(adapted))):
            probabilities = again.predict_proba(small[0])
            np.testing.assert_allclose(probabilities, adapted.predict_proba(small[0]), atol=1e-6)
            assert again.adaptation_ == adapted.adaptation_


def accuracies(skilled, adapted, X, y, known):
    rest = np.setdiff1d(np.arange(len(y)), known)
    return [balanced_accuracy_score(y[rest], clf.predict(X[rest])) for clf in (skilled, adapted)]


@pytest.mark.usefixtures("no_crop")
class TestAbroad:
    def test_four_cells_a_class_help(self, skilled, abroad):
        known = n_per_class(abroad[1], 4)
        adapted = adapt(skilled, abroad[0][known], abroad[1][known], random_state=0)
        before, after = accuracies(skilled, adapted, *abroad, known)
        assert adapted.adaptation_.steps
        assert after > before + 0.1

    def test_nothing_is_lost_at_home(self, skilled, home):
        known = n_per_class(home[1], 4)
        adapted = adapt(skilled, home[0][known], home[1][known], random_state=0)
        before, after = accuracies(skilled, adapted, *home, known)
        assert after >= before - 0.05

    def test_five_cells_a_class_train_the_network(self, skilled, abroad, monkeypatch):
        monkeypatch.setattr(_fine_tuning, "_N_STEPS", 2)
        known = n_per_class(abroad[1], 5)
        scores = adapt(skilled, abroad[0][known], abroad[1][known], random_state=0)
        assert sum(name.endswith("network") for name in scores.adaptation_.scores) == 1

    def test_one_cell_a_class_changes_only_the_output_layer(self, skilled, abroad):
        known = n_per_class(abroad[1], 1)
        adapted = adapt(skilled, abroad[0][known], abroad[1][known], random_state=0)
        before, after = state(skilled), state(adapted)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert adapted.adaptation_.steps == ("output",)
        assert len(changed) == 2 and all(name.startswith("head") for name in changed)
        assert adapted.adaptation_.scores == {}

    def test_unequal_counts_and_classes_without_a_cell(self, skilled, abroad, monkeypatch):
        X, y = abroad
        monkeypatch.setattr(_fine_tuning, "_N_STEPS", 2)
        counts = dict(zip(skilled.classes_.tolist(), [0, 0, 7, 0, 6, 1, 5, 0], strict=True))
        known = np.concatenate([np.flatnonzero(y == label)[:n] for label, n in counts.items()])
        adapted = adapt(skilled, X[known], y[known], random_state=0)
        old, new = (clf.predictor_.network.head[-1] for clf in (skilled, adapted))
        absent = np.array([n == 0 for n in counts.values()])
        assert adapted.adaptation_.n_labelled == counts
        assert "output" in adapted.adaptation_.steps
        if "network" not in adapted.adaptation_.steps:
            assert torch.equal(old.weight[absent], new.weight[absent])
        assert not torch.equal(old.weight[~absent], new.weight[~absent])
        assert np.isfinite(adapted.predict_proba(X)).all()
        known = np.flatnonzero(y == "monocyte")[:4]  # a single class
        adapted = adapt(skilled, X[known], y[known], random_state=0)
        assert np.isfinite(adapted.predict_proba(X)).all()

    def test_labelled_and_unlabelled_cells_together(self, skilled, abroad):
        partly = abroad[1].astype(object)
        partly[np.setdiff1d(np.arange(160), n_per_class(abroad[1], 3))] = None
        adaptation = adapt(skilled, abroad[0], partly, random_state=0).adaptation_
        assert adaptation.n_unlabelled == 160 - 24
        assert set(adaptation.n_labelled.values()) == {3}
        assert any("self-training" in name for name in adaptation.scores)

    def test_no_labels_and_missing_labels_are_the_same(self, skilled, abroad):
        X = abroad[0][:40]
        one = adapt(skilled, X, [None] * 40, random_state=0)
        other = adapt(skilled, X, random_state=0)
        assert one.adaptation_ == other.adaptation_
        assert same(state(one), state(other))

    def test_dihedral_views_do_not_change_the_adaptation(self, skilled, abroad):
        known = n_per_class(abroad[1], 3)
        X, y = abroad[0][known], abroad[1][known]
        eight = reconfigure(skilled, dihedral_views=8)
        for labels in (y, None):  # statistics would be mixed eight times
            one, other = (adapt(clf, X, labels, random_state=0) for clf in (skilled, eight))
            assert one.adaptation_ == other.adaptation_
            assert same(state(one), state(other))
        assert other.spec_.dihedral_views == other.predictor_.network.dihedral_views == 8
        assert not np.allclose(one.predict_proba(X), other.predict_proba(X))


def test_the_seed_repeats_it_and_nothing_else_is_changed(skilled, abroad):
    known = n_per_class(abroad[1], 2)
    X, y = abroad[0][known], abroad[1][known]
    given, generator = (X.copy(), y.copy()), np.random.RandomState(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    one, other = (adapt(skilled, X, y, random_state=7) for _ in range(2))
    assert same(state(one), state(other))
    assert one.adaptation_ == other.adaptation_

    np.testing.assert_array_equal(X, given[0])
    np.testing.assert_array_equal(y, given[1])
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]
    adapt(skilled, X, y, random_state=generator)
    assert generator.randint(2**31) != np.random.RandomState(0).randint(2**31)  # one was drawn


def test_parameters_set_after_fit_do_not_matter(skilled, few):
    other = copy.deepcopy(skilled).set_params(crop=0.5, image_size=64, trainable="head")
    one, other = (adapt(clf, *few, random_state=0) for clf in (skilled, other))
    assert same(state(one), state(other))
    assert one.adaptation_ == other.adaptation_


def test_rows_of_numbers_have_no_views():
    rng = np.random.RandomState(0)
    X = np.concatenate([rng.normal(size=(30, 7)), rng.normal(2, size=(30, 7))])
    y = np.repeat([3, 8], 30)
    clf = MLPCellClassifier((8,), **{**QUICK, "max_epochs": 5}).fit(X, y)
    partly = np.where(np.arange(60) % 3, y, -1)
    adapted = adapt(clf, X + 3, partly, random_state=0)
    assert adapted.score(X + 3, y) >= clf.score(X + 3, y)
    assert adapted.adaptation_.n_labelled == {3: 20, 8: 20}
    assert adapted.adaptation_.n_unlabelled == 20
    assert not hasattr(adapted.fit(X, y), "adaptation_")  # another fit forgets the adaptation


class TestErrors:
    def test_not_fitted(self, few):
        with pytest.raises(NotFittedError):
            adapt(TransferCellClassifier("cellnet_t"), *few)

    @pytest.mark.parametrize("other", [CellEmbedder("cellnet_t"), LogisticRegression()])
    def test_no_classifier_of_skblood(self, other, few):
        with pytest.raises(TypeError, match=f"got a {type(other).__name__}"):
            adapt(other, *few)

    def test_wrong_labels(self, skilled, few):
        with pytest.raises(ValueError, match=r"not among the classes.*'blast'"):
            adapt(skilled, few[0][:2], ["blast", "monocyte"])
        with pytest.raises(ValueError, match="one entry for each image"):
            adapt(skilled, few[0], few[1][:-1])

    def test_images_unlike_those_of_the_fit(self, skilled, few):
        with pytest.raises(ValueError, match="fitted with"):
            adapt(skilled, few[0][..., :1], few[1])


def test_verbose_prints_the_stages(model, few, capsys):
    """On the standard error, as the progress of a fit."""
    adapt(model, *few, random_state=0)
    assert capsys.readouterr() == ("", "")
    loud = copy.copy(model).set_params(verbose=2)
    for cells, stage in ((few, "cross-validation of: output"), (few[:1], "without labels: ")):
        adapt(loud, *cells, random_state=0)
        out, err = capsys.readouterr()
        assert not out and all(line.startswith("adapt: ") for line in err.splitlines())
        assert "read the cells" in err and stage in err
