"""Grad-CAM: what it computes, for whom, and that it leaves the model as it was."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch.nn import functional as F

from skblood import (
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)
from skblood.explain import grad_cam


@pytest.fixture(scope="module")
def hybrid(cells):
    X, y = cells
    return HybridFeatureClassifier(
        ("cellnet_t", "cellnet_s"),
        hidden_layer_sizes=(),
        max_epochs=1,
        refine_epochs=0,
        random_state=0,
    ).fit(X[:64], y[:64])


@torch.no_grad()
def maps_by_hand(estimator, X, code):
    """Return the class activation maps (Zhou et al. 2016), which Grad-CAM is for a linear head."""
    network = estimator.net_.module_
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
    def test_form(self, fitted, cells):
        maps = grad_cam(fitted, cells[0][:7])
        assert maps.shape == (7, 32, 32)
        assert maps.dtype == np.float32
        assert maps.min() >= 0
        assert set(maps.max(axis=(1, 2)).tolist()) <= {0.0, 1.0}
        assert maps.max() == 1

    @pytest.mark.parametrize("code", [0, 5])
    def test_of_a_linear_head_by_hand(self, fitted, cells, code):
        maps = grad_cam(fitted, cells[0][:6], target=fitted.classes_[code])
        np.testing.assert_allclose(maps, maps_by_hand(fitted, cells[0][:6], code), atol=1e-4)

    def test_backbones_count_by_their_share_of_the_logit(self, hybrid, cells):
        maps = grad_cam(hybrid, cells[0][:6], target=hybrid.classes_[2])
        np.testing.assert_allclose(maps, maps_by_hand(hybrid, cells[0][:6], 2), atol=1e-4)

    def test_a_class_that_nothing_speaks_for(self, fitted, cells):
        against = copy.deepcopy(fitted)
        with torch.no_grad():
            # The map is behind a ReLU, so that negative weights leave nothing above 0.
            against.net_.module_.head[-1].weight[0] = -1
        assert not grad_cam(against, cells[0][:3], target=fitted.classes_[0]).any()

    def test_batches_have_no_part_in_it(self, fitted, cells, monkeypatch):
        X = cells[0][:7]
        whole = grad_cam(fitted, X)
        monkeypatch.setattr(type(fitted), "_predict_batch", lambda self, device: 3)
        np.testing.assert_allclose(grad_cam(fitted, X), whole, atol=1e-4)
        np.testing.assert_allclose(grad_cam(fitted, X[::-1]), whole[::-1], atol=1e-4)


class TestTarget:
    def test_none_is_the_predicted_class(self, fitted, cells):
        X = cells[0][:8]
        of_predicted = grad_cam(fitted, X, target=fitted.predict(X))
        np.testing.assert_array_equal(grad_cam(fitted, X), of_predicted)

    def test_one_for_all_or_one_for_each(self, fitted, cells):
        X = cells[0][:3]
        first, second = fitted.classes_[:2]
        each = grad_cam(fitted, X, target=[first, second, first])
        of_first = grad_cam(fitted, X, target=first)
        np.testing.assert_array_equal(each[[0, 2]], of_first[[0, 2]])
        assert abs(each[1] - of_first[1]).max() > 0.1

    def test_of_integers(self, cells):
        X, y = cells
        codes = 10 * np.unique(y, return_inverse=True)[1]
        clf = TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0)
        assert grad_cam(clf.fit(X[:32], codes[:32]), X[:2], target=30).shape == (2, 32, 32)

    def test_that_is_no_class(self, fitted, cells):
        with pytest.raises(ValueError, match=r"not among the classes \['basophil'.*: \['tea'\]"):
            grad_cam(fitted, cells[0][:2], target="tea")

    def test_of_another_length(self, fitted, cells):
        with pytest.raises(ValueError, match=r"target has shape \(3,\), but X holds 2 images"):
            grad_cam(fitted, cells[0][:2], target=["ig", "ig", "ig"])


class TestEstimators:
    def test_is_left_as_it_was(self, fitted, cells, is_left_alone):
        X = cells[0][:4]
        before = fitted.decision_function(X)
        is_left_alone(fitted, lambda: grad_cam(fitted, X))
        np.testing.assert_array_equal(fitted.decision_function(X), before)

    @pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])
    def test_in_a_block_without_gradients(self, fitted, cells, block):
        X = cells[0][:2]
        outside = grad_cam(fitted, X)
        with block():
            np.testing.assert_array_equal(grad_cam(fitted, X), outside)

    def test_frozen_backbone(self, cells, is_left_alone):
        X, y = cells
        clf = TransferCellClassifier(
            "cellnet_t", trainable="head", hidden_layer_sizes=(8,), max_epochs=1, random_state=0
        ).fit(X[:48], y[:48])
        is_left_alone(clf, lambda: grad_cam(clf, X[:4]))
        assert grad_cam(clf, X[:4]).max() == 1

    def test_contrastive(self, cells, is_left_alone):
        X, y = cells
        clf = ContrastiveCellClassifier(
            "cellnet_t", pretrain_epochs=1, max_epochs=1, random_state=0
        ).fit(X[:48], y[:48])
        is_left_alone(clf, lambda: grad_cam(clf, X[:4]))
        maps = [grad_cam(clf, X[:4], target=label) for label in clf.classes_]
        assert np.max(maps) == 1
        assert all(np.any(one != other) for one, other in pairwise(maps))

    def test_files_of_several_sizes(self, cells, tmp_path):
        X, y = cells
        paths = [str(tmp_path / f"{i}.png") for i in range(3)]
        for side, image, path in zip((24, 40, 60), X, paths, strict=False):
            Image.fromarray(image).resize((side, side + 5)).save(path)
        clf = TransferCellClassifier("cellnet_t", image_size=(28, 24), max_epochs=1, random_state=0)
        assert grad_cam(clf.fit(X[:32], y[:32]), paths).shape == (3, 28, 24)

    def test_cropped_images(self, cells):
        """The map is of what is left, as if the images had been cropped before."""
        X, y = cells[0][:40], cells[1][:40]
        settings = {"backbone": "cellnet_t", "image_size": 24, "max_epochs": 1, "random_state": 0}
        whole = TransferCellClassifier(crop=0.5, **settings).fit(X, y)
        inner = TransferCellClassifier(**settings).fit(X[:, 8:24, 8:24], y)
        expected = grad_cam(inner, X[:3, 8:24, 8:24])
        np.testing.assert_array_equal(grad_cam(whole, X[:3]), expected)

    def test_rows_of_pixels_and_gray_images(self, cells):
        gray, y = cells[0][:40, :, :, 1], cells[1][:40]
        clf = TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0).fit(gray, y)
        maps = grad_cam(clf, gray[:3])
        flat = TransferCellClassifier(
            "cellnet_t", image_shape=(32, 32), max_epochs=1, random_state=0
        ).fit(gray.reshape(40, -1), y)
        np.testing.assert_array_equal(grad_cam(flat, gray[:3].reshape(3, -1)), maps)

    def test_without_feature_maps(self, cells):
        mlp = MLPCellClassifier(hidden_layer_sizes=(4,), max_epochs=1)
        with pytest.raises(TypeError, match=r"MLPCellClassifier has none.*NearestCells"):
            grad_cam(mlp.fit(cells[0][:16], cells[1][:16]), cells[0][:2])

    def test_in_a_pipeline(self, fitted, cells):
        pipeline = make_pipeline(FunctionTransformer(), fitted)
        with pytest.raises(TypeError, match=r"Pipeline has none.*pipeline\[-1\]"):
            grad_cam(pipeline, cells[0][:2])

    def test_not_fitted(self, cells):
        with pytest.raises(NotFittedError):
            grad_cam(TransferCellClassifier("cellnet_t"), cells[0][:2])

    def test_images_that_are_not_like_those_of_the_fit(self, fitted, cells):
        with pytest.raises(ValueError, match=r"was fitted with \(32, 32, 3\)"):
            grad_cam(fitted, cells[0][:2, :20, :20])


SIDE, MARK = 32, 8


@pytest.fixture(scope="module")
def marked(cells):
    """Cells with a patch in a corner, whose colour is the class: X, y and the corner.

    In the opposite corner is another patch, as striking, which says nothing.
    """
    rng = np.random.RandomState(0)
    X = cells[0].copy()
    y = np.arange(len(X)) % 2
    corners = rng.randint(0, 2, (len(X), 2)) * (SIDE - MARK)
    for image, corner, code in zip(X, corners, y, strict=True):
        paint(image, corner, (40, 200, 60) if code else (200, 60, 40))
        paint(image, SIDE - MARK - corner, (40, 60, 200))
    return X, y, corners


def paint(image, corner, color):
    top, left = corner
    image[top : top + MARK, left : left + MARK] = color


@pytest.fixture(scope="module")
def trained(marked):
    X, y, _ = marked
    return TransferCellClassifier(
        "cellnet_t",
        hidden_layer_sizes=(),
        augment=None,
        batch_size=16,
        max_epochs=4,
        random_state=0,
    ).fit(X[:160], y[:160])


class TestSanity:
    """A map that is no better than an edge detector fails here (Adebayo et al. 2018)."""

    def share_in_the_corner(self, maps, corners):
        """Play the pointing game (Zhang et al. 2016): is a map highest in the marked quarter?"""
        peaks = np.array([np.unravel_index(one.argmax(), one.shape) for one in maps])
        return np.mean(np.all((peaks >= SIDE // 2) == (corners > 0), axis=1))

    def test_a_map_is_hot_where_the_mark_is(self, trained, marked):
        X, y, corners = (part[160:] for part in marked)
        assert trained.score(X, y) > 0.95
        maps = grad_cam(trained, X, target=y)
        assert self.share_in_the_corner(maps, corners) > 0.9

    def test_a_map_is_of_its_class(self, trained, marked):
        X, y, corners = (part[160:] for part in marked)
        maps = grad_cam(trained, X, target=1 - y)
        assert self.share_in_the_corner(maps, corners) < 0.25

    def test_random_weights_change_the_maps(self, trained, marked):
        X, y, corners = (part[160:] for part in marked)
        before, alike = grad_cam(trained, X, target=y), []
        for seed in range(3):
            after = grad_cam(self.shuffle_weights(trained, seed), X, target=y)
            assert self.share_in_the_corner(after, corners) < 0.75
            alike += [
                np.corrcoef(one.ravel(), other.ravel())[0, 1]
                for one, other in zip(before, after, strict=True)
                if one.any() and other.any()
            ]
        assert np.mean(alike) < 0.7

    def shuffle_weights(self, estimator, seed):
        shuffled = copy.deepcopy(estimator)
        rng = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weights in shuffled.net_.module_.parameters():
                order = torch.randperm(weights.numel(), generator=rng)
                weights.copy_(weights.reshape(-1)[order].reshape(weights.shape))
        return shuffled

    def test_random_labels_change_the_maps(self, trained, marked):
        """A network that could not learn where to look does not point there."""
        X, y, corners = marked
        noise = np.random.RandomState(1).permutation(y[:160])
        blind = TransferCellClassifier(**trained.get_params()).fit(X[:160], noise)
        maps = grad_cam(blind, X[160:], target=y[160:])
        assert self.share_in_the_corner(maps, corners[160:]) < 0.75
