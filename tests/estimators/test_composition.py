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
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
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
        with pytest.raises(ValueError, match=r"floating point in 0..1"):
            make_pipeline(StandardScaler(), make_mlp()).fit(X, y)
        model = make_pipeline(StandardScaler(), make_mlp(image_shape=(1, -1, 1))).fit(X, y)
        assert model.predict(X).shape == (48,)


class TestColumns:
    """X that is no table has the columns that it was given with, or none."""

    def test_column_transformer(self, make_embedder, small, png_paths):
        table = pd.DataFrame({"path": png_paths, "age": np.arange(48.0)}, index=range(9, 57))
        parts = [("image", make_embedder(), ["path"]), ("number", StandardScaler(), ["age"])]
        both = ColumnTransformer(parts).set_output(transform="pandas")
        found = both.fit_transform(table)
        assert list(found.columns) == list(both.get_feature_names_out())
        assert list(found.columns)[::48] == ["image__cellembedder0", "number__age"]
        assert_array_equal(found.index, table.index)
        assert_array_equal(found.iloc[:, :-1], make_embedder().fit_transform(small[0]))
        embedder = both.named_transformers_["image"]
        assert (embedder.n_features_in_, *embedder.feature_names_in_) == (1, "path")

    @pytest.mark.parametrize("form", [lambda X, paths: X, lambda X, paths: paths])
    def test_no_columns(self, make_any, small, png_paths, form):
        X, y = form(small[0], png_paths), small[1]
        rows = small[0].reshape(48, -1)
        model = make_any().fit(rows, y)
        assert model.n_features_in_ == 768
        model.fit(X, y)
        assert not hasattr(model, "n_features_in_")
        assert not hasattr(model, "feature_names_in_")
        predict = getattr(model, "predict_proba", getattr(model, "transform", None))
        assert_array_equal(predict(rows), predict(X))
        with pytest.raises(ValueError, match=r"767 columns.*768 values"):
            predict(rows[:, 1:])

    @pytest.mark.parametrize("prefit", [True, False])
    def test_mapie(self, make_mlp, small, prefit):
        mapie = pytest.importorskip("mapie.classification")
        X, y = small
        clf = make_mlp().fit(X, y)
        conformal = mapie.SplitConformalClassifier(clf, prefit=prefit)
        conformal = conformal if prefit else conformal.fit(X, y)
        labels, sets = conformal.conformalize(X, y).predict_set(X[:2])
        assert_array_equal(labels, clf.predict(X[:2]))
        assert sets.shape == (2, 3, 1)

    def test_permutation_importance_of_pixels(self, make_mlp, small):
        X, y = small[0].reshape(48, -1)[:, :192], small[1]
        found = permutation_importance(make_mlp().fit(X, y), X, y, n_repeats=1, random_state=0)
        assert found.importances_mean.shape == (192,)

    def test_representation_in_a_notebook(self, make_any, small):
        assert type(make_any()).__name__ in make_any().fit(*small)._repr_html_()


class TestCrossValidation:
    def test_forms(self, make_mlp, small, png_paths):
        expected = cross_val_score(make_mlp(), *small, cv=3)
        for name, form in forms_of(small[0], png_paths).items():
            assert_array_equal(cross_val_score(make_mlp(), form, small[1], cv=3), expected, name)

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
