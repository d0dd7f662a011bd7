"""What `adapt` returns for each classifier, and what it leaves unchanged."""

import copy
import itertools
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
from skblood.adaptation._course import Course
from skblood.estimators import assumed_prior

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

    def test_one_cell_a_class_changes_only_the_output_layer(self, skilled, abroad):
        known = n_per_class(abroad[1], 1)
        adapted = adapt(skilled, abroad[0][known], abroad[1][known], random_state=0)
        before, after = state(skilled), state(adapted)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert adapted.adaptation_.steps == ("output",)
        assert len(changed) == 2 and all(name.startswith("head") for name in changed)
        assert list(adapted.adaptation_.scores) == ["unchanged"]

    def test_unequal_counts_and_classes_without_a_cell(self, skilled, abroad):
        X, y = abroad
        counts = dict(zip(skilled.classes_.tolist(), [0, 0, 4, 0, 4, 1, 3, 0], strict=True))
        known = np.concatenate([np.flatnonzero(y == label)[:n] for label, n in counts.items()])
        adapted = adapt(skilled, X[known], y[known], random_state=0)
        old, new = (clf.predictor_.network.head[-1].weight for clf in (skilled, adapted))
        absent = np.array([n == 0 for n in counts.values()])
        assert adapted.adaptation_.n_labelled == counts
        assert "output" in adapted.adaptation_.steps
        torch.testing.assert_close(old[absent], new[absent])
        assert ((old - new)[~absent].norm(dim=1) > 0.01).all()
        assert np.isfinite(adapted.predict_proba(X)).all()

    @pytest.mark.parametrize("n", [1, 8])
    def test_labels_of_a_single_class_leave_the_outputs(self, skilled, abroad, n):
        """Else all cells would get this class, and cross-validation would approve."""
        X, y = abroad
        partly = np.full(len(y), None, object)
        partly[np.flatnonzero(y == "monocyte")[:n]] = "monocyte"
        adapted = adapt(skilled, X, partly, random_state=0)
        assert not {"bias", "output"} & set(adapted.adaptation_.steps)
        assert "all labeled cells are of one class" in adapted.adaptation_.reason
        assert (adapted.predict(X) == "monocyte").mean() < 0.7

    def test_unlabelled_cells_help(self, skilled, abroad):
        partly, known = abroad[1].astype(object), n_per_class(abroad[1], 2)
        partly[np.setdiff1d(np.arange(160), known)] = None
        one = adapt(skilled, abroad[0], partly, random_state=0)
        other = adapt(skilled, abroad[0][known], abroad[1][known], random_state=0)
        assert one.adaptation_.n_unlabelled == 160 - 16
        assert set(one.adaptation_.n_labelled.values()) == {2}
        assert (
            accuracies(other, one, *abroad, known)[1]
            > accuracies(skilled, other, *abroad, known)[1]
        )

    def test_no_labels_and_missing_labels_are_the_same(self, skilled, abroad):
        X = abroad[0][:40]
        one = adapt(skilled, X, [None] * 40, random_state=0)
        other = adapt(skilled, X, random_state=0)
        assert one.adaptation_ == other.adaptation_
        assert same(state(one), state(other))

    def test_statistics_are_mixed_once_for_all_views(self, skilled, abroad, monkeypatch):
        known = n_per_class(abroad[1], 3)
        X, y = abroad[0][known], abroad[1][known]
        eight = reconfigure(skilled, dihedral_views=8)
        # Also where they do not help.
        falling = itertools.count(0, -1)
        monkeypatch.setattr("skblood.adaptation._course._confidence", lambda *_: next(falling))
        monkeypatch.setattr(Course, "_gain", lambda self, _: torch.ones(len(self._labels)).double())
        for labels in (y, None):
            one, other = (adapt(clf, X, labels, random_state=0) for clf in (skilled, eight))
            assert "statistics" in one.adaptation_.steps and "statistics" in other.adaptation_.steps
            name = "backbones.0.body.stem.1.running_mean"
            torch.testing.assert_close(state(one)[name], state(other)[name])
        assert other.spec_.dihedral_views == other.predictor_.network.dihedral_views == 8

    @pytest.mark.parametrize("with_labels", [True, False])
    @pytest.mark.parametrize("gain", [0.1, -0.1])
    def test_statistics_that_do_not_help_are_refused(
        self, skilled, abroad, monkeypatch, with_labels, gain
    ):
        confidences = iter([0.5 + gain, 0.5])
        monkeypatch.setattr("skblood.adaptation._course._confidence", lambda *_: next(confidences))
        monkeypatch.setattr(Course, "_gain", lambda *_: torch.full((24,), gain).double())
        known = n_per_class(abroad[1], 3)
        y = abroad[1][known] if with_labels else None
        adaptation = adapt(skilled, abroad[0][known], y, random_state=0).adaptation_
        assert ("statistics" in adaptation.steps) == (gain > 0)
        which, verb = "right" if with_labels else "predicted", "" if gain > 0 else " refused"
        assert f"statistics{verb}: mean probability of the {which} class {gain:+}" in (
            adaptation.reason
        )


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


@pytest.mark.usefixtures("no_crop")
class TestPrior:
    CLASSES = ("lymphocyte", "monocyte", "neutrophil")

    @pytest.fixture
    def white(self, abroad):
        known = np.concatenate([np.flatnonzero(abroad[1] == label)[:8] for label in self.CLASSES])
        return abroad[0][known], abroad[1][known]

    def test_classes_that_can_occur(self, skilled, white, abroad):
        adapted = adapt(skilled, *white, classes=self.CLASSES, random_state=0)
        possible = np.isin(adapted.classes_, self.CLASSES)
        proba = adapted.predict_proba(abroad[0])
        assert (proba[:, ~possible] == 0).all() and (proba[:, possible] > 0).all()
        assert adapted.adaptation_.steps[0] == "prior"
        assert list(adapted.adaptation_.scores)[:2] == ["unchanged", "prior"]

    def test_a_prior_is_relative_to_equal_shares_afterwards(self, skilled, white):
        prior = {"lymphocyte": 0.3, "monocyte": 0.1, "neutrophil": 0.6}
        adapted = adapt(skilled, *white, classes=self.CLASSES, prior=prior, random_state=0)
        assert "output" in adapted.adaptation_.steps
        found = {label: share for label, share in assumed_prior(adapted).items() if share}
        assert found == pytest.approx(prior)
        factors = dict(zip(adapted.classes_, adapted.spec_.class_factors, strict=True))
        assert factors["neutrophil"] / factors["monocyte"] == pytest.approx(6)

    def test_those_of_the_model_stay(self, skilled, white):
        prior = {"lymphocyte": 0.3, "monocyte": 0.1, "neutrophil": 0.6}
        held = reconfigure(skilled, classes=self.CLASSES, prior=prior)
        adapted = adapt(held, *white, random_state=0)
        assert "prior" not in adapted.adaptation_.steps
        assert assumed_prior(adapted) == pytest.approx(assumed_prior(held))
        assert adapt(held, *white, classes="all", random_state=0).spec_.class_factors is None

    def test_labels_that_cannot_occur(self, skilled, abroad):
        with pytest.raises(ValueError, match=r"cannot occur: 'basophil'.*Add them"):
            adapt(skilled, *(part[:20] for part in abroad), classes=self.CLASSES)
        with pytest.raises(ValueError, match="blast"):
            adapt(skilled, "no file", classes=["blast", "ig"])  # before anything is read


@pytest.mark.usefixtures("no_crop")
def test_scores_of_the_model_as_it_was_given(skilled, abroad):
    X, y = (part[n_per_class(abroad[1], 3)] for part in abroad)
    given = reconfigure(skilled, dihedral_views=8, prior="blood")
    adapted = given.adapt(X, y, classes="all", prior="training", random_state=0)
    expected = balanced_accuracy_score(y, given.predict(X))
    assert adapted.adaptation_.scores["unchanged"] == pytest.approx(expected)
    expected = balanced_accuracy_score(y, reconfigure(given, prior="training").predict(X))
    assert adapted.adaptation_.scores["prior"] == pytest.approx(expected)


@pytest.mark.usefixtures("no_crop")
def test_another_adaptation_remembers_the_first(skilled, abroad):
    X, y = (part[n_per_class(abroad[1], 3)] for part in abroad)
    adapted = adapt(skilled, X, y, random_state=0)
    again = adapted.adapt(X[:5], prior="blood")
    assert again.adaptation_.steps == (*adapted.adaptation_.steps, "prior")
    # The outputs are still for equal shares.
    assert again.spec_ == reconfigure(adapted, prior="blood").spec_


@pytest.mark.usefixtures("no_crop")
def test_groups_are_those_of_the_labelled_cells(skilled, abroad):
    known = n_per_class(abroad[1], 4)
    X, y = abroad[0][known], abroad[1][known].astype(object)
    patients = np.arange(len(y)) % 4  # one cell of each class
    y[:4] = None
    one, other = (adapt(skilled, X, y, groups=g, random_state=0) for g in (patients, patients + 7))
    assert "cross-validation of whole groups" in one.adaptation_.reason
    assert one.adaptation_ == other.adaptation_
    alone, single = (adapt(skilled, X, y, groups=g, random_state=0) for g in (None, range(len(y))))
    assert alone.adaptation_ == single.adaptation_
    assert "groups" not in alone.adaptation_.reason


def test_the_method_is_the_function(skilled, abroad):
    X, y = (part[n_per_class(abroad[1], 2)] for part in abroad)
    options = {"classes": "all", "prior": "equal", "random_state": 3, "verbose": 0}
    options["groups"] = np.arange(16) // 2
    one, other = adapt(skilled, X, y, **options), skilled.adapt(X, y, **options)
    assert one.adaptation_ == other.adaptation_
    assert same(state(one), state(other)) and one.spec_ == other.spec_


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

    @pytest.mark.parametrize("groups", [[1] * 3, [None] * 24])
    def test_wrong_groups(self, skilled, few, groups):
        with pytest.raises(ValueError, match="groups"):
            adapt(skilled, *few, groups=groups)

    def test_images_unlike_those_of_the_fit(self, skilled, few):
        with pytest.raises(ValueError, match="fitted with"):
            adapt(skilled, few[0][:, 1:], few[1])


def test_verbose_prints_the_stages(model, few, capsys):
    """On the standard error, as the progress of a fit."""
    adapt(model, *few, random_state=0)
    assert capsys.readouterr() == ("", "")
    loud = copy.copy(model).set_params(verbose=2)
    adapt(loud, *few, random_state=0)
    out, err = capsys.readouterr()
    assert not out and all(line.startswith("adapt: ") for line in err.splitlines())
    assert "read the cells" in err and "output layer" in err
    adapt(loud, *few, verbose=0)
    assert capsys.readouterr() == ("", "")
    adapt(model, few[0], verbose=1)
    assert "read the cells" in capsys.readouterr().err
