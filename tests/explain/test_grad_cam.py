"""Class activation maps: values, targets, estimators, and sanity checks."""

import copy
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch.nn import functional as F

from skblood import (
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
    reconfigure,
)
from skblood.explain import grad_cam
from skblood.explain._grad_cam import _compute_maps

ONCE = {"max_epochs": 1, "random_state": 0}


@torch.no_grad()
def maps_by_hand(estimator, X, code):
    """Return the class activation maps (Zhou et al. 2016), which Grad-CAM is for a linear head."""
    network = estimator.predictor_.network
    images = network.prepare(torch.from_numpy(X.copy()).permute(0, 3, 1, 2))
    weights = network.head[-1].weight[code].split([b.num_features for b in network.backbones])
    total = 0
    for backbone, of_backbone in zip(network.backbones, weights, strict=True):
        activations = backbone.body.forward_features(backbone.standardize(images))
        one = torch.einsum("c,nchw->nhw", of_backbone, activations)
        total = total + F.interpolate(one[:, None], images.shape[2:], mode="bilinear")[:, 0]
    maps = total.relu().numpy()
    highest = maps.max(axis=(1, 2), keepdims=True)
    return maps / np.where(highest > 0, highest, 1)


class TestMaps:
    @pytest.mark.parametrize("code", [0, 5])
    def test_of_a_linear_head(self, fitted, cells, code):
        maps = grad_cam(fitted, cells[0][:6], target=fitted.classes_[code])
        assert (maps.shape, maps.dtype) == ((6, 32, 32), np.float32)
        assert set(maps.max(axis=(1, 2)).tolist()) <= {0.0, 1.0}
        np.testing.assert_allclose(maps, maps_by_hand(fitted, cells[0][:6], code), atol=1e-4)

    def test_of_several_backbones(self, cells):
        """Each counts by its share of the logit."""
        backbones, options = ("cellnet_t", "cellnet_s"), {"hidden_layer_sizes": (), **ONCE}
        hybrid = HybridFeatureClassifier(backbones, refine_epochs=0, **options)
        hybrid.fit(cells[0][:48], cells[1][:48])
        maps = grad_cam(hybrid, cells[0][:6], target=hybrid.classes_[2])
        np.testing.assert_allclose(maps, maps_by_hand(hybrid, cells[0][:6], 2), atol=1e-4)

    def test_without_evidence_for_the_class(self, fitted, cells):
        against = copy.deepcopy(fitted)
        with torch.no_grad():
            # The activations are not negative, so that negative weights leave nothing above 0.
            against.predictor_.network.head[-1].weight[0] = -1
        assert not grad_cam(against, cells[0][:3], target=fitted.classes_[0]).any()

    def test_batches_order_and_reading_do_not_matter(self, fitted, cells):
        X = cells[0][:7]
        whole = grad_cam(fitted, X)
        network, device = fitted.predictor_.network, fitted.predictor_.device
        predictor = SimpleNamespace(network=network, device=device, max_batch=3)
        codes = np.searchsorted(fitted.classes_, fitted.predict(X))
        batches = _compute_maps(predictor, fitted.spec_, X, codes)
        np.testing.assert_allclose(batches, whole, atol=1e-4)
        np.testing.assert_allclose(grad_cam(fitted, X[::-1]), whole[::-1], atol=1e-4)
        np.testing.assert_array_equal(grad_cam(fitted, fitted.read_images(X)), whole)

    def test_views_do_not_count(self, fitted, cells):
        views = reconfigure(fitted, dihedral_views=8, view_crops=(1, 0.5))
        target = fitted.classes_[0]
        expected = grad_cam(fitted, cells[0][:3], target=target)
        np.testing.assert_array_equal(grad_cam(views, cells[0][:3], target=target), expected)
        assert views.predictor_.network.dihedral_views == 8

    def test_one_target_for_all_one_for_each_or_the_predicted_one(self, fitted, cells):
        X = cells[0][:3]
        first, second = fitted.classes_[:2]
        each = grad_cam(fitted, X, target=[first, second, first])
        of_first = grad_cam(fitted, X, target=first)
        np.testing.assert_array_equal(each[[0, 2]], of_first[[0, 2]])
        assert abs(each[1] - of_first[1]).max() > 0.1
        expected = grad_cam(fitted, X, target=fitted.predict(X))
        np.testing.assert_array_equal(grad_cam(fitted, X), expected)


class TestEstimators:
    def test_the_classifier_is_not_modified(self, fitted, cells, assert_unmodified):
        def call():
            with torch.no_grad():  # gradients are needed nevertheless
                grad_cam(fitted, cells[0][:3])

        assert_unmodified(fitted, call)

    def test_contrastive_and_frozen(self, cells):
        """With labels that are integers."""
        X, y = cells[0][:48], 10 * np.unique(cells[1][:48], return_inverse=True)[1]
        for clf in (
            ContrastiveCellClassifier("cellnet_t", pretrain_epochs=1, **ONCE),
            TransferCellClassifier("cellnet_t", trainable="head", **ONCE),
        ):
            clf.fit(X, y)
            maps = [grad_cam(clf, X[:4], target=label) for label in clf.classes_]
            assert np.max(maps) == 1
            assert all(np.any(one != other) for one, other in pairwise(maps))

    def test_cropped_images(self, cells):
        """The map is of the cropped image."""
        X, y = cells[0][:40], cells[1][:40]
        whole = TransferCellClassifier("cellnet_t", image_size=24, crop=0.5, **ONCE).fit(X, y)
        inner = TransferCellClassifier("cellnet_t", image_size=24, **ONCE).fit(X[:, 8:24, 8:24], y)
        expected = grad_cam(inner, X[:3, 8:24, 8:24])
        np.testing.assert_array_equal(grad_cam(whole, X[:3]), expected)

    def test_errors(self, fitted, cells):
        X, y = cells[0][:16], cells[1][:16]
        with pytest.raises(TypeError, match=r"MLPCellClassifier has no feature maps.*NearestCells"):
            grad_cam(MLPCellClassifier(), X)
        with pytest.raises(TypeError, match=r"Pipeline has no feature maps.*pipeline\[-1\]"):
            grad_cam(make_pipeline(FunctionTransformer(), fitted), X)
        with pytest.raises(NotFittedError):
            grad_cam(TransferCellClassifier("cellnet_t"), X)
        with pytest.raises(ValueError, match=r"\(32, 32, 3\)"):
            grad_cam(fitted, X[:, :20, :20])
        with pytest.raises(ValueError, match=r"`target` .* not among the classes .*'tea'"):
            grad_cam(fitted, X, target="tea")
        with pytest.raises(ValueError, match="`X` 16, `target` 3"):
            grad_cam(fitted, X, target=y[:3])
        rows = np.random.default_rng(0).normal(size=(16, 40))
        tabular = TransferCellClassifier("cellnet_t", image_shape=(1, -1, 1), max_epochs=1)
        with pytest.raises(ValueError, match="Rows of numbers"):
            grad_cam(tabular.fit(rows, y), rows)


SIDE, MARK = 32, 8


@pytest.fixture(scope="module")
def marked(cells):
    """Cells with a patch in a corner whose color is the class: X, y and the corner.

    The opposite corner has another patch, as striking, without information.
    """
    X, y = cells[0].copy(), np.arange(len(cells[0])) % 2
    corners = np.random.RandomState(0).randint(0, 2, (len(X), 2)) * (SIDE - MARK)
    for image, corner, code in zip(X, corners, y, strict=True):
        (top, left), (bottom, right) = corner, SIDE - MARK - corner
        color = (40, 200, 60) if code else (200, 60, 40)
        image[top : top + MARK, left : left + MARK] = color
        image[bottom : bottom + MARK, right : right + MARK] = (40, 60, 200)
    return X, y, corners


def test_maps_point_at_the_mark_of_their_class_only(marked):
    """An edge detector would fail this test (Adebayo et al. 2018)."""

    def share_in_the_corner(maps):
        """Return the share of maps with their maximum in the marked quarter (Zhang et al. 2016)."""
        peaks = np.array([np.unravel_index(one.argmax(), one.shape) for one in maps])
        return np.mean(np.all((peaks >= SIDE // 2) == (corners > 0), axis=1))

    options = {"hidden_layer_sizes": (), "batch_size": 16, "max_epochs": 4, "random_state": 0}
    trained = TransferCellClassifier("cellnet_t", augment=None, **options)
    trained.fit(marked[0][:160], marked[1][:160])
    X, y, corners = (part[160:] for part in marked)
    maps = grad_cam(trained, X, target=y)
    assert share_in_the_corner(maps) > 0.9
    assert share_in_the_corner(grad_cam(trained, X, target=1 - y)) < 0.25
    # Random weights give other maps.
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in trained.predictor_.network.parameters():
            order = torch.randperm(weights.numel(), generator=rng)
            weights.copy_(weights.reshape(-1)[order].reshape(weights.shape))
    assert share_in_the_corner(grad_cam(trained, X, target=y)) < 0.75
