import numpy as np
import pytest
from scipy import ndimage

from skblood.datasets import _cell_drawing, make_blood_cells
from skblood.datasets._cell_sampling import BACKGROUND, CLASSES, RANGES, sample_cells


def count(y):
    return dict(zip(*(each.tolist() for each in np.unique(y, return_counts=True)), strict=True))


def test_shapes_and_labels(classes):
    X, y = make_blood_cells(np.int64(5), image_size=33, random_state=0)
    assert X.shape == (5, 33, 33, 3) and X.dtype == np.uint8
    assert X.flags.c_contiguous and X.flags.owndata
    assert X.min() < 120 and X.max() > 220  # light background and dark cells
    X, y = make_blood_cells(image_size=16, random_state=0)
    assert X.shape == (800, 16, 16, 3)
    assert count(y) == dict.fromkeys(classes, 100) and y.dtype.kind == "U"
    assert np.mean(y[1:] == y[:-1]) < 0.25  # 1/8 is expected; sorted it would be 0.99


# Green values of eight images of 16 pixels, at rows 2, 6, 10 and 14 of column 8.
PIXELS = {
    "platelet": [231, 163, 167, 229],
    "lymphocyte": [228, 16, 15, 203],
    "eosinophil": [78, 60, 100, 211],
    "basophil": [137, 29, 31, 236],
    "erythroblast": [235, 32, 151, 221],
    "neutrophil": [212, 105, 31, 170],
    "monocyte": [206, 61, 57, 141],
    "ig": [61, 47, 78, 174],
}


def test_a_seed_gives_the_same_images_in_every_version():
    X, y = make_blood_cells(8, image_size=16, random_state=0)
    assert y.tolist() == list(PIXELS)
    # Rounding may depend on the processor.
    np.testing.assert_allclose(X[:, 2::4, 8, 1].astype(int), list(PIXELS.values()), atol=1)
    again, _ = make_blood_cells(8, image_size=16, random_state=np.random.RandomState(0))
    np.testing.assert_array_equal(X, again)


def test_images_do_not_depend_on_chunks(monkeypatch):
    X, _ = make_blood_cells(21, image_size=16, random_state=0)
    monkeypatch.setattr(_cell_drawing, "_CHUNK_PIXELS", 8 * 16**2)
    in_chunks, _ = make_blood_cells(21, image_size=16, random_state=0)
    np.testing.assert_array_equal(X, in_chunks)


def test_random_state_none_and_instances():
    np.random.seed(3)
    expected = np.random.RandomState(3).random_sample(4)
    instance = np.random.RandomState(0)
    given = [0, 1, None, None, instance, instance]
    images = [make_blood_cells(8, image_size=16, random_state=state)[0] for state in given]
    for one, other in zip(images[::2], images[1::2], strict=True):
        assert (one != other).mean() > 0.5
    np.testing.assert_array_equal(np.random.random_sample(4), expected)


def test_a_seed_gives_the_same_cells_at_every_size():
    small, y_small = make_blood_cells(16, image_size=32, noise=0, random_state=0)
    large, y_large = make_blood_cells(16, image_size=128, noise=0, random_state=0)
    np.testing.assert_array_equal(y_small, y_large)
    shrunk = large.reshape(16, 32, 4, 32, 4, 3).mean(axis=(2, 4))
    assert np.abs(shrunk - small).mean(axis=(1, 2, 3)).max() < 8
    assert np.abs(shrunk[::-1] - small).mean() > 25  # other cells are far apart


@pytest.mark.parametrize(
    ("class_weights", "n_samples", "expected"),
    [
        (None, 11, [2, 2, 2, 1, 1, 1, 1, 1]),  # equal remainders: in alphabetical order
        ([30, 10, 10, 10, 10, 10, 10, 10], 40, [12, 4, 4, 4, 4, 4, 4, 4]),
        ({"platelet": 1, "basophil": 2, "ig": 0}, 9, [6, 0, 0, 0, 0, 0, 0, 3]),
        ([0.5, 0.26, 0.24, 0, 0, 0, 0, 0], 5, [3, 1, 1, 0, 0, 0, 0, 0]),  # 2.5, 1.3, 1.2
    ],
)
def test_class_weights(class_weights, n_samples, expected, classes):
    for seed in (0, 1):
        _, y = make_blood_cells(
            n_samples, image_size=16, class_weights=class_weights, random_state=seed
        )
        assert [count(y).get(name, 0) for name in classes] == expected


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("n_samples", 0, "'n_samples' parameter of make_blood_cells"),
        ("image_size", 15, r"range \[16, 512\]. Got 15"),
        ("noise", np.nan, "'noise' .* Got nan"),
        ("stain_variation", 11, "'stain_variation' .* Got 11"),
        ("random_state", "seed", "'seed' cannot be used to seed"),
        ("class_weights", {"blast": 1}, r"\['blast'\], which are not among \['basophil'"),
        ("class_weights", [0.5, 0.5], "8 finite numbers"),
        ("class_weights", [1, 1, 1, 1, 1, 1, 1, -1], "at least 0"),
        ("class_weights", {"platelet": np.inf}, "8 finite numbers"),
        ("class_weights", {}, "not all 0"),
    ],
)
def test_wrong_parameters(parameter, value, message):
    with pytest.raises(ValueError, match=message):
        make_blood_cells(**{parameter: value})


@pytest.mark.parametrize("name", CLASSES)
def test_parameters_fill_the_range_of_their_class(name, classes):
    assert CLASSES == classes
    labels = np.full(200, CLASSES.index(name))
    cells = sample_cells(labels, 1, 1, np.random.default_rng(0))
    for field, ends in RANGES.items():
        low, high = np.sort(ends[CLASSES.index(name)], axis=0)
        slack = 1e-4 * (1 + np.abs(high))
        values = cells[field][..., 0, 0]
        assert np.all(values >= low - slack) and np.all(values <= high + slack), field
        assert np.all(np.ptp(values, axis=0) >= 0.9 * (high - low) - slack), field


def test_noise_is_grain_and_blur():
    grains, edges = [], []
    for noise in (0, 1, 3):
        X, _ = make_blood_cells(40, image_size=64, noise=noise, stain_variation=0, random_state=0)
        X = X.astype(float)
        grain = np.abs(X - ndimage.median_filter(X, size=(1, 3, 3, 1)))
        grains.append(grain[X[..., 1] >= np.quantile(X[..., 1], 0.8)].mean())
        smooth = ndimage.gaussian_filter(X, (0, 1, 1, 0))
        edges.append(np.quantile(np.abs(np.diff(smooth, axis=1)), 0.98))
    assert grains[0] < 0.2
    assert grains[0] + 0.5 < grains[1] < grains[2] - 0.5
    assert edges[0] > edges[1] > 1.05 * edges[2]


def test_stain_variation_changes_colors_and_not_shapes():
    spreads, masks = [], []
    options = {"noise": 0, "class_weights": {"lymphocyte": 1}, "random_state": 0}
    for variation in (0, 1, 2):
        X, _ = make_blood_cells(80, image_size=48, stain_variation=variation, **options)
        ends = np.quantile(X, [0.05, 0.9], axis=(1, 2)).astype(float)  # nucleus and background
        spreads.append(ends.std(axis=1).mean(axis=1))
        masks.append(X[..., 1] < 110)
        assert (masks[0] & masks[-1]).sum() > 0.85 * (masks[0] | masks[-1]).sum()
        if variation == 0:
            np.testing.assert_array_equal(X.max(axis=(1, 2)), np.tile(BACKGROUND, (80, 1)))
    assert (np.diff(spreads, axis=0) > 1).all()


@pytest.mark.parametrize("options", [{"noise": 10}, {"stain_variation": 10}, {"noise": 1e-9}])
def test_extreme_values(options):
    X, _ = make_blood_cells(40, image_size=24, random_state=0, **options)
    assert len(np.unique(X)) > 50
    assert (X.std(axis=(1, 2, 3)) > 1).all()
