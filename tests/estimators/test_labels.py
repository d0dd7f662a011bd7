"""Labels written otherwise than the classes of a model, at each place that takes them."""

import numpy as np
import pandas as pd
import pytest

from skblood import adapt, evaluation, uncertainty
from skblood.explain import grad_cam


@pytest.fixture(scope="module")
def codes(small):
    return np.unique(small[1], return_inverse=True)[1]


@pytest.fixture(scope="module")
def fitted_to_text(make_transfer, small, codes):
    return make_transfer(max_epochs=8).fit(small[0], codes.astype(str))


@pytest.fixture(scope="module")
def fitted_to_names(make_transfer, small):
    return make_transfer(max_epochs=1).fit(*small)


@pytest.mark.parametrize("form", [int, float, pd.Series], ids=lambda form: form.__name__)
def test_integers_for_classes_that_are_text(fitted_to_text, small, codes, form):
    clf, X, text = fitted_to_text, small[0], codes.astype(str)
    y = pd.Series(codes, dtype="Int64") if form is pd.Series else codes.astype(form)
    assert clf.score(X, y) == clf.score(X, text) > 0.4
    report = evaluation.evaluate(clf, X, y, n_resamples=10)
    assert report.scores["accuracy"].value == clf.score(X, text)
    maps = [grad_cam(clf, X[:3], target=target[:3]) for target in (y, text)]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("to", [int, str])
def test_training(make_mlp, small, codes, to):
    X = small[0]
    y, other = codes.astype(str if to is int else int), codes.astype(to)
    losses = [
        make_mlp().fit(X, y, X_val=255 - X, y_val=y_val).history_[:, "valid_loss"]
        for y_val in (y, other)
    ]
    assert losses[0] == losses[1]
    clf = make_mlp().partial_fit(X, y, np.unique(y))
    clf.partial_fit(X, other, np.unique(other))
    assert clf.classes_.tolist() == np.unique(y).tolist()
    with pytest.raises(ValueError, match="differ from those of the first call"):
        clf.partial_fit(X, other, np.unique(other)[:2])


def test_adaptation_and_uncertainty(fitted_to_text, small, codes):
    X, text = small[0], codes.astype(str)
    partly = np.where(np.arange(len(codes)) < 24, codes, np.nan)  # integers become floats
    adapted = adapt(fitted_to_text, X, partly, random_state=0)
    assert adapted.classes_.tolist() == fitted_to_text.classes_.tolist()
    sets = [
        uncertainty.PredictionSets(fitted_to_text, confidence_level=0.8).fit(X, y).predict_sets(X)
        for y in (codes, text)
    ]
    np.testing.assert_array_equal(*sets)


def test_display_of_wrong_cells(fitted_to_text, small, codes):
    pytest.importorskip("matplotlib")
    X, text = small[0], codes.astype(str)
    with pytest.raises(ValueError, match="all predictions are correct"):
        evaluation.CellGridDisplay.from_predictions(X, codes, text, only_errors=True)


def test_a_score_counts_labels_that_are_no_class_as_wrong(fitted_to_text, small, codes):
    y = codes.astype(str)
    y[0] = "9"
    with pytest.warns(
        UserWarning, match=r"`y` holds 1 labels .*\['0', '1', '2'\]: '9'\. They"
    ) as c:
        score = fitted_to_text.score(small[0], y)
    assert c[0].filename == __file__
    assert score < fitted_to_text.score(small[0], codes) + 1 / 48


def test_foreign_labels(make_mlp, fitted_to_text, small, codes):
    X, to_integers = small[0], make_mlp().fit(small[0], codes)
    foreign = [
        (fitted_to_text, np.char.add("0", codes.astype(str)), len(X)),
        (to_integers, codes + 1, (codes == 2).sum()),
        (to_integers, codes == 1, len(X)),
        (to_integers, small[1], len(X)),
    ]
    for clf, y, n in foreign:
        with pytest.warns(
            UserWarning, match=rf"`y` holds {n} labels that are not among the classes"
        ):
            assert clf.score(X, y) < 0.7
        for refusing in (evaluation.evaluate, adapt):
            with pytest.raises(ValueError, match=f"holds {n} labels .*Rename these labels"):
                refusing(clf, X, y)


def test_true_and_false_are_the_classes_1_and_0(make_mlp, small, codes):
    X, y = small[0], codes == 1
    for labels, other in ((y, y.astype(int)), (y.astype(int), y)):
        clf = make_mlp().fit(X, labels)
        assert clf.score(X, other) == clf.score(X, labels)


def test_labels_in_another_case(fitted_to_names, small):
    X, y = small
    names = {label.title(): label for label in np.unique(y).tolist()}
    with pytest.raises(
        ValueError, match=r"upper and lower case; if names = \{.*\} mean the same"
    ) as e:
        evaluation.evaluate(fitted_to_names, X, np.char.title(y))
    assert str(names) in str(e.value)
    label = fitted_to_names.classes_[0]
    with pytest.raises(ValueError, match=f"`target` .*'{label}s': '{label}'.*Rename these labels"):
        grad_cam(fitted_to_names, X[:2], target=f"{label}s")


def test_labels_that_may_be_two_classes(make_mlp, small, codes):
    X, y = small[0], np.array(["1", "01", "2"])[codes]
    clf = make_mlp().fit(X, y)
    for call in (clf.score, lambda *Xy: evaluation.evaluate(clf, *Xy, n_resamples=10)):
        with pytest.raises(ValueError, match=r"holds 1, which may be several of the classes"):
            call(X, np.array([1, 1, 2])[codes])
        call(X, clf.classes_[[1, 0, 2]][codes])  # the advice taken


@pytest.mark.parametrize("form", ["S", "O"])
def test_bytes(make_mlp, small, form):
    X, y = small
    labels = np.array([label.encode() for label in y], dtype=form)
    clf = make_mlp().fit(X, y)
    for call in (clf.fit, clf.score, clf.partial_fit):
        with pytest.raises(TypeError, match=r"`y` holds bytes instead of text\. Decode them"):
            call(X, labels)
        call(X, np.char.decode(np.asarray(labels, dtype="S")))
        assert clf.classes_.tolist() == np.unique(y).tolist()
