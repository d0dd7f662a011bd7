"""Supervised contrastive learning: its loss, its two phases, and the contract of a classifier."""

import math
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

import skblood
from skblood import ContrastiveCellClassifier, FeatureStore, TrainingInterrupted
from skblood.augment import CellAugment
from skblood.training import SupervisedContrastiveLoss, TwoViews

QUICK = {
    "backbone": "cellnet_t",
    "pretrain_epochs": 2,
    "max_epochs": 3,
    "batch_size": 16,
    "projection_dim": 8,
    "random_state": 0,
    "device": "cpu",
}


def quick(**params):
    return ContrastiveCellClassifier(**{**QUICK, **params})


def backbone_of(clf):
    return {k: v for k, v in clf.net_.module_.state_dict().items() if k.startswith("backbones")}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def fitted(small):
    """Return a fitted classifier. Shared: do not fit it again."""
    return quick().fit(*small)


class Batches(Callback):
    """Keep the targets and images of each training batch."""

    def __init__(self):
        self.seen = []

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        images, (codes, weights) = batch
        self.seen.append((images.shape, codes.tolist(), weights.tolist()))

    def __deepcopy__(self, memo):
        return self  # the estimator copies callbacks, and what is kept would be lost


class Press(Callback):
    """Press Ctrl-C at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def by_the_formula(projections, codes, temperature):
    """Return each anchor's loss, sum by sum as the paper writes it, in float64."""
    z = projections.double()
    z = z / z.norm(dim=1, keepdim=True)
    losses = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        total = sum(math.exp(z[i] @ z[a] / temperature) for a in others)
        positives = [p for p in others if codes[p] == codes[i]]
        logs = [math.log(math.exp(z[i] @ z[p] / temperature) / total) for p in positives]
        losses.append(-sum(logs) / len(positives))
    return torch.tensor(losses)


class TestLoss:
    @pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5, 1.0])
    @pytest.mark.parametrize("codes", [[0, 0, 1, 1, 2, 0], [0, 1, 2, 3, 4, 5], [1] * 6])
    def test_is_the_formula(self, temperature, codes):
        torch.manual_seed(0)
        projections = torch.randn(12, 5)
        expected = by_the_formula(projections, codes * 2, temperature)
        codes, weights = torch.tensor(codes), torch.rand(6)
        loss = SupervisedContrastiveLoss(temperature)(projections, (codes, weights))
        assert loss.item() == pytest.approx((expected * weights.repeat(2)).mean().item(), rel=1e-5)

    def test_gradient(self):
        torch.manual_seed(0)
        projections = torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
        target = torch.tensor([0, 1, 1, 2]), torch.tensor([1.0, 0.5, 2.0, 0.5])
        loss = SupervisedContrastiveLoss(0.5)
        loss(projections, target).backward()
        step = 1e-2  # the loss itself is computed in float32
        for i, j in [(0, 0), (3, 1), (7, 2)]:
            sides = []
            for sign in (1, -1):
                moved = projections.detach().clone()
                moved[i, j] += sign * step
                sides.append(loss(moved, target).item())
            slope = (sides[0] - sides[1]) / (2 * step)
            assert projections.grad[i, j].item() == pytest.approx(slope, abs=2e-3)

    def test_length_of_the_projections_is_of_no_account(self):
        torch.manual_seed(0)
        projections, target = torch.randn(8, 3), (torch.tensor([0, 1, 1, 0]), torch.ones(4))
        loss = SupervisedContrastiveLoss(0.1)
        long = loss(projections * torch.tensor([[1e-3], [1e3]]).repeat(4, 1), target)
        assert long.item() == pytest.approx(loss(projections, target).item(), rel=1e-5)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_finite_at_a_low_temperature(self, dtype):
        """exp(1 / 0.001) is beyond any float."""
        projections = torch.eye(4, dtype=dtype).repeat(2, 1).requires_grad_()
        target = torch.tensor([0, 0, 1, 2]), torch.ones(4)
        loss = SupervisedContrastiveLoss(1e-3)(projections, target)
        loss.backward()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert torch.isfinite(projections.grad).all()

    def test_falls_when_classes_come_apart(self):
        apart, target = torch.eye(2)[[0, 0, 1, 1] * 2], (torch.tensor([0, 0, 1, 1]), torch.ones(4))
        mixed = torch.eye(2)[[0, 1, 0, 1] * 2]
        loss = SupervisedContrastiveLoss(0.1)
        assert loss(apart, target) < loss(mixed, target)


class TestTwoViews:
    def test_drawn_apart(self):
        images = torch.rand(4, 3, 16, 16)
        views = TwoViews(CellAugment())(images)
        assert views.shape == (8, 3, 16, 16)
        assert not torch.equal(views[:4], views[4:])

    def test_without_augmentation(self):
        images = torch.rand(4, 3, 16, 16)
        assert torch.equal(TwoViews(None)(images), images.repeat(2, 1, 1, 1))


class TestPhases:
    def test_history_tells_them_apart(self, fitted):
        assert fitted.history_[:, "phase"] == ["contrastive"] * 2 + ["head"] * 3
        assert fitted.n_iter_ == 5
        assert [row["epoch"] for row in fitted.history_] == [1, 2, 3, 4, 5]

    def test_the_projection_head_is_gone(self, fitted):
        network = fitted.net_.module_
        assert network.frozen
        assert [layer.out_features for layer in network.head if hasattr(layer, "out_features")] == [
            3
        ]
        assert network.head[-1].in_features == 48

    def test_the_head_leaves_the_backbone_alone(self, small):
        """The same first phase, and another head."""
        one, other = quick(max_epochs=1), quick(max_epochs=4, lr=0.1, class_weight=None)
        one, other = backbone_of(one.fit(*small)), backbone_of(other.fit(*small))
        # The number of steps of a phase shapes its own schedule alone.
        assert same(one, other)

    def test_the_first_phase_trains_it(self, small, fitted):
        other = quick(pretrain_epochs=1).fit(*small)
        assert not same(backbone_of(fitted), backbone_of(other))

    def test_brings_cells_of_one_class_together(self, small):
        X, y = small
        clf = quick(pretrain_epochs=15, max_epochs=20, lr=3e-2).fit(X, y)
        losses = clf.history_[:15, "train_loss"]
        assert losses[-1] < losses[0] - 0.5
        assert clf.score(X, y) > 0.9

    def test_last_stages(self, small):
        clf = quick(trainable=1).fit(*small)
        other = quick(trainable=1, pretrain_epochs=4).fit(*small)
        one, other = backbone_of(clf), backbone_of(other)
        changed = {name for name in one if not torch.equal(one[name], other[name])}
        assert changed
        assert all("stages.2" in name for name in changed)

    def test_early_stopping_is_of_the_head(self, small):
        X, y = small
        clf = quick(early_stopping=True, max_epochs=20, n_iter_no_change=2, validation_fraction=0.3)
        clf.fit(X, y)
        rows = list(clf.history_)
        assert all("valid_f1_macro" not in row for row in rows[:2])
        assert all("valid_f1_macro" in row for row in rows[2:])
        best = max(rows[2:], key=lambda row: (row["valid_f1_macro"], -row["valid_loss"]))
        assert clf.best_epoch_ == best["epoch"]
        assert clf.training_data_["n_validation_images"] == 15

    def test_learning_rates(self, small):
        clf = quick(lr_schedule=None, pretrain_lr=1e-4, lr=1e-2).fit(*small)
        rates = [row["batches"][0]["lr"] for row in clf.history_]
        assert rates == [1e-4] * 2 + [1e-2] * 3

    def test_n_views_of_the_head(self, small):
        clf = quick(n_views=3).fit(*small)
        assert not np.array_equal(
            clf.predict_proba(small[0]), quick().fit(*small).predict_proba(small[0])
        )

    def test_given_order(self, small):
        X, y = small
        order = np.argsort(y, kind="stable")
        batches = Batches()
        quick(shuffle=False, callbacks=[batches], augment=None).fit(X[order], y[order])
        codes = np.unique(y, return_inverse=True)[1][order]
        for epoch in range(5):
            seen = batches.seen[3 * epoch : 3 * epoch + 3]
            assert np.concatenate([each for _, each, _ in seen]).tolist() == codes.tolist()

    def test_weights_are_of_anchors_and_of_the_head(self, small):
        X, y = small
        batches = Batches()
        weight = {"lymphocyte": 3.0, "neutrophil": 1.0, "platelet": 1.0}
        quick(class_weight=weight, callbacks=[batches]).fit(X, y)
        for _, codes, weights in batches.seen:
            by_code = dict(zip(codes, weights, strict=True))
            assert by_code[0] == pytest.approx(3 * by_code[1])


class TestContract:
    def test_reproducible(self, small, fitted):
        again = quick().fit(*small)
        assert np.array_equal(again.predict_proba(small[0]), fitted.predict_proba(small[0]))
        other = quick(random_state=1).fit(*small)
        assert not np.array_equal(other.predict_proba(small[0]), fitted.predict_proba(small[0]))

    def test_order_of_the_images_does_not_matter(self, small, fitted, rng):
        X, y = small
        order = rng.permutation(len(X))
        again = quick().fit(X[order], y[order])
        assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))

    def test_weights_count_copies(self, small, rng):
        X, y = small
        weight = rng.integers(0, 3, len(X))
        one = quick().fit(X, y, sample_weight=weight)
        other = quick().fit(np.repeat(X, weight, 0), np.repeat(y, weight))
        assert np.array_equal(one.predict_proba(X), other.predict_proba(X))

    def test_a_class_with_one_image(self, small):
        X, y = small
        rows = np.flatnonzero(y != "platelet")
        rows = np.append(rows, np.flatnonzero(y == "platelet")[0])
        clf = quick().fit(X[rows], y[rows])
        assert np.isfinite(clf.history_[:, "train_loss"]).all()
        assert clf.predict_proba(X).shape == (48, 3)

    def test_pickle_and_clone(self, small, fitted):
        X, _ = small
        assert np.array_equal(
            pickle.loads(pickle.dumps(fitted)).predict_proba(X), fitted.predict_proba(X)
        )
        assert clone(fitted).get_params() == fitted.get_params()

    def test_save_and_load(self, small, fitted, tmp_path):
        skblood.save(fitted, tmp_path / "model.skblood")
        again = skblood.load(tmp_path / "model.skblood", device="cpu")
        assert np.array_equal(again.predict_proba(small[0]), fitted.predict_proba(small[0]))
        assert again.history_[:, "phase"] == fitted.history_[:, "phase"]

    def test_no_partial_fit(self, fitted):
        assert not hasattr(fitted, "partial_fit")
        with pytest.raises(AttributeError, match=r"has no partial_fit.*warm_start=True"):
            fitted.partial_fit  # noqa: B018

    def test_warm_start_goes_on(self, small, fitted):
        X, y = small
        clf = quick(warm_start=True, pretrain_lr=1e-9, lr=1e-9).fit(X, y)
        clf.set_params(random_state=1)
        before = clf.net_.module_.head[-1].weight.clone()
        assert torch.allclose(clf.fit(X, y).net_.module_.head[-1].weight, before, atol=1e-6)

    def test_features_are_not_kept(self, small):
        store = FeatureStore()
        store.clear()
        quick(memory=store).fit(*small).predict(small[0])
        assert len(store) == 0

    @pytest.mark.parametrize(
        "params", [{"trainable": "head"}, {"temperature": 0}, {"pretrain_epochs": 0}]
    )
    def test_bad_parameters(self, small, params):
        with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
            quick(**params).fit(*small)

    def test_interrupted_before_there_is_a_head(self, small):
        with pytest.raises(KeyboardInterrupt) as caught:
            quick(callbacks=[Press(2)]).fit(*small)
        assert not isinstance(caught.value, TrainingInterrupted)

    def test_interrupted_with_a_head(self, small):
        with pytest.raises(TrainingInterrupted) as caught:
            quick(callbacks=[Press(4)]).fit(*small)
        clf = caught.value.estimator
        assert clf.n_iter_ == 4
        assert clf.predict(small[0]).shape == (48,)

    @pytest.mark.parametrize("n_epochs", [1, 2, 4])
    def test_goes_on_from_a_checkpoint(self, small, fitted, tmp_path, monkeypatch, n_epochs):
        from skblood.training import Checkpoint

        write = Checkpoint.on_epoch_end

        def break_off(self, net, **kwargs):
            write(self, net, **kwargs)
            if len(net.history_) == n_epochs:
                raise KeyboardInterrupt

        monkeypatch.setattr(Checkpoint, "on_epoch_end", break_off)
        with pytest.raises(KeyboardInterrupt):
            quick(checkpoint=tmp_path).fit(*small)
        monkeypatch.undo()
        again = quick(checkpoint=tmp_path).fit(*small)
        assert np.array_equal(again.predict_proba(small[0]), fitted.predict_proba(small[0]))
