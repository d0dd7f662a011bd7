"""`evaluate`: any fitted classifier becomes an evaluation report."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skblood import CellEmbedder, MLPCellClassifier
from skblood.evaluation import EvaluationReport, evaluate

PROBABILITY_SCORES = {"log_loss", "brier_score_loss", "expected_calibration_error"}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 5))
    return X, np.array(["a", "b", "c"])[(X[:, 0] + X[:, 1] > 0) + 1 * (X[:, 0] > 1)]


@pytest.fixture(scope="module")
def fitted(cells):
    return MLPCellClassifier((16,), max_epochs=2, random_state=0, device="cpu").fit(*cells)


class TestModels:
    def test_ours(self, fitted, cells):
        X, y = cells
        report = evaluate(fitted, X, y, n_resamples=50)
        expected = EvaluationReport.from_predictions(
            y, fitted.predict(X), fitted.predict_proba(X), n_resamples=50
        )
        assert report.to_dict() == expected.to_dict()
        assert report.scores["accuracy"].value == fitted.score(X, y)

    def test_ours_sees_each_image_once(self, fitted, cells, monkeypatch):
        seen = []
        logits = MLPCellClassifier._logits

        def counted(model, X):
            seen.append(len(X))
            return logits(model, X)

        monkeypatch.setattr(MLPCellClassifier, "_logits", counted)
        evaluate(fitted, *cells, n_resamples=1)
        evaluate(make_pipeline(fitted), *cells, n_resamples=1)
        assert seen == [240, 240]

    @pytest.mark.parametrize(
        "model",
        [
            LogisticRegression(),
            make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2)),
            GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2),
        ],
        ids=lambda model: type(model).__name__,
    )
    def test_of_scikit_learn(self, rows, model):
        X, y = rows
        report = evaluate(model.fit(X, y), X, y, n_resamples=20)
        assert report.scores["accuracy"].value == pytest.approx(model.score(X, y))
        assert report.scores.keys() >= PROBABILITY_SCORES

    def test_without_probabilities(self, rows):
        X, y = rows
        report = evaluate(LinearSVC().fit(X, y), X, y, n_resamples=20)
        assert not PROBABILITY_SCORES & report.scores.keys()
        assert "log_loss" not in str(report)

    def test_embedder_in_a_pipeline(self, cells):
        X, y = cells
        model = make_pipeline(
            CellEmbedder("cellnet_t", random_state=0), StandardScaler(), LogisticRegression()
        )
        report = evaluate(model.fit(X, y), X, y, n_resamples=20)
        assert report.scores["accuracy"].value == model.score(X, y)

    def test_labels_of_the_model_not_of_its_probabilities(self, rows):
        """A model that decides by other means than the largest probability keeps its word."""

        class Contrary(DummyClassifier):
            def predict(self, X):
                return np.full(len(X), "b")

        X, y = rows
        model = Contrary(strategy="constant", constant="a").fit(X, y)
        assert evaluate(model, X, y, n_resamples=1).confusion_matrix[:, 1].sum() == 120


class TestLabels:
    def test_some_classes_only(self, fitted, cells):
        X, y = cells
        some = y == y[0]
        report = evaluate(fitted, X[some], y[some], n_resamples=20)
        assert report.classes == fitted.classes_.tolist()
        assert report.confusion_matrix.shape == (8, 8)
        assert (report.support > 0).sum() == 1

    def test_unknown_ones_are_named_before_the_prediction(self, fitted, cells, monkeypatch):
        X, y = cells
        monkeypatch.setattr(MLPCellClassifier, "_logits", None)
        with pytest.raises(ValueError, match=r"`y` holds 3 labels that are not among .*: 'blast'"):
            evaluate(fitted, X, ["blast"] * 3 + y[3:].tolist())

    def test_numbers_for_names(self, fitted, cells):
        X, y = cells
        with pytest.raises(ValueError, match="`y` holds 240 labels that are not among"):
            evaluate(fitted, X, LabelEncoder().fit_transform(y))

    def test_lengths(self, fitted, cells):
        X, y = cells
        with pytest.raises(ValueError, match="different lengths: `y_true` 239, `y_pred` 240"):
            evaluate(fitted, X, y[1:])

    def test_groups(self, fitted, cells):
        X, y = cells
        report = evaluate(fitted, X, y, groups=np.arange(240) // 6, n_resamples=20)
        assert report.n_groups == 40


@pytest.mark.parametrize("model", [MLPCellClassifier(), DummyClassifier()])
def test_not_fitted(model):
    with pytest.raises(NotFittedError):
        evaluate(model, [[0, 0]], [0])


@pytest.mark.parametrize("model", [DummyRegressor(), CellEmbedder(), "model"])
def test_what_is_no_classifier(model):
    with pytest.raises(TypeError, match=f"{type(model).__name__} is no classifier. Give a fitted"):
        evaluate(model, [[0]], [0])


@pytest.mark.real
def test_real_cells(real_data):
    """Of 20 test sets of 150 images, the intervals of nearly all hold the score of all images."""
    from skblood.datasets import load_npz

    path = real_data / "pbc" / "pbc_28.npz"
    X, y = load_npz(path, split="train", return_X_y=True)
    clf = MLPCellClassifier((128,), max_epochs=3, random_state=0).fit(X[::4], y[::4])
    X, y = load_npz(path, split="test", return_X_y=True)
    whole = evaluate(clf, X, y)
    order = np.random.default_rng(0).permutation(len(y))
    y_pred, y_proba = clf.predict(X)[order], clf.predict_proba(X)[order]
    parts = [
        EvaluationReport.from_predictions(
            y[order][start : start + 150],
            y_pred[start : start + 150],
            y_proba[start : start + 150],
            classes=clf.classes_,
        )
        for start in range(0, 3000, 150)
    ]
    for name in ("accuracy", "f1_macro", "matthews_corrcoef", "log_loss", "brier_score_loss"):
        truth = whole.scores[name].value
        held = sum(part.scores[name].low <= truth <= part.scores[name].high for part in parts)
        assert held >= 17, name
