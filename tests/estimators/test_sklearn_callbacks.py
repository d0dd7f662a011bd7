"""Callbacks of scikit-learn, set by `set_callbacks`."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.8 has no callbacks")


class Record:
    """Write down the tasks that end; ask to stop after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after, self.begun, self.ended, self.fitted = stop_after, [], [], []

    def setup(self, estimator, context):
        self.begun.append("setup")

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.ended.append(context.task_name)
        if fitted_estimator is not None:
            self.fitted.append(fitted_estimator.predict_proba(X))
        return self.stop_after == self.ended.count("epoch")


def test_tasks_of_a_fit(make_any, small):
    if not hasattr(make_any(), "predict_proba"):
        pytest.skip("the embedder has no epochs")
    record, plain = Record(), make_any().fit(*small)
    clf = make_any().set_callbacks(record).fit(*small)
    epochs = ["epoch"] * clf.n_iter_
    assert record.begun == ["setup", "fit", *epochs]
    assert record.ended == [*epochs, "fit", "teardown"]
    assert_array_equal(record.fitted[-1], clf.predict_proba(small[0]))
    assert_array_equal(clf.predict_proba(small[0]), plain.predict_proba(small[0]))
    assert vars(pickle.loads(pickle.dumps(clf.net_.callbacks[-1]))) == {}


def test_fitted_estimator_of_an_epoch(make, small):
    """It is what a fit of so many epochs at the same rates gives."""
    record = Record()
    clf = make(lr_schedule=None, max_epochs=3).set_callbacks(record).fit(*small)
    shorter = make(lr_schedule=None, max_epochs=2).fit(*small)
    np.testing.assert_allclose(record.fitted[1], shorter.predict_proba(small[0]), atol=1e-6)
    assert clf.n_iter_ == 3


def test_stop(make, small):
    clf = make(max_epochs=5).set_callbacks(Record(stop_after=2)).fit(*small)
    assert clf.n_iter_ == 2


def test_teardown_after_a_fit_that_failed(make_mlp, small):
    record = Record()
    with pytest.raises(ValueError, match="inconsistent"):
        make_mlp().set_callbacks(record).fit(small[0], small[1][1:])
    assert record.ended == ["teardown"]


def test_scoring_monitor_in_a_search(make_mlp, small):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clf = clone(make_mlp().set_callbacks(monitor))
    GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2, refit=False).fit(*small)
    logs = monitor.get_logs(select="all")
    assert sum(row["task_name"] == "epoch" for log in logs for row in log.data) == 2 * 2 * 2
