"""Energy of the logits."""

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skblood import reconfigure
from skblood.uncertainty import energy_score


def test_it_is_that_of_the_logits_without_classes_that_cannot_occur(network, some_cells):
    X = some_cells[0][:20]
    logits = network.decision_function(X)
    assert np.allclose(energy_score(network, X), logsumexp(logits, axis=1))
    fewer = reconfigure(network, classes=network.classes_[:3])
    assert np.allclose(energy_score(fewer, X), logsumexp(logits[:, :3], axis=1), atol=1e-4)


def test_cells_of_an_unknown_kind_score_lower():
    rng = np.random.default_rng(0)
    centers = 6 * np.eye(4)[:3]
    y = np.repeat([0, 1, 2], 100)
    X = centers[y] + rng.normal(size=(300, 4))
    clf = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    known = energy_score(clf, centers[y])
    assert known.dtype == np.float64 and known.shape == (300,)
    assert energy_score(clf, np.full((1, 4), 2.0))[0] < known.min()


def test_refused():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    with pytest.raises(TypeError, match="RandomForestClassifier does not have"):
        energy_score(RandomForestClassifier(), X)
    with pytest.raises(ValueError, match=r"LogisticRegression returned an array of shape \(60,\)"):
        energy_score(LogisticRegression().fit(X, y), X)
