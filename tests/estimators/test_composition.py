"""Tools of scikit-learn and imbalanced-learn take the estimators as they stand."""

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
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
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


def forms_of(X, paths):
    table = pd.DataFrame({"file": paths}, index=np.arange(48) + 100)
    return {"rows": X.reshape(48, -1), "paths": paths, "column of paths": table}


class TestPipeline:
    def test_steps_before_and_parameters_of_fit(self, make_mlp, small):
        X, y = small
        weight = np.arange(48) % 3
        pipeline = Pipeline([("darken", FunctionTransformer(lambda X: X // 2)), ("c", make_mlp())])
        pipeline.fit(X, y, c__sample_weight=weight)
        expected = make_mlp().fit(X // 2, y, weight).predict_proba(X // 2)
        assert_array_equal(pipeline.predict_proba(X), expected)

    def test_standardized_rows_are_features(self, make_mlp, small):
        """StandardScaler leaves 0..1; an image_shape of height 1 says that this is meant."""
        X, y = small[0].reshape(48, -1), small[1]
        with pytest.raises(ValueError, match="Leave normalization out"):
            make_pipeline(StandardScaler(), make_mlp()).fit(X, y)
        model = make_pipeline(StandardScaler(), make_mlp(image_shape=(1, -1, 1))).fit(X, y)
        assert model.predict(X).shape == (48,)


class TestCrossValidation:
    def test_forms(self, make_mlp, small, png_paths):
        expected = cross_val_score(make_mlp(), *small, cv=3)
        for name, form in forms_of(small[0], png_paths).items():
            assert_array_equal(cross_val_score(make_mlp(), form, small[1], cv=3), expected, name)

    def test_cross_validate(self, make_mlp, small):
        X, y = small
        f1 = make_scorer(f1_score, average="macro")
        scoring = {"accuracy": "accuracy", "f1": f1, "loss": "neg_log_loss", "auc": "roc_auc_ovr"}
        options = {"return_estimator": True, "return_indices": True, "return_train_score": True}
        result = cross_validate(make_mlp(), X, y, cv=3, scoring=scoring, **options)
        for i, clf in enumerate(result["estimator"]):
            test = result["indices"]["test"][i]
            assert clf.score(X[test], y[test]) == result["test_accuracy"][i]
        assert all(np.isfinite(v).all() for k, v in result.items() if k.startswith(("test_", "tr")))
        probabilities = cross_val_predict(make_mlp(), X, y, cv=3, method="predict_proba")
        labels = cross_val_predict(make_mlp(), X, y, cv=3)
        assert_array_equal(labels, np.unique(y)[probabilities.argmax(axis=1)])

    def test_no_fold_sees_another(self, make_mlp, small, seen):
        """Early stopping takes its images from the training part."""
        X, y = small
        clf = make_mlp(early_stopping=True, validation_fraction=0.2)
        result = cross_validate(clf, X, y, cv=3, return_indices=True)
        for data, test in zip(seen, result["indices"]["test"], strict=True):
            rows = np.concatenate([data.rows, data.valid_rows])
            used = {x.tobytes() for x in data.images.pixels[rows]}
            assert not used & {x.tobytes() for x in X[test]}
            assert len(used) == 32

    def test_curves(self, make_mlp, small):
        X, y = small
        options = {"cv": 2, "train_sizes": [0.5, 1.0], "shuffle": True, "random_state": 0}
        for incremental in (False, True):
            _, train, test = learning_curve(
                make_mlp(), X, y, exploit_incremental_learning=incremental, **options
            )
            assert train.shape == test.shape == (2, 2)
        train, _ = validation_curve(
            make_mlp(augment=None), X, y, cv=2, param_name="max_epochs", param_range=[1, 20]
        )
        assert train[1].mean() > train[0].mean()

    @pytest.mark.slow
    def test_permutation_test(self, make_mlp, small):
        clf = make_mlp(max_epochs=15, lr=5e-3, augment=None)
        score, others, _ = permutation_test_score(clf, *small, cv=2, n_permutations=4)
        assert score > others.mean()


class TestSearch:
    @pytest.mark.slow
    def test_over_backbones_in_two_processes(self, make_transfer, small):
        X, y = small
        grid = {"backbone": ["cellnet_t", "cellnet_s"], "trainable": ["head"]}
        search = GridSearchCV(make_transfer(), grid, cv=2, n_jobs=2, error_score="raise")
        # Low enough that the images reach the other processes as read-only memory maps.
        with joblib.parallel_config(backend="loky", max_nbytes=1000, inner_max_num_threads=1):
            search.fit(X, y)
        alone = GridSearchCV(make_transfer(), grid, cv=2, error_score="raise").fit(X, y)
        assert_allclose(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])

    def test_of_many_parameters(self, make_transfer, make_hybrid, small):
        space = {
            "optimizer": ["adam", "sgd"],
            "hidden_layer_sizes": [(), (8,)],
            "class_weight": [None, "balanced"],
            "augment": [None, "cells"],
            "crop": np.linspace(0.5, 1, 3),
            "trainable": np.arange(1, 5),
            "batch_size": np.array([8, 16]),
        }
        options = {"n_iter": 3, "cv": 2, "random_state": 0, "error_score": "raise"}
        search = RandomizedSearchCV(make_transfer(max_epochs=1), space, **options).fit(*small)
        assert search.best_params_.keys() == space.keys()
        pipeline = Pipeline([("same", FunctionTransformer()), ("c", make_hybrid(max_epochs=1))])
        grid = {"c__backbones": [("cellnet_t", "cellnet_t"), ["cellnet_t"] * 3]}
        assert (
            GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(*small).score(*small) >= 0
        )

    @pytest.mark.parametrize("resource", ["n_samples", "max_epochs"])
    def test_halving(self, make_mlp, small, resource):
        limits = {"n_samples": (18, 48, 2), "max_epochs": (1, 3, 3)}[resource]
        options = dict(zip(("min_resources", "max_resources", "factor"), limits, strict=True))
        options |= {"cv": 2, "random_state": 0, "error_score": "raise", "resource": resource}
        search = HalvingGridSearchCV(make_mlp(), {"lr": [1e-3, 5e-3, 1e-2]}, **options)
        assert search.fit(*small).n_iterations_ == 2

    def test_failing_candidates_are_scored_nan(self, make_transfer, small):
        grid = {"backbone": ["cellnet_t", "no_such_network"]}
        search = GridSearchCV(make_transfer(max_epochs=1), grid, cv=2)
        with pytest.warns(sklearn.exceptions.FitFailedWarning, match="no_such_network"):
            with pytest.warns(UserWarning, match="non-finite"):
                search.fit(*small)
        assert search.best_params_ == {"backbone": "cellnet_t"}


class TestImbalance:
    @pytest.mark.parametrize("sampler", [SMOTE(k_neighbors=2), RandomUnderSampler()])
    def test_samplers(self, make_mlp, skewed, sampler):
        X, y = skewed[0].reshape(60, -1) / 255, skewed[1]
        sampler = clone(sampler).set_params(random_state=0)
        model = make_sampling_pipeline(sampler, make_mlp()).fit(X, y)
        assert model[-1].image_shape_ == (16, 16, 3)
        # A classifier that was fitted on rows can be asked for images.
        assert_array_equal(model[-1].predict_proba(skewed[0]), model.predict_proba(X))
        scores = cross_val_score(model, X, y, cv=2, scoring="f1_macro", error_score="raise")
        assert np.isfinite(scores).all()

    def test_copies_do_not_leak_into_early_stopping(self, make_mlp, skewed, seen):
        X, y = skewed[0].reshape(60, -1), skewed[1]
        clf = make_mlp(early_stopping=True, validation_fraction=0.3)
        make_sampling_pipeline(RandomOverSampler(random_state=0), clf).fit(X, y)
        (data,) = seen
        assert len(data.codes) == 108  # as oversampled
        train, valid = (
            {x.tobytes() for x in data.images.pixels[rows]} for rows in (data.rows, data.valid_rows)
        )
        assert len(train) + len(valid) == 60  # distinct images
        assert not train & valid


class TestMetaEstimators:
    @pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_calibration(self, make_mlp, small, method, n_classes):
        X, y = small[0], small[1] if n_classes == 3 else small[1] == "platelet"
        model = CalibratedClassifierCV(make_mlp(), method=method, cv=2).fit(X, y)
        assert_allclose(model.predict_proba(X).sum(axis=1), 1)

    def test_frozen(self, fitted, small):
        X, y = small
        before = fitted.predict_proba(X)
        frozen = clone(FrozenEstimator(fitted)).fit(X[:5], y[:5])
        assert_array_equal(frozen.predict_proba(X), before)
        model = CalibratedClassifierCV(FrozenEstimator(fitted), method="temperature").fit(X, y)
        assert_array_equal(model.predict(X), fitted.predict(X))
        assert not np.allclose(model.predict_proba(X), before)

    def test_ensembles(self, make_transfer, make_mlp, small):
        X, y = small
        members = [("a", make_transfer()), ("b", make_mlp(random_state=1))]
        voting = VotingClassifier(members, voting="soft").fit(X, y)
        codes = np.unique(y, return_inverse=True)[1]
        mean = np.mean([m.fit(X, codes).predict_proba(X) for _, m in members], axis=0)
        assert_allclose(voting.predict_proba(X), mean)
        stacking = StackingClassifier(members, LogisticRegression(), cv=2).fit(X, y)
        assert stacking.transform(X).shape == (48, 6)
        assert len(OneVsRestClassifier(make_mlp()).fit(X, y).estimators_) == 3
        rows = X.reshape(48, -1)
        bagging = BaggingClassifier(make_mlp(), n_estimators=2, random_state=0).fit(rows, y)
        assert bagging.predict_proba(rows).shape == (48, 3)

    def test_tuned_threshold(self, make_mlp, skewed):
        X, y = skewed[0], (skewed[1] == "platelet").astype(int)
        model = TunedThresholdClassifierCV(make_mlp(), scoring="balanced_accuracy", cv=2).fit(X, y)
        positive = model.estimator_.predict_proba(X)[:, 1] >= model.best_threshold_
        assert_array_equal(model.predict(X), positive.astype(int))


class TestMetadataRouting:
    @pytest.fixture(autouse=True)
    def routing(self):
        with sklearn.config_context(enable_metadata_routing=True):
            yield

    def test_sample_weight(self, make, fitted, small):
        X, y = small
        assert_array_equal(make().fit(X, y).predict_proba(X), fitted.predict_proba(X))
        weight = np.arange(48) % 3
        clf = make().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        options = {"cv": 2, "return_estimator": True, "return_indices": True}
        result = cross_validate(clf, X, y, params={"sample_weight": weight}, **options)
        train = result["indices"]["train"][0]
        alone = make().fit(X[train], y[train], weight[train])
        assert_array_equal(result["estimator"][0].predict_proba(X), alone.predict_proba(X))
        search = GridSearchCV(make(), {"lr": [1e-3]}, cv=2)
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            search.fit(X, y, sample_weight=np.ones(48))

    def test_validation_images(self, make_mlp, small):
        X, y = small
        clf = make_mlp(early_stopping=True).set_fit_request(X_val=True, y_val=True)
        search = GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2, error_score="raise")
        search.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
        assert "valid_f1_macro" in search.best_estimator_.history_[-1]


class TestEmbedder:
    def test_with_a_linear_classifier(self, make_embedder, small, png_paths):
        model = make_pipeline(make_embedder(), StandardScaler(), LogisticRegression(max_iter=500))
        scores = cross_val_score(model, *small, cv=3)
        assert scores.mean() > 0.5  # three classes
        for form in forms_of(small[0], png_paths).values():
            assert_array_equal(cross_val_score(model, form, small[1], cv=3), scores)

    def test_in_a_union_and_a_search(self, make_embedder, small):
        color = FunctionTransformer(lambda X: X.mean(axis=(1, 2)))
        union = FeatureUnion([("net", make_embedder()), ("color", color)])
        table = union.fit_transform(small[0])
        assert table.shape == (48, 48 + 3)
        pipeline = make_pipeline(union, StandardScaler(), LogisticRegression(max_iter=500))
        grid = {"featureunion__net__standardize": ["auto", "image"]}
        assert (
            GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(*small).score(*small) > 0.6
        )

    def test_before_a_sampler_and_a_perceptron(self, make_embedder, make_mlp, skewed, small):
        sampler = SMOTE(k_neighbors=2, random_state=0)
        model = make_sampling_pipeline(make_embedder(), sampler, LogisticRegression(max_iter=500))
        assert model.fit(*skewed).predict(skewed[0]).shape == (60,)
        model = make_pipeline(make_embedder(), make_mlp(max_epochs=30)).fit(*small)
        assert model[-1].image_shape_ == (1, 1, 48)
        assert model.score(*small) > 0.6
