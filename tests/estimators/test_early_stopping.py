"""Validation and early stopping."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score, log_loss

SPLIT = {"early_stopping": True, "validation_fraction": 0.25}


class TestSplit:
    def test_stratified(self, make, skewed, seen):
        X, y = skewed
        clf = make(early_stopping=True, validation_fraction=0.5).fit(X, y)
        (data,) = seen
        assert_array_equal(np.unique(y[data.valid_rows], return_counts=True)[1], [27, 3])
        assert_array_equal(np.unique(y[data.rows], return_counts=True)[1], [27, 3])
        assert not set(data.rows) & set(data.valid_rows)
        assert clf.training_data_["n_validation_images"] == 30

    def test_copies_never_cross(self, make, small, seen, rng):
        X, y = small
        chosen = np.r_[np.arange(48), rng.integers(0, 48, 60)]
        make(early_stopping=True, validation_fraction=0.3).fit(X[chosen], y[chosen])
        train, valid = (set(chosen[rows]) for rows in (seen[0].rows, seen[0].valid_rows))
        assert not train & valid
        assert len(train | valid) == 48
        assert len(valid) == 15  # a share of the distinct images

    def test_too_few_images(self, make_mlp, small):
        X, y = small
        first = [np.flatnonzero(y == label)[0] for label in np.unique(y)]
        with pytest.raises(ValueError, match=r"(?s)validation_fraction=0.1.*platelet: 1.*X_val"):
            make_mlp(early_stopping=True).fit(X[first], y[first])


class TestGivenImages:
    def test_replace_the_split(self, make, small, seen):
        X, y = small
        clf = make(early_stopping=True).fit(X[:36], y[:36], X_val=X[36:], y_val=y[36:])
        assert len(seen[0].rows) == 36
        assert_array_equal(seen[0].valid_images.pixels, X[36:])
        assert "valid_f1_macro" in clf.history_[-1]
        keep = y != "platelet"  # they may lack a class
        clf.fit(X, y, X_val=255 - X[keep], y_val=y[keep])
        assert clf.predict_proba(X).shape == (48, 3)

    def test_without_early_stopping_are_only_scored(self, make, small):
        X, y = small
        plain = make().fit(X[:36], y[:36])
        clf = make().fit(X[:36], y[:36], X_val=X[36:], y_val=y[36:])
        assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
        assert clf.best_epoch_ == clf.n_iter_ == len(clf.history_[:, "valid_f1_macro"])

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (lambda X, y: {"X_val": X}, "X_val and y_val must be given together"),
            (lambda X, y: {"y_val": y}, "X_val and y_val must be given together"),
            (lambda X, y: {"X_val": X[:2], "y_val": ["platelet", "ig"]}, r"X_val or y_val:.*'ig'"),
            (lambda X, y: {"X_val": X[:2], "y_val": y[:3]}, "inconsistent numbers of samples"),
            (lambda X, y: {"X_val": X[:, :8], "y_val": y}, r"\(8, 16, 3\).*\(16, 16, 3\)"),
        ],
        ids=["no y_val", "no X_val", "unknown label", "lengths", "size"],
    )
    def test_bad_ones(self, make_mlp, small, given, message):
        with pytest.raises(ValueError, match=message):
            make_mlp(early_stopping=True).fit(*small, **given(*small))


class TestBestEpoch:
    @pytest.mark.parametrize("trainable", ["all", "head"])
    def test_weights_are_restored(self, make_transfer, small, trainable):
        X, y = small
        options = {"max_epochs": 8, "lr": 0.02, "scoring": "accuracy", "precision": "float32"}
        clf = make_transfer(trainable=trainable, early_stopping=True, **options)
        clf.fit(X[:24], y[:24], X_val=X[24:], y_val=y[24:])
        scores, losses = (clf.history_[:, f"valid_{name}"] for name in ("accuracy", "loss"))
        expected = max(range(len(scores)), key=lambda i: (scores[i], -losses[i]))
        assert clf.best_epoch_ == expected + 1
        assert clf.score(X[24:], y[24:]) == scores[expected]
        found = log_loss(y[24:], clf.predict_proba(X[24:]))
        assert found == pytest.approx(losses[expected], rel=1e-4)

    @pytest.mark.parametrize(("patience", "n"), [(True, 11), (3, 4), (np.int64(3), 4), (1, 2)])
    def test_patience(self, make_mlp, small, patience, n):
        options = {**SPLIT, "max_epochs": 20, "scoring": lambda estimator, X, y: 0.5}
        clf = make_mlp(**{**options, "early_stopping": patience}).fit(*small)
        assert clf.n_iter_ == n
        assert clf.best_epoch_ == 1 + int(np.argmin(clf.history_[:, "valid_loss"]))


class TestScoring:
    @pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc_ovr", "balanced_accuracy"])
    def test_scorers_get_labels_and_probabilities(self, make, small, scoring):
        clf = make(scoring=scoring, **SPLIT).fit(*small)
        scores = clf.history_[:, f"valid_{scoring}"]
        assert all(np.isfinite(scores))
        if scoring == "neg_log_loss":
            assert_allclose(scores, -np.array(clf.history_[:, "valid_loss"]), rtol=1e-4)

    def test_callable_that_slices(self, make, small):
        """Ours and scikit-learn's: a part of the images, by slice, mask and positions."""

        def of_a_part(estimator, X, y):
            mask = np.arange(len(y)) >= 4
            slices = accuracy_score(y[:4], estimator.predict(X[:4]))
            masks = accuracy_score(y[mask], estimator.predict(X[mask]))
            whole = accuracy_score(y, estimator.predict(X))
            assert whole == pytest.approx((4 * slices + (len(y) - 4) * masks) / len(y))
            assert estimator.predict_proba(X[[2, 0]]).shape == (2, 3)
            return whole

        clf = make(scoring=of_a_part, **SPLIT).fit(*small)
        assert len(clf.history_[:, "valid_score"]) == clf.n_iter_

    def test_score_that_is_not_a_number(self, make_mlp, small):
        clf = make_mlp(scoring=lambda *args: float("nan"), **SPLIT)
        with pytest.raises(ValueError, match="gave nan on the validation images"):
            clf.fit(*small)
        assert vars(clf).keys() == clf.get_params().keys()
