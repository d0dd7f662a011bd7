"""Every tool of scikit-learn and imbalanced-learn takes the estimators as they stand."""

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.fixes import parse_version

from skblood import CellEmbedder, _training_set


@pytest.fixture(scope="module", params=["images", "rows", "paths", "column of paths"])
def forms_of_X(request, small, png_paths):
    forms = {
        "images": small[0],
        "rows": small[0].reshape(48, -1),
        "paths": png_paths,
        "column of paths": pd.DataFrame({"file": png_paths}, index=np.arange(48) + 100),
    }
    return forms[request.param]


class TestPipeline:
    def test_steps_before(self, make, fitted, small):
        darker = FunctionTransformer(lambda X: X // 2)
        X, y = small
        pipeline = Pipeline([("darken", darker), ("classify", make())]).fit(X, y)
        expected = make().fit(X // 2, y).predict_proba(X // 2)
        assert_array_equal(pipeline.predict_proba(X), expected)
        assert_array_equal(pipeline.classes_, fitted.classes_)

    def test_parameters_of_fit(self, make, small):
        X, y = small
        weight = np.arange(48) % 3
        pipeline = make_pipeline(FunctionTransformer(), make())
        name = pipeline.steps[-1][0]
        pipeline.fit(X, y, **{f"{name}__sample_weight": weight})
        expected = make().fit(X, y, weight).predict_proba(X)
        assert_array_equal(pipeline.predict_proba(X), expected)

    def test_standardised_rows_are_features(self, make, small):
        """StandardScaler leaves 0..1; a fold of height 1 says that this is meant."""
        X, y = small[0].reshape(48, -1), small[1]
        with pytest.raises(ValueError, match="Leave normalization out"):
            make_pipeline(StandardScaler(), make()).fit(X, y)
        scores = make_pipeline(StandardScaler(), make(image_shape=(1, -1, 1))).fit(X, y)
        assert scores.predict(X).shape == (48,)


class TestCrossValidation:
    def test_forms(self, make_mlp, small, forms_of_X):
        scores = cross_val_score(make_mlp(), forms_of_X, small[1], cv=3)
        assert_array_equal(scores, cross_val_score(make_mlp(), small[0], small[1], cv=3))
        assert np.isfinite(scores).all()

    def test_cross_validate(self, make, small):
        X, y = small
        result = cross_validate(
            make(),
            X,
            y,
            cv=5,
            scoring={
                "accuracy": "accuracy",
                "f1": make_scorer(f1_score, average="macro"),
                "loss": "neg_log_loss",
                "auc": "roc_auc_ovr",
            },
            return_estimator=True,
            return_indices=True,
            return_train_score=True,
            error_score="raise",
        )
        assert len(result["estimator"]) == 5
        for i, clf in enumerate(result["estimator"]):
            test = result["indices"]["test"][i]
            assert clf.score(X[test], y[test]) == result["test_accuracy"][i]
        assert all(np.isfinite(v).all() for k, v in result.items() if k.startswith(("test_", "tr")))

    def test_cross_val_predict(self, make, small):
        X, y = small
        probabilities = cross_val_predict(make(), X, y, cv=3, method="predict_proba")
        assert_allclose(probabilities.sum(axis=1), 1)
        labels = cross_val_predict(make(), X, y, cv=3)
        assert_array_equal(labels, np.unique(y)[probabilities.argmax(axis=1)])

    def test_groups(self, make_mlp, small):
        """Cells of a patient stay together by a splitter alone."""
        X, y = small
        scores = cross_val_score(make_mlp(), X, y, groups=np.arange(48) // 4, cv=GroupKFold(4))
        assert len(scores) == 4

    def test_no_fold_sees_another(self, make, small, monkeypatch):
        """Early stopping takes its images from the training part."""
        X, y = small
        rows = []
        original = _training_set.TrainingSet.samples

        def samples(self, *args):
            rows.append((self.images[self.rows], self.images[self.valid_rows]))
            return original(self, *args)

        monkeypatch.setattr(_training_set.TrainingSet, "samples", samples)
        clf = make(early_stopping=True, validation_fraction=0.2)
        result = cross_validate(clf, X, y, cv=3, return_indices=True)
        for (train, valid), test in zip(rows, result["indices"]["test"], strict=True):
            seen = {x.tobytes() for x in train} | {x.tobytes() for x in valid}
            assert not seen & {x.tobytes() for x in X[test]}
            assert len(seen) == 32

    def test_curves(self, make_mlp, small):
        X, y = small
        sizes, train, test = learning_curve(
            make_mlp(), X, y, cv=3, train_sizes=[0.5, 1.0], shuffle=True, random_state=0
        )
        assert_array_equal(sizes, [16, 32])
        assert train.shape == test.shape == (2, 3)
        train, _ = validation_curve(
            make_mlp(augment=None), X, y, cv=3, param_name="max_epochs", param_range=[1, 20]
        )
        assert train[1].mean() > train[0].mean()

    def test_learning_curve_by_partial_fit(self, make, small):
        X, y = small
        _, train, _ = learning_curve(
            make(),
            X,
            y,
            cv=2,
            train_sizes=[0.5, 1.0],
            exploit_incremental_learning=True,
            shuffle=True,
            random_state=0,
        )
        assert np.isfinite(train).all()

    def test_permutation_test(self, make_mlp, small, png_paths):
        options = {"cv": 2, "n_permutations": 4, "random_state": 0}
        for X in (small[0], png_paths):
            clf = make_mlp(max_epochs=15, lr=5e-3, augment=None)
            score, others, p = permutation_test_score(clf, X, small[1], **options)
            assert score > others.mean()
            assert 0.2 <= p < 1

    def test_report(self, fitted, small):
        report = classification_report(
            small[1], fitted.predict(small[0]), output_dict=True, zero_division=0
        )
        assert report.keys() >= set(fitted.classes_)
        assert report["accuracy"] == fitted.score(*small)


class TestSearch:
    def test_over_backbones_in_two_processes(self, make_transfer, small):
        X, y = small
        grid = {"backbone": ["cellnet_t", "cellnet_s"], "trainable": ["head"]}
        search = GridSearchCV(make_transfer(), grid, cv=2, n_jobs=2, error_score="raise")
        # Low enough that the images reach the other processes as read-only memory maps.
        with joblib.parallel_config(backend="loky", max_nbytes=1000, inner_max_num_threads=1):
            search.fit(X, y)
        alone = GridSearchCV(make_transfer(), grid, cv=2, error_score="raise").fit(X, y)
        assert_allclose(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
        assert search.best_estimator_.backbone == search.best_params_["backbone"]
        assert_array_equal(search.predict(X), search.best_estimator_.predict(X))

    def test_forms(self, make_transfer, small, forms_of_X):
        search = GridSearchCV(make_transfer(), {"lr": [1e-3, 1e-2]}, cv=2, scoring="f1_macro")
        expected = clone(search).fit(*small).cv_results_["mean_test_score"]
        search.fit(forms_of_X, small[1])
        assert_array_equal(search.cv_results_["mean_test_score"], expected)

    def test_of_other_parameters(self, make, small):
        space = {
            "optimizer": ["adam", "sgd"],
            "hidden_layer_sizes": [(), (8,)],
            "class_weight": [None, "balanced"],
            "augment": [None, "cells"],
        }
        search = RandomizedSearchCV(
            make(), space, n_iter=3, cv=2, random_state=0, error_score="raise"
        ).fit(*small)
        assert search.best_params_.keys() == space.keys()

    def test_in_a_pipeline(self, make_hybrid, small):
        pipeline = Pipeline([("same", FunctionTransformer()), ("clf", make_hybrid())])
        grid = {"clf__backbones": [("cellnet_t", "cellnet_t"), ["cellnet_t"] * 3]}
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(*small)
        assert len(search.cv_results_["params"]) == 2

    @pytest.mark.parametrize("resource", ["n_samples", "max_epochs"])
    def test_halving(self, make_transfer, small, resource):
        limits = {"n_samples": (18, 48), "max_epochs": (1, 3)}[resource]
        search = HalvingGridSearchCV(
            make_transfer(),
            {"lr": [1e-3, 5e-3, 1e-2]},
            cv=2,
            resource=resource,
            min_resources=limits[0],
            max_resources=limits[1],
            factor=2 if resource == "n_samples" else 3,
            random_state=0,
            error_score="raise",
        ).fit(*small)
        assert search.n_iterations_ == 2
        assert search.n_candidates_[0] == 3

    def test_failing_candidates_are_scored_nan(self, make_transfer, small):
        grid = {"backbone": ["cellnet_t", "no_such_network"]}
        search = GridSearchCV(make_transfer(), grid, cv=2)
        with pytest.warns(sklearn.exceptions.FitFailedWarning, match="no_such_network"):
            with pytest.warns(UserWarning, match="non-finite"):
                search.fit(*small)
        assert search.best_params_ == {"backbone": "cellnet_t"}


class TestImbalance:
    def test_smote_makes_float_rows(self, make, skewed):
        X, y = skewed[0].reshape(60, -1) / 255, skewed[1]
        model = make_sampling_pipeline(SMOTE(k_neighbors=2, random_state=0), make()).fit(X, y)
        assert model.predict_proba(X).shape == (60, 2)
        _, counts = np.unique(y, return_counts=True)
        assert_array_equal(counts, [54, 6])
        assert model[-1].image_shape_ == (16, 16, 3)
        # What a sampler fitted on rows can be asked for images.
        assert_array_equal(model[-1].predict_proba(skewed[0]), model.predict_proba(X))

    @pytest.mark.parametrize("sampler", [SMOTE(k_neighbors=2), RandomUnderSampler()])
    def test_in_a_search(self, make, skewed, sampler):
        X, y = skewed[0].reshape(60, -1), skewed[1]
        sampler = clone(sampler).set_params(random_state=0)
        model = make_sampling_pipeline(sampler, make())
        scores = cross_val_score(model, X, y, cv=2, scoring="f1_macro", error_score="raise")
        assert np.isfinite(scores).all()

    def test_copies_do_not_leak_into_early_stopping(self, make, skewed, monkeypatch):
        X, y = skewed[0].reshape(60, -1), skewed[1]
        sides = []
        original = _training_set.TrainingSet.samples

        def samples(self, *args):
            parts = (self.images[self.rows], self.images[self.valid_rows])
            sides.append([[x.tobytes() for x in part] for part in parts])
            return original(self, *args)

        monkeypatch.setattr(_training_set.TrainingSet, "samples", samples)
        clf = make(early_stopping=True, validation_fraction=0.3)
        make_sampling_pipeline(RandomOverSampler(random_state=0), clf).fit(X, y)
        ((train, valid),) = sides
        assert len(train) + len(valid) == 108  # as oversampled
        assert len(set(train)) + len(set(valid)) == 60  # distinct images
        assert not set(train) & set(valid)

    def test_undersampling(self, make, skewed):
        X, y = skewed[0].reshape(60, -1), skewed[1]
        sampler = RandomUnderSampler(random_state=0)
        model = make_sampling_pipeline(sampler, make()).fit(X, y)
        chosen = _chosen(sampler, X, y)
        alone = make().fit(X[chosen], y[chosen])
        assert_array_equal(model.predict_proba(X), alone.predict_proba(X))


def _chosen(sampler, X, y):
    sampler = clone(sampler)
    sampler.fit_resample(X, y)
    return sampler.sample_indices_


CALIBRATIONS = ["sigmoid", "isotonic"]
if parse_version(sklearn.__version__) >= parse_version("1.8"):
    CALIBRATIONS.append("temperature")


class TestMetaEstimators:
    @pytest.mark.parametrize("method", CALIBRATIONS)
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_calibration(self, make_transfer, small, method, n_classes):
        X, y = small[0], small[1] if n_classes == 3 else small[1] == "platelet"
        model = CalibratedClassifierCV(make_transfer(), method=method, cv=2).fit(X, y)
        probabilities = model.predict_proba(X)
        assert probabilities.shape == (48, n_classes)
        assert_allclose(probabilities.sum(axis=1), 1)

    @pytest.mark.skipif("temperature" not in CALIBRATIONS, reason="scikit-learn has none")
    def test_temperature_of_a_frozen_classifier_keeps_the_labels(self, fitted, small):
        X, y = small
        model = CalibratedClassifierCV(FrozenEstimator(fitted), method="temperature").fit(X, y)
        assert_array_equal(model.predict(X), fitted.predict(X))
        assert not np.allclose(model.predict_proba(X), fitted.predict_proba(X))

    def test_frozen(self, fitted, small):
        X, y = small
        before = fitted.predict_proba(X)
        frozen = clone(FrozenEstimator(fitted)).fit(X[:5], y[:5])
        assert_array_equal(frozen.predict_proba(X), before)

    def test_voting(self, make, fitted, make_mlp, small):
        X, y = small
        model = VotingClassifier([("a", make()), ("b", make_mlp(random_state=1))], voting="soft")
        model.fit(X, y)
        second = make_mlp(random_state=1).fit(X, np.unique(y, return_inverse=True)[1])
        mean = (fitted.predict_proba(X) + second.predict_proba(X)) / 2
        assert_allclose(model.predict_proba(X), mean)

    def test_stacking(self, make, make_mlp, small):
        X, y = small
        members = [("a", make()), ("b", make_mlp())]
        model = StackingClassifier(members, LogisticRegression(), cv=2).fit(X, y)
        assert model.transform(X).shape == (48, 6)
        assert set(model.predict(X)) <= set(y)

    def test_one_against_the_rest(self, make, small):
        X, y = small
        model = OneVsRestClassifier(make()).fit(X, y)
        assert len(model.estimators_) == 3
        assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])

    def test_bagging_of_rows(self, make_mlp, small):
        X, y = small[0].reshape(48, -1), small[1]
        model = BaggingClassifier(make_mlp(), n_estimators=2, random_state=0).fit(X, y)
        assert model.predict_proba(X).shape == (48, 3)

    def test_tuned_threshold(self, make, skewed):
        X, y = skewed[0], (skewed[1] == "platelet").astype(int)
        model = TunedThresholdClassifierCV(make(), scoring="balanced_accuracy", cv=2).fit(X, y)
        positive = model.estimator_.predict_proba(X)[:, 1] >= model.best_threshold_
        assert_array_equal(model.predict(X), positive.astype(int))


class TestMetadataRouting:
    @pytest.fixture(autouse=True)
    def routing(self):
        with sklearn.config_context(enable_metadata_routing=True):
            yield

    def test_fit_and_predict(self, make, fitted, small):
        X, y = small
        assert_array_equal(make().fit(X, y).predict_proba(X), fitted.predict_proba(X))
        make().partial_fit(X, y, classes=np.unique(y))

    def test_sample_weight(self, make, small):
        X, y = small
        weight = np.arange(48) % 3
        clf = make().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        result = cross_validate(
            clf,
            X,
            y,
            cv=2,
            params={"sample_weight": weight},
            return_estimator=True,
            return_indices=True,
        )
        train = result["indices"]["train"][0]
        alone = make().fit(X[train], y[train], weight[train])
        assert_array_equal(result["estimator"][0].predict_proba(X), alone.predict_proba(X))

    def test_weights_that_nobody_asked_for(self, make, small):
        search = GridSearchCV(make(), {"lr": [1e-3]}, cv=2)
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            search.fit(*small, sample_weight=np.ones(48))

    def test_search_and_validation_images(self, make, small):
        X, y = small
        clf = make(early_stopping=True).set_fit_request(X_val=True, y_val=True)
        search = GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2, error_score="raise")
        search.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
        assert "valid_f1_macro" in search.best_estimator_.history_[-1]


class TestEmbedder:
    @pytest.fixture
    def embedder(self):
        return CellEmbedder("cellnet_t", random_state=0, device="cpu")

    def test_with_a_linear_classifier(self, embedder, small, forms_of_X):
        model = make_pipeline(embedder, StandardScaler(), LogisticRegression(max_iter=500))
        scores = cross_val_score(model, forms_of_X, small[1], cv=3)
        assert scores.mean() > 0.5  # three classes
        assert_array_equal(scores, cross_val_score(model, *small, cv=3))

    def test_in_a_union(self, embedder, small):
        X, y = small
        colour = FunctionTransformer(lambda X: X.mean(axis=(1, 2)))
        union = FeatureUnion([("net", embedder), ("colour", colour)])
        table = union.fit_transform(X)
        assert table.shape == (48, 48 + 3)
        assert_allclose(table[:, 48:], X.mean(axis=(1, 2)))
        model = make_pipeline(union, StandardScaler(), LogisticRegression(max_iter=500))
        assert model.fit(X, y).score(X, y) > 0.6

    def test_search_over_its_parameters(self, embedder, small):
        pipeline = Pipeline([("embed", embedder), ("clf", LogisticRegression(max_iter=500))])
        grid = {"embed__backbone": ["cellnet_t", "cellnet_s"], "clf__C": [0.1, 1]}
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(*small)
        assert len(search.cv_results_["params"]) == 4

    def test_before_a_sampler(self, embedder, skewed):
        sampler = SMOTE(k_neighbors=2, random_state=0)
        model = make_sampling_pipeline(embedder, sampler, LogisticRegression(max_iter=500))
        assert model.fit(*skewed).predict(skewed[0]).shape == (60,)

    def test_features_for_the_perceptron(self, embedder, make_mlp, small):
        model = make_pipeline(embedder, make_mlp(max_epochs=30)).fit(*small)
        assert model[-1].image_shape_ == (1, 1, 48)
        assert model.score(*small) > 0.6
