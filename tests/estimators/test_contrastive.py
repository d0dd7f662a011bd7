"""Two phases: the backbone by supervised contrastive learning, then the head."""

import pytest
import torch

from skblood import FeatureStore
from skblood.training._samples import Batches


def backbone_of(clf):
    return {k: v for k, v in clf.net_.module_.state_dict().items() if k.startswith("backbones")}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def fitted(make_contrastive, small):
    """Return a fitted classifier. Shared: do not fit it again."""
    return make_contrastive(pretrain_epochs=2, max_epochs=3).fit(*small)


def test_phases(fitted):
    assert fitted.history_[:, "phase"] == ["contrastive"] * 2 + ["head"] * 3
    assert fitted.n_iter_ == 5
    network = fitted.net_.module_
    assert fitted.spec_.backbones[0].trained == "all"
    assert [type(layer).__name__ for layer in network.head] == ["Dropout", "OutputLayer"]
    assert network.head[-1].in_features == 48


def test_only_the_first_phase_trains_the_backbone(make_contrastive, small, fitted):
    other = make_contrastive(pretrain_epochs=2, max_epochs=1, lr=0.1).fit(*small)
    assert same(backbone_of(other), backbone_of(fitted))
    other = make_contrastive(pretrain_epochs=1, max_epochs=1).fit(*small)
    assert not same(backbone_of(other), backbone_of(fitted))


def test_brings_cells_of_one_class_together(make_contrastive, small):
    X, y = small
    clf = make_contrastive(pretrain_epochs=15, max_epochs=20, lr=3e-2).fit(X, y)
    losses = clf.history_[:15, "train_loss"]
    assert losses[-1] < losses[0] - 0.5
    assert clf.score(X, y) > 0.8


def test_early_stopping_is_of_the_head(make_contrastive, small):
    options = {"early_stopping": 2, "max_epochs": 20, "validation_fraction": 0.3}
    clf = make_contrastive(**options).fit(*small)
    first, *rows = clf.history_
    assert "valid_f1_macro" not in first
    best = max(rows, key=lambda row: (row["valid_f1_macro"], -row["valid_loss"]))
    assert clf.best_epoch_ == best["epoch"]
    assert clf.n_iter_ < 21
    assert clf.training_data_["n_validation_images"] == 15


def test_class_weights_are_of_anchors_and_of_the_head(make_contrastive, small, monkeypatch):
    seen, batches = [], Batches.__iter__

    def watch(self):
        for images, (codes, weights) in batches(self):
            seen.append((codes.tolist(), weights.tolist()))
            yield images, (codes, weights)

    monkeypatch.setattr(Batches, "__iter__", watch)
    class_weight = {"lymphocyte": 3.0, "neutrophil": 1.0, "platelet": 1.0}
    make_contrastive(class_weight=class_weight).fit(*small)
    assert len(seen) > 2
    for codes, values in seen:
        by_code = dict(zip(codes, values, strict=True))
        if {0, 1} <= by_code.keys():
            assert by_code[0] == pytest.approx(3 * by_code[1])


def test_no_partial_fit(fitted):
    assert not hasattr(fitted, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        fitted.partial_fit  # noqa: B018


def test_warm_start(make_contrastive, small):
    clf = make_contrastive(warm_start=True, pretrain_lr=1e-9, lr=1e-9).fit(*small)
    before = clf.net_.module_.head[-1].weight.clone()
    clf.set_params(random_state=1).fit(*small)
    assert torch.allclose(clf.net_.module_.head[-1].weight, before, atol=1e-6)
    assert clf.spec_.backbones[0].trained == "all"
    clf.set_params(trainable=1, pretrain_lr=1e-2)
    start = {k: v.clone() for k, v in backbone_of(clf).items()}
    after = backbone_of(clf.fit(*small))
    assert {k.split(".")[4] for k in after if not torch.equal(start[k], after[k])} == {"2"}


def test_features_are_not_stored(make_contrastive, small):
    store = FeatureStore()
    before = len(store)
    make_contrastive(memory=store).fit(*small).predict(small[0])
    assert len(store) == before


@pytest.mark.parametrize("params", [{"trainable": "head"}, {"trainable": 0}])
def test_bad_parameters(make_contrastive, small, params):
    with pytest.raises(ValueError, match="The 'trainable' parameter"):
        make_contrastive(**params).fit(*small)
