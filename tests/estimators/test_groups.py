"""Groups: patients, slides, or cells that were photographed several times."""

import numpy as np
import pytest
import sklearn
from sklearn.model_selection import GroupKFold, cross_validate

from skblood.datasets import make_blood_cells

N_CELLS, N_TIMES = 60, 8


@pytest.fixture(scope="module")
def photographs():
    """(X, y, groups): cells photographed eight times, so that no two files are equal."""
    X, y = make_blood_cells(
        N_CELLS, image_size=16, class_weights={"lymphocyte": 1, "platelet": 1}, random_state=0
    )
    noise = np.random.default_rng(0).integers(-3, 4, (N_CELLS * N_TIMES, 16, 16, 3))
    X = np.clip(np.repeat(X, N_TIMES, 0).astype(int) + noise, 0, 255).astype(np.uint8)
    return X, np.repeat(y, N_TIMES), np.array([f"cell {i}" for i in range(N_CELLS)]).repeat(N_TIMES)


def sides(data, groups):
    return set(groups[data.rows]), set(groups[data.valid_rows])


@pytest.mark.parametrize("kind", ["mlp", "transfer", "hybrid", "contrastive"])
def test_no_group_is_on_both_sides(request, photographs, seen, kind):
    make, (X, y, groups) = request.getfixturevalue(f"make_{kind}"), photographs
    X, y, groups = X[:160], y[:160], groups[:160]
    make(early_stopping=True, max_epochs=1).fit(X, y, groups=groups.tolist())
    train, valid = sides(seen[-1], groups)
    assert not train & valid
    assert train | valid == set(groups)
    assert 1 <= len(valid) <= 4  # a tenth of 20


def test_without_groups_they_are(make_mlp, photographs, seen):
    X, y, groups = photographs
    make_mlp(early_stopping=True, max_epochs=1).fit(X, y)
    train, valid = sides(seen[-1], groups)
    assert train & valid


def test_metadata_routing(make_mlp, photographs, seen):
    X, y, groups = photographs
    with sklearn.config_context(enable_metadata_routing=True):
        clf = make_mlp(early_stopping=True, max_epochs=1).set_fit_request(groups=True)
        result = cross_validate(
            clf, X, y, cv=GroupKFold(3), params={"groups": groups}, return_indices=True
        )
    assert len(seen) == 3
    indices = result["indices"]
    for data, train, test in zip(seen, indices["train"], indices["test"], strict=True):
        fitted, valid = sides(data, groups[train])
        assert not fitted & valid
        assert not (fitted | valid) & set(groups[test])
    assert np.isfinite(result["test_score"]).all()


def test_errors(make_mlp, photographs):
    X, y, groups = photographs
    clf = make_mlp(early_stopping=True, max_epochs=1)
    with pytest.raises(ValueError, match="groups"):
        clf.fit(X, y, groups=groups[:-1])
    with pytest.raises(ValueError, match="groups"):
        clf.fit(X, y, groups=[None, *groups[1:]])
    with pytest.raises(ValueError, match=r"in 1 groups.*X_val"):
        clf.fit(X, y, groups=np.zeros(len(X)))
    with pytest.raises(TypeError):
        clf.fit(X, y, None, groups)  # by keyword only


def test_groups_of_very_different_sizes(make_mlp, photographs, seen):
    X, y, groups = photographs
    groups = np.where(np.arange(len(X)) < 320, "large", groups)
    make_mlp(early_stopping=True, max_epochs=1, validation_fraction=0.2).fit(X, y, groups=groups)
    train, valid = sides(seen[-1], groups)
    assert "large" in train and not train & valid
    assert 0.1 <= len(seen[-1].valid_rows) / len(X) <= 0.3
