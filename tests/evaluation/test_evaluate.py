"""`evaluate`: report of any fitted classifier; images are read once."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skblood import CellEmbedder, MLPCellClassifier, reconfigure
from skblood.estimators import describe_prior
from skblood.evaluation import EvaluationReport, evaluate
from skblood.uncertainty import PredictionSets

PROBABILITY_SCORES = {"log_loss", "brier_score_loss", "expected_calibration_error"}


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).normal(size=(120, 5))
    return X, np.array(["a", "b", "c"])[(X[:, 0] + X[:, 1] > 0) + 1 * (X[:, 0] > 1)]


@pytest.fixture(scope="module")
def fitted(cells):
    return MLPCellClassifier((16,), max_epochs=2, random_state=0, device="cpu").fit(*cells)


class TestModels:
    def test_of_skblood(self, fitted, cells):
        X, y = cells
        report = evaluate(fitted, X, y, n_resamples=50)
        expected = EvaluationReport.from_predictions(
            y, fitted.predict(X), fitted.predict_proba(X), n_resamples=50
        )
        assert report.to_dict() == expected.to_dict()
        assert report.scores["accuracy"].value == fitted.score(X, y)

    @pytest.mark.parametrize(
        "model",
        [
            LogisticRegression(),
            make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2)),
            GridSearchCV(
                make_pipeline(LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2
            ),
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

    def test_labels_of_the_model_not_of_its_probabilities(self, rows):
        """Some models do not predict the most probable class."""

        class Contrary(DummyClassifier):
            def predict(self, X):
                return np.full(len(X), "b")

        X, y = rows
        model = Contrary(strategy="constant", constant="a").fit(X, y)
        assert evaluate(model, X, y, n_resamples=1).confusion_matrix[:, 1].sum() == 120

    @pytest.mark.parametrize("model", [DummyRegressor(), CellEmbedder(), "model"])
    def test_no_classifier(self, model):
        with pytest.raises(TypeError, match=f"{type(model).__name__} is not a classifier"):
            evaluate(model, [[0]], [0])


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that Pillow opens."""
    opened, open_image = [], Image.open
    monkeypatch.setattr(
        Image, "open", lambda path, **kw: (opened.append(path), open_image(path, **kw))[1]
    )
    return opened


class TestPrior:
    """Accuracy and balanced accuracy say different things once a prior is on."""

    def test_of_the_model(self, fitted, cells):
        X, y = cells
        shares = np.arange(1, 1 + len(fitted.classes_))
        model = reconfigure(fitted, prior=shares)
        report = evaluate(make_pipeline(model), X, y, n_resamples=50)
        assert report.note == describe_prior(model) != ""
        recalls = [each.value for each in report.class_scores["recall"]]
        found = report.scores["accuracy_at_shares"]
        assert found.value == pytest.approx(np.average(recalls, weights=shares))
        assert found.low < found.value < found.high
        second = str(report).splitlines()[1]
        assert second.startswith("Prior (class shares that are assumed)")
        assert report.to_dict()["note"] == report.note

    def test_shares_of_the_test_set_give_the_accuracy(self, fitted, cells):
        X, y = cells
        report = evaluate(fitted, X, y, shares=pd.Series(y).value_counts(), n_resamples=50)
        assert report.note == ""
        at_shares, accuracy = report.scores["accuracy_at_shares"], report.scores["accuracy"]
        assert at_shares == pytest.approx(accuracy, abs=0.01)
        assert at_shares.value == pytest.approx(accuracy.value)

    def test_classes_without_images_are_left_out(self):
        y, found = ["a", "a", "b", "b"], ["a", "b", "b", "b"]
        settings = {"classes": ["a", "b", "c"], "n_resamples": 50}
        make = EvaluationReport.from_predictions
        report = make(y, found, shares={"a": 3, "b": 1, "c": 9}, **settings)
        assert report.scores["accuracy_at_shares"].value == pytest.approx(0.75 * 0.5 + 0.25)
        assert make(y, found, shares=[3, 1, 9], **settings).to_dict() == report.to_dict()
        assert make(y, found, shares={"a": 3, "b": 1}, **settings).to_dict() == report.to_dict()
        with pytest.raises(ValueError, match="no share of 'b'"):
            make(y, found, shares={"a": 3}, **settings)


class TestReading:
    @pytest.mark.parametrize("kind", ["alone", "pipeline", "calibrated", "embedder", "search"])
    def test_each_file_is_decoded_once(self, fitted, cells, decoded, tmp_path, kind):
        X, y = cells[0][:24], cells[1][:24]
        frozen = FrozenEstimator(fitted)
        calibrated = CalibratedClassifierCV(frozen, method="temperature", ensemble=False)
        embedder = CellEmbedder("cellnet_t", random_state=0)
        model = {
            "alone": fitted,
            "pipeline": make_pipeline(fitted),
            "search": GridSearchCV(clone(fitted), {}, cv=KFold(2)),
            "calibrated": calibrated,
            "embedder": make_pipeline(embedder, StandardScaler(), LogisticRegression()),
        }[kind]
        if kind in ("search", "calibrated", "embedder"):
            model.fit(*cells)
        paths = [tmp_path / f"{i}.png" for i in range(24)]
        for image, path in zip(X, paths, strict=True):
            Image.fromarray(image).save(path)
        report = evaluate(model, paths, y, n_resamples=2)
        assert sorted(decoded) == sorted(paths)
        assert report.to_dict() == evaluate(model, X, y, n_resamples=2).to_dict()

    def test_images_that_were_read_already_and_groups(self, fitted, cells):
        X, y = cells
        options = {"n_resamples": 2, "groups": np.arange(240) // 6}
        expected = evaluate(fitted, X, y, **options)
        assert evaluate(fitted, fitted.read_images(X), y, **options).to_dict() == expected.to_dict()
        assert expected.n_groups == 40


class TestLabels:
    def test_some_classes_only(self, fitted, cells):
        X, y = cells
        some = y == y[0]
        report = evaluate(fitted, X[some], y[some], n_resamples=20)
        assert report.classes == fitted.classes_.tolist()
        assert (report.support > 0).sum() == 1

    @pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
    def test_missing_labels_are_counted(self, fitted, cells, missing):
        X, y = cells[0], cells[1].astype(object)
        y[[2, 5]] = missing
        for score in (partial(evaluate, fitted), fitted.score, PredictionSets(fitted).fit):
            with pytest.raises(ValueError, match=r"^`y` has 2 missing entries.*position 2. Leave"):
                score(X, y)

    def test_unknown_labels_are_named_before_the_prediction(self, fitted, cells, monkeypatch):
        X, y = cells
        monkeypatch.setattr(MLPCellClassifier, "predict_proba", None)
        with pytest.raises(ValueError, match=r"`y` holds 3 labels that are not among .*: 'blast'"):
            evaluate(fitted, X, ["blast"] * 3 + y[3:].tolist())
        with pytest.raises(ValueError, match="`y` holds 240 labels that are not among"):
            evaluate(fitted, X, LabelEncoder().fit_transform(y))
