"""Training epoch by epoch."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skblood import adapt


def test_learns_and_keeps_its_optimizer(make_mlp, small):
    X, y = small
    clf = make_mlp(augment=None, dropout=0).partial_fit(X, y, classes=np.unique(y))
    n_batches = clf.history_[0]["train_batch_count"]
    for n in range(2, 12):
        clf.partial_fit(X, y)
        assert clf.n_iter_ == clf.best_epoch_ == len(clf.history_) == n
    optimizer = clf.net_.optimizer_
    assert {int(s["step"]) for s in optimizer.state.values()} == {11 * n_batches}
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert trained == {id(p) for p in clf.net_.module_.parameters()}
    losses = clf.history_[:, "train_loss"]
    assert losses[-1] < 0.7 * losses[0]


def test_part_of_the_classes(make, small):
    X, y = small
    clf = make()
    for label in np.unique(y):
        clf.partial_fit(X[y == label], y[y == label], classes=np.unique(y))
    assert clf.predict_proba(X).shape == (48, 3)
    assert clf.training_data_["n_images"] == 48
    assert clf.n_iter_ == 3


@pytest.mark.parametrize("trainable", ["all", "head"])
def test_after_fit(make_transfer, small, trainable):
    X, y = small
    clf = make_transfer(trainable=trainable).fit(X, y)
    before, n = clf.predict_proba(X), clf.n_iter_
    backbones = {k: v.clone() for k, v in clf.net_.module_.backbones.state_dict().items()}
    clf.partial_fit(X[:10], y[:10])
    assert clf.n_iter_ == len(clf.history_) == n + 1
    assert not np.allclose(clf.predict_proba(X), before)
    same = [
        torch.equal(v, backbones[k]) for k, v in clf.net_.module_.backbones.state_dict().items()
    ]
    assert all(same) == (trainable == "head")
    assert_array_equal(clf.fit(X, y).predict_proba(X), before)


def test_errors(make, small):
    X, y = small
    clf = make()
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        clf.partial_fit(X, y)
    clf.partial_fit(X, y, classes=np.unique(y))
    before = clf.predict_proba(X)
    cases = [
        (lambda: clf.partial_fit(X[:2], ["platelet", "ig"]), r"'ig'"),
        (lambda: clf.partial_fit(X, y, classes=["a", "b"]), r"\['a', 'b'\] differ from those of"),
        (lambda: clf.partial_fit(X[:, :8], y), r"\(8, 16, 3\).*\(16, 16, 3\)"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match=r"class_weight='balanced'.*as a dict"):
        make(class_weight="balanced").partial_fit(X, y, classes=np.unique(y))
    assert clf.n_iter_ == 1
    assert_array_equal(clf.predict_proba(X), before)


def test_takes_the_parameters_as_they_are(make_mlp, small):
    X, y = small
    clf = make_mlp().partial_fit(X, y, classes=np.unique(y))
    clf.set_params(optimizer="sgd", batch_size=8, loss="focal").partial_fit(X, y)
    net = clf.net_
    assert (type(net.optimizer_), net.batch_size) == (torch.optim.SGD, 8)
    assert net.criterion_.loss == "focal"
    assert clf.n_iter_ == 2


def test_read_images_in_place_of_x(make, small):
    X, y = small
    clf = make().fit(X, y)
    again = make().fit(clf.read_images(X), y)
    assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_an_adapted_model_stays_one(make_transfer, small):
    X, y = small
    adapted = adapt(make_transfer().fit(X, y), X, y, random_state=0)
    assert adapted.partial_fit(X, y).adaptation_.n_unlabelled == 0
