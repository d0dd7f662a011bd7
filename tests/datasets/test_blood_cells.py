import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from skblood.datasets._cell_types import BACKGROUND, CELL_TYPES, RED_CELL
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_predict, train_test_split

from skblood.datasets import _cell_drawing, make_blood_cells
from skblood.datasets._cell_sampling import sample_cells

CLASSES = [
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
]


def count(y):
    """Number of images of every class that is there."""
    return {str(name): int(n) for name, n in zip(*np.unique(y, return_counts=True), strict=True)}


# What comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_samples", "image_size"), [(1, 16), (9, 28), (5, 33), (3, 64), (2, 256)]
)
def test_shapes_and_dtypes(n_samples, image_size):
    X, y = make_blood_cells(n_samples, image_size=image_size, random_state=0)
    assert X.shape == (n_samples, image_size, image_size, 3)
    assert X.dtype == np.uint8
    assert X.flags.c_contiguous and X.flags.owndata
    assert y.shape == (n_samples,)
    assert y.dtype.kind == "U"
    assert set(y) <= set(CLASSES)
    # A drawing, not a plain field: light background and dark cells.
    assert X.min() < 120 and X.max() > 220


def test_defaults_are_balanced_and_in_the_order_of_bloodmnist():
    X, y = make_blood_cells(image_size=16, random_state=0)
    assert X.shape == (800, 16, 16, 3)
    assert count(y) == dict.fromkeys(CLASSES, 100)
    assert list(CELL_TYPES) == CLASSES == sorted(CLASSES)


def test_classes_are_shuffled():
    _, y = make_blood_cells(400, image_size=16, random_state=0)
    same_as_next = np.mean(y[1:] == y[:-1])
    assert same_as_next < 0.25  # in blocks it would be 0.98, shuffled it is 1/8
    assert len(set(y[:60])) == 8


# Randomness -----------------------------------------------------------------------------------


def test_a_seed_gives_the_same_bytes():
    X, y = make_blood_cells(24, image_size=32, random_state=7)
    again, y_again = make_blood_cells(24, image_size=32, random_state=7)
    np.testing.assert_array_equal(X, again)
    np.testing.assert_array_equal(y, y_again)
    from_instance, _ = make_blood_cells(24, image_size=32, random_state=np.random.RandomState(7))
    np.testing.assert_array_equal(X, from_instance)


def test_seeds_and_calls_differ():
    def draw(random_state):
        return make_blood_cells(8, image_size=16, random_state=random_state)[0]

    assert (draw(0) != draw(1)).mean() > 0.5
    assert (draw(None) != draw(None)).mean() > 0.5
    instance = np.random.RandomState(0)
    assert (draw(instance) != draw(instance)).mean() > 0.5


@pytest.mark.parametrize("random_state", [None, 0])
def test_the_global_generator_is_left_alone(random_state):
    np.random.seed(3)
    expected = np.random.RandomState(3).random_sample(4)
    make_blood_cells(8, image_size=16, random_state=random_state)
    np.testing.assert_array_equal(np.random.random_sample(4), expected)


def test_none_does_not_read_the_global_generator():
    np.random.seed(3)
    X, _ = make_blood_cells(8, image_size=16)
    np.random.seed(3)
    again, _ = make_blood_cells(8, image_size=16)
    assert (X != again).mean() > 0.5


@pytest.mark.parametrize("image_size", [16, 31])
@pytest.mark.parametrize("images_a_chunk", [1, 5])
def test_images_do_not_depend_on_the_chunks(monkeypatch, image_size, images_a_chunk):
    X, _ = make_blood_cells(21, image_size=image_size, random_state=0)
    monkeypatch.setattr(_cell_drawing, "_CHUNK_PIXELS", images_a_chunk * image_size**2)
    in_chunks, _ = make_blood_cells(21, image_size=image_size, random_state=0)
    np.testing.assert_array_equal(X, in_chunks)


def test_maps_stay_within_a_chunk(monkeypatch):
    heights = []
    draw_layers = _cell_drawing._layers

    def spy(cells, *args):
        layers = draw_layers(cells, *args)
        heights.append(len(layers))
        return layers

    monkeypatch.setattr(_cell_drawing, "_layers", spy)
    monkeypatch.setattr(_cell_drawing, "_CHUNK_PIXELS", 8 * 16**2)
    make_blood_cells(20, image_size=16, random_state=0)
    assert heights == [8, 8, 4]


def test_a_seed_gives_the_same_cells_at_every_size():
    small, y_small = make_blood_cells(16, image_size=32, noise=0, random_state=0)
    large, y_large = make_blood_cells(16, image_size=128, noise=0, random_state=0)
    np.testing.assert_array_equal(y_small, y_large)
    shrunk = large.reshape(16, 32, 4, 32, 4, 3).mean(axis=(2, 4))
    difference = np.abs(shrunk - small).mean(axis=(1, 2, 3))
    assert difference.max() < 8
    assert np.abs(shrunk[::-1] - small).mean() > 25  # other cells are far apart


# Class weights --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_weights", "n_samples", "expected"),
    [
        (None, 8, [1, 1, 1, 1, 1, 1, 1, 1]),
        (None, 11, [2, 2, 2, 1, 1, 1, 1, 1]),  # equal remainders: the first in the alphabet
        ([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 40, [12, 4, 4, 4, 4, 4, 4, 4]),
        ([30, 10, 10, 10, 10, 10, 10, 10], 40, [12, 4, 4, 4, 4, 4, 4, 4]),  # not normalised
        (np.array([0, 1, 0, 0, 0, 0, 1, 0]), 7, [0, 4, 0, 0, 0, 0, 3, 0]),
        ({"platelet": 1, "basophil": 2}, 9, [6, 0, 0, 0, 0, 0, 0, 3]),
        ({"platelet": 1, "basophil": 0}, 3, [0, 0, 0, 0, 0, 0, 0, 3]),
        ([0.5, 0.26, 0.24, 0, 0, 0, 0, 0], 5, [3, 1, 1, 0, 0, 0, 0, 0]),  # 2.5, 1.3, 1.2
        ([0.9, 0.04, 0.06, 0, 0, 0, 0, 0], 1, [1, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_counts_are_dealt_out_by_largest_remainder(class_weights, n_samples, expected):
    _, y = make_blood_cells(n_samples, image_size=16, class_weights=class_weights, random_state=0)
    assert [count(y).get(name, 0) for name in CLASSES] == expected


def test_counts_do_not_depend_on_the_seed():
    weights = np.arange(1, 9)
    counts = [
        count(make_blood_cells(50, image_size=16, class_weights=weights, random_state=seed)[1])
        for seed in (0, 1)
    ]
    assert counts[0] == counts[1]


def test_weights_are_not_written_to():
    weights = {"platelet": 3, "ig": 1}
    make_blood_cells(4, image_size=16, class_weights=weights, random_state=0)
    assert weights == {"platelet": 3, "ig": 1}


@pytest.mark.parametrize(
    ("class_weights", "message"),
    [
        ({"blast": 1}, r"class_weights name \['blast'\], which are not among \['basophil'"),
        ([0.5, 0.5], r"class_weights=\[0.5, 0.5\] is not one number a class; pass 8 numbers"),
        (1.0, "class_weights=1.0 is not one number a class"),
        ("balanced", "class_weights='balanced' is not one number a class"),
        ([1, 1, 1, 1, 1, 1, 1, -1], r"-1.0\]; pass finite numbers of at least 0"),
        ([1, 1, 1, 1, 1, 1, 1, np.nan], r"nan\]; pass finite numbers of at least 0"),
        ({"platelet": np.inf}, "pass finite numbers of at least 0"),
        ([0] * 8, "one of them more than 0"),
        ({}, "one of them more than 0"),
    ],
)
def test_wrong_class_weights(class_weights, message):
    with pytest.raises(ValueError, match=message):
        make_blood_cells(8, class_weights=class_weights)


@pytest.mark.parametrize(
    ("parameter", "value", "error", "message"),
    [
        ("n_samples", 0, ValueError, "n_samples=0 is out of range; pass a value of at least 1"),
        ("n_samples", 8.0, TypeError, "n_samples=8.0 is a float; pass an integer"),
        ("n_samples", True, TypeError, "n_samples=True is a bool; pass an integer"),
        ("image_size", 15, ValueError, "image_size=15 is out of range; .* from 16 to 512"),
        ("image_size", 513, ValueError, "image_size=513 is out of range"),
        ("image_size", (64, 64), TypeError, r"image_size=\(64, 64\) is a tuple; pass an integer"),
        ("noise", -0.1, ValueError, "noise=-0.1 is out of range; pass a value from 0 to 10"),
        ("noise", np.nan, ValueError, "noise=nan is out of range"),
        ("noise", "high", TypeError, "noise='high' is a str; pass a number"),
        ("stain_variation", 11, ValueError, "stain_variation=11 is out of range"),
        ("stain_variation", None, TypeError, "stain_variation=None is a NoneType"),
        ("random_state", "seed", ValueError, "'seed' cannot be used to seed"),
    ],
)
def test_wrong_parameters(parameter, value, error, message):
    with pytest.raises(error, match=message):
        make_blood_cells(**{parameter: value})


def test_options_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        make_blood_cells(8, 32)


def test_numpy_numbers_are_numbers():
    X, _ = make_blood_cells(
        np.int64(3), image_size=np.int32(16), noise=np.float32(0.5), random_state=np.int64(0)
    )
    assert X.shape == (3, 16, 16, 3)


# Noise and stain ------------------------------------------------------------------------------


def graininess(X):
    """Mean deviation of a pixel from its neighbourhood, in the lightest part: the background."""
    X = X.astype(float)
    grain = np.abs(X - ndimage.median_filter(X, size=(1, 3, 3, 1)))
    return grain[X[..., 1] >= np.quantile(X[..., 1], 0.8)].mean()


def test_noise_is_grain_and_blur():
    grains, edges = [], []
    for noise in (0, 1, 3):
        X, _ = make_blood_cells(40, image_size=64, noise=noise, stain_variation=0, random_state=0)
        grains.append(graininess(X))
        smooth = ndimage.gaussian_filter(X.astype(float), (0, 1, 1, 0))
        edges.append(np.quantile(np.abs(np.diff(smooth, axis=1)), 0.98))
    assert grains[0] < 0.2
    assert grains[0] + 0.5 < grains[1] < grains[2] - 0.5
    assert edges[0] > edges[1] > 1.05 * edges[2]


def test_without_stain_variation_one_lamp_lights_every_image():
    X, _ = make_blood_cells(60, image_size=48, noise=0, stain_variation=0, random_state=0)
    np.testing.assert_array_equal(X.max(axis=(1, 2)), np.tile(BACKGROUND, (60, 1)))


def test_stain_variation_moves_colours_and_not_shapes():
    spreads = []
    for stain_variation in (0, 1, 2):
        X, _ = make_blood_cells(
            80,
            image_size=48,
            noise=0,
            stain_variation=stain_variation,
            class_weights={"lymphocyte": 1},
            random_state=0,
        )
        background = np.quantile(X, 0.9, axis=(1, 2)).astype(float)
        nucleus = np.quantile(X, 0.05, axis=(1, 2)).astype(float)
        spreads.append([background.std(axis=0).mean(), nucleus.std(axis=0).mean()])
        dark = X[..., 1] < 110
        if stain_variation == 0:
            plain = dark
        overlap = (dark & plain).sum() / (dark | plain).sum()
        assert overlap > 0.85
    spreads = np.array(spreads)
    assert (np.diff(spreads, axis=0) > 1).all()


# Morphology -----------------------------------------------------------------------------------


def largest_nucleus(image):
    """Mask of the largest dark part, its granules and chromatin smoothed away."""
    green = ndimage.gaussian_filter(image[..., 1].astype(float), len(image) / 48)
    parts, n = ndimage.label(green < 90)
    sizes = np.bincount(parts.ravel(), minlength=2)[1:]
    return parts == 1 + sizes.argmax() if n else np.zeros(image.shape[:2], dtype=bool)


def solidity(mask):
    """Area over the area of the convex hull: 1 is round, less is lobed."""
    corners = np.argwhere(mask)
    if len(corners) < 10:
        return 1.0
    squares = np.concatenate([corners + step for step in ([0, 0], [0, 1], [1, 0], [1, 1])])
    return len(corners) / ConvexHull(squares).volume


def describe(image):
    """Measure what a haematologist looks at, in numbers."""
    image = image.astype(float)
    green = image[..., 1]
    nucleus = largest_nucleus(image)
    middle = slice(len(image) // 4, -len(image) // 4)
    plasma = (green >= 85) & (green < 140)
    plasma[: middle.start] = plasma[middle.stop :] = False
    colour = image[plasma].mean(axis=0) if plasma.any() else image.mean(axis=(0, 1))
    texture = np.abs(ndimage.laplace(green))[middle, middle]
    return {
        "nucleus_area": nucleus.mean(),
        "dark_area": (green < 110).mean(),
        "cell_area": (green[middle, middle] < 175).mean(),
        "solidity": solidity(nucleus),
        "plasma_area": plasma.mean(),
        "red_minus_blue": colour[0] - colour[2],
        "plasma_green": colour[1],
        "texture": texture.mean(),
    }


@pytest.fixture(scope="module")
def measured():
    """Measurements of 320 clean cells: name -> class -> values."""
    X, y = make_blood_cells(320, image_size=64, noise=0, stain_variation=0, random_state=0)
    rows = [describe(image) for image in X]
    return {
        feature: {name: np.array([r[feature] for r, c in zip(rows, y, strict=True) if c == name])
                  for name in CLASSES}
        for feature in rows[0]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("feature", "less", "more"),
    [
        # A platelet has no nucleus; an erythroblast's is small, a lymphocyte's fills the cell.
        ("nucleus_area", "platelet", "erythroblast"),
        ("nucleus_area", "erythroblast", "lymphocyte"),
        ("dark_area", "platelet", "lymphocyte"),
        ("dark_area", "neutrophil", "basophil"),
        ("cell_area", "platelet", "erythroblast"),
        ("cell_area", "lymphocyte", "eosinophil"),
        ("cell_area", "lymphocyte", "monocyte"),
        # Segmented and bent nuclei against round ones.
        ("solidity", "neutrophil", "lymphocyte"),
        ("solidity", "neutrophil", "erythroblast"),
        ("solidity", "eosinophil", "lymphocyte"),
        ("solidity", "monocyte", "lymphocyte"),
        ("solidity", "monocyte", "ig"),
        # Orange-red granules against dark blue-violet ones, and blue-gray cytoplasm.
        ("red_minus_blue", "basophil", "eosinophil"),
        ("red_minus_blue", "neutrophil", "eosinophil"),
        ("red_minus_blue", "monocyte", "eosinophil"),
        ("red_minus_blue", "monocyte", "neutrophil"),
        ("texture", "lymphocyte", "basophil"),
    ],
)
def test_classes_differ_as_the_textbook_says(measured, feature, less, more):
    low, high = measured[feature][less], measured[feature][more]
    in_order = np.mean(low[:, np.newaxis] < high)  # of all pairs: 0.5 would be no difference
    assert in_order > (0.65 if (less, more) == ("monocyte", "ig") else 0.8)


@pytest.mark.parametrize(
    ("feature", "one", "other"),
    [
        ("nucleus_area", "erythroblast", "lymphocyte"),
        ("solidity", "monocyte", "ig"),
        ("cell_area", "neutrophil", "ig"),
        ("red_minus_blue", "neutrophil", "basophil"),
    ],
)
def test_classes_overlap_in_each_measurement(measured, feature, one, other):
    a, b = measured[feature][one], measured[feature][other]
    assert max(a.min(), b.min()) < min(a.max(), b.max())


def test_cells_lie_off_the_centre_in_every_direction():
    X, _ = make_blood_cells(
        200, image_size=32, noise=0, class_weights={"eosinophil": 1}, random_state=0
    )
    centres, directions = [], []
    for image in X:
        at = np.argwhere(largest_nucleus(image))
        centres.append(at.mean(axis=0))
        directions.append(np.linalg.eigh(np.cov(at.T))[1][:, -1])
    assert (np.std(centres, axis=0) > 1.5).all()
    np.testing.assert_allclose(np.mean(centres, axis=0), 15.5, atol=1)
    angles = np.arctan2(*np.transpose(directions)) % np.pi
    assert np.histogram(angles, bins=4, range=(0, np.pi))[0].min() > 25


def test_red_cells_lie_round_the_cell_and_are_cut_by_the_border():
    X, _ = make_blood_cells(
        100, image_size=48, noise=0, stain_variation=0, class_weights={"platelet": 1},
        random_state=0,
    )  # fmt: skip
    border = np.concatenate([X[:, 0], X[:, -1], X[:, :, 0], X[:, :, -1]], axis=1).astype(int)
    salmon = (border[..., 1] < 200) & (border[..., 0] > border[..., 1] + 20)
    background = (border == BACKGROUND).all(axis=-1)
    assert (salmon.any(axis=1) & background.any(axis=1)).mean() > 0.9
    assert 0.1 < salmon.mean() < 0.6


# What is sampled ------------------------------------------------------------------------------


def sample(name, n=200, noise=1.0, stain_variation=1.0):
    """Draw the parameters of n cells of one class."""
    labels = np.full(n, CLASSES.index(name))
    return sample_cells(labels, noise, stain_variation, np.random.default_rng(0))


@pytest.mark.parametrize("name", CLASSES)
def test_values_lie_in_their_class_range_and_fill_it(name):
    cells = sample(name)
    for field, (low, high) in CELL_TYPES[name]._asdict().items():
        values = cells[field]
        low, high = np.array(low), np.array(high)
        slack = 1e-4 * (1 + np.abs(high))
        assert np.all(values >= np.minimum(low, high) - slack), field
        assert np.all(values <= np.maximum(low, high) + slack), field
        spread = np.ptp(values, axis=0)
        assert np.all(spread >= 0.9 * np.abs(high - low) - slack), field


def test_every_number_of_lobes_is_drawn():
    lobes, counts = np.unique(sample("neutrophil")["lobes"], return_counts=True)
    np.testing.assert_array_equal(lobes, [3, 4, 5])
    assert counts.min() > 40
    assert set(sample("platelet")["lobes"]) == {0}


def test_noise_and_stain_variation_leave_the_cells_as_they_are():
    plain = sample("monocyte", noise=0, stain_variation=0)
    varied = sample("monocyte", noise=2, stain_variation=2)
    changed = {name for name in plain if not np.array_equal(plain[name], varied[name])}
    assert changed == {"colours", "blur", "grain"}
    assert not plain["blur"].any() and not plain["grain"].any()
    assert (varied["blur"] > 0).all() and (varied["grain"] > 0).all()


def test_without_variation_the_colours_are_those_of_the_table():
    cells = sample("eosinophil", stain_variation=0)
    light, x_slope, y_slope, vignette, red_cells, *dyes = cells["colours"].transpose(1, 0, 2)
    np.testing.assert_allclose(np.exp(light), np.tile(BACKGROUND, (200, 1)), rtol=1e-5)
    assert not x_slope.any() and not y_slope.any() and not vignette.any()
    np.testing.assert_allclose(np.exp(light + red_cells), np.tile(RED_CELL, (200, 1)), rtol=1e-5)
    for dye, name in zip(dyes, ["cytoplasm", "nucleus", "granule"], strict=True):
        np.testing.assert_allclose(np.exp(light + dye), cells[name], rtol=1e-5)


def test_the_nucleus_lies_as_far_off_the_centre_as_its_eccentricity():
    cells = sample("lymphocyte")
    one, two = cells["lobes"] == 1, cells["lobes"] == 2
    middle = np.where(one[:, None], cells["lobe_centre"][:, 0], cells["lobe_centre"][:, :2].mean(1))
    assert one.any() and two.any()
    off_centre = np.linalg.norm(middle - cells["centre"], axis=1)
    np.testing.assert_allclose(off_centre, cells["eccentricity"] * cells["radius"], atol=1e-5)


def test_red_cells_touch_the_cell_at_most():
    cells = sample("neutrophil")
    away = np.linalg.norm(cells["red_centre"] - cells["centre"][:, None], axis=-1)
    gap = away - cells["radius"][:, None] - cells["red_radius"]
    assert gap.min() > -0.05
    assert (gap < 0.05).any(axis=1).mean() > 0.5  # most cells have a neighbour that touches them
    present = (cells["red_density"] > 0).sum(axis=1)
    assert 4 <= np.median(present) <= 6 and present.max() == 7


# The parts of a drawing -----------------------------------------------------------------------


def test_noise_has_unit_variance_and_fades_where_pixels_are_coarse():
    rng = np.random.default_rng(0)
    large = _cell_drawing._smooth_noise(60, 192, rng)
    for noise in large.values():
        assert noise.std() == pytest.approx(1, abs=0.03)
        assert noise.mean() == pytest.approx(0, abs=0.05)
    small = _cell_drawing._smooth_noise(60, 24, rng)
    assert small["outline"].std() == pytest.approx(1, abs=0.05)
    assert small["fine"].std() < 0.5


def test_peaks_cover_their_share():
    noise = np.random.default_rng(0).standard_normal((3, 200, 200))
    shares = np.array([0.05, 0.3, 0.8])
    peaks = _cell_drawing._peaks(noise, shares)
    np.testing.assert_allclose(peaks.mean(axis=(1, 2)), shares, atol=0.02)


@pytest.mark.parametrize(
    ("point", "distance"),
    [((1, 2), 2), ((-3, 4), 5), ((5, 0), 1), ((7, 4), 5), ((2, 0), 0)],
)
def test_distance_to_segment(point, distance):
    x, y = (np.full((1, 1, 1), value, dtype=float) for value in point)
    end = np.array([[4.0, 0.0]])
    found = _cell_drawing._distance_to_segment(x, y, x**2 + y**2, end)
    assert found.item() == pytest.approx(distance)


def test_lobes_hang_together():
    labels = np.repeat([CLASSES.index("eosinophil"), CLASSES.index("neutrophil")], 40)
    cells = sample_cells(labels, 1, 1, np.random.default_rng(0))
    cells["nucleus_outline"][:] = 0
    axis = np.linspace(-1, 1, 128, dtype=np.float32)
    flat = {"dents": np.zeros((len(labels), 128, 128), dtype=np.float32)}
    inside = _cell_drawing._nucleus_distance(SimpleNamespace(**cells), axis, flat) < 0
    assert {ndimage.label(nucleus)[1] for nucleus in inside} == {1}
    cells["isthmus"][:] = -9  # no isthmus: some of these nuclei fall apart
    inside = _cell_drawing._nucleus_distance(SimpleNamespace(**cells), axis, flat) < 0
    assert max(ndimage.label(nucleus)[1] for nucleus in inside) > 1


def test_every_class_has_ranges_that_can_be_drawn_from():
    for cell_type in CELL_TYPES.values():
        for name, (low, high) in cell_type._asdict().items():
            if np.ndim(low) == 1:  # colours
                assert np.all((np.array([low, high]) > 0) & (np.array([low, high]) <= 255))
                assert np.all(np.array([low, high]) < BACKGROUND), "a dye takes light away"
            else:
                assert 0 <= low <= high, name


def test_an_elongated_cell_keeps_its_area():
    cells = sample("neutrophil", n=6)
    cells |= {"outline": np.zeros(6), "fringe": np.zeros(6), "centre": np.zeros((6, 2))}
    cells["elongation"] = np.array([1, 1, 1.2, 1.2, 1.3, 1.3])
    axis = np.linspace(-1, 1, 401)[:-1] + 1 / 400
    flat = dict.fromkeys(["outline", "coarse"], np.zeros((6, 400, 400)))
    inside = _cell_drawing._cell_distance(SimpleNamespace(**cells), axis, flat) < 0
    area = 4 * inside.mean(axis=(1, 2))
    np.testing.assert_allclose(area, np.pi * cells["radius"] ** 2, rtol=0.01)
    for mask, elongation in zip(inside, cells["elongation"], strict=True):
        variances = np.linalg.eigvalsh(np.cov(np.argwhere(mask).T))
        assert np.sqrt(variances[1] / variances[0]) == pytest.approx(elongation, rel=0.01)


def test_the_lens_keeps_the_light_and_widens_a_point():
    lens = _cell_drawing._lens(np.array([0, 0.02, 0.1], dtype=np.float32), 101)
    assert lens.shape == (3, 1, 101, 101)
    np.testing.assert_allclose(lens.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(lens[0, 0], np.eye(101))
    row = lens[:, 0, 50]
    width = np.sqrt((row * (np.arange(101) - 50.0) ** 2).sum(axis=1))
    np.testing.assert_allclose(width, [0, 0.02 * 50.5, 0.1 * 50.5], rtol=0.02)


@pytest.mark.parametrize("options", [{"noise": 10}, {"stain_variation": 10}, {"noise": 1e-9}])
def test_extreme_values_draw_without_a_warning(options):
    X, _ = make_blood_cells(40, image_size=24, random_state=0, **options)
    assert len(np.unique(X)) > 50
    assert (X.std(axis=(1, 2, 3)) > 1).all()


def photograph(layers, colours):
    """Take a picture without blur and grain."""
    n = len(layers)
    cells = SimpleNamespace(colours=colours, blur=np.zeros(n), grain=np.zeros(n))
    return _cell_drawing._photograph(cells, layers, np.random.default_rng(0))


def test_dyes_add_up_as_optical_densities():
    layers = np.zeros((3, 2, 16, 16))
    layers[:, 0] = 1
    layers[:, 1] = np.arange(3)[:, None, None]  # no dye, once, twice
    transmission = np.array([0.5, 0.8, 1.0])
    colours = np.tile(np.log([[200, 200, 200], transmission]), (3, 1, 1))
    light = photograph(layers, colours)[:, :, 0, 0] - 0.5  # what is added for rounding
    np.testing.assert_allclose(light, 200 * transmission ** np.arange(3)[:, None])


def test_light_beyond_the_sensor_is_cut():
    layers = np.ones((2, 1, 16, 16))
    colours = np.log(np.array([[[300.0] * 3], [[1e-9] * 3]]))
    light = photograph(layers, colours).astype(np.uint8)
    assert (light[0] == 255).all() and (light[1] == 0).all()


def test_uneven_light_runs_along_x_and_y():
    cells = sample("platelet", n=4, noise=0, stain_variation=0)
    cells["red_density"][:] = cells["stray_density"][:] = 0
    cells["colours"][0, 1] = 0.2
    cells["colours"][1, 2] = 0.2
    cells["colours"][2, 3] = -0.2
    streams = np.random.default_rng(0), np.random.default_rng(0)
    green = _cell_drawing.draw_cells(cells, 32, *streams)[..., 1].astype(int)
    corners = green[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    left_top, right_top, left_bottom, right_bottom = corners.T
    np.testing.assert_array_equal(np.sign(right_top - left_top), [1, 0, 0, 0])
    np.testing.assert_array_equal(np.sign(left_bottom - left_top), [0, 1, 0, 0])
    assert np.ptp(corners[2]) == 0 and corners[2].max() < corners[3].min()
    assert right_bottom[3] == BACKGROUND[1]


# Worth a benchmark ----------------------------------------------------------------------------


def test_shape_tells_more_than_pixels():
    X, y = make_blood_cells(640, image_size=32, random_state=0)
    features = np.array([list(describe(image).values()) for image in X])
    pixels = X.reshape(len(X), -1)[:, ::3] / 255
    by_shape = cross_val_predict(
        RandomForestClassifier(100, min_samples_leaf=2, random_state=0), features, y, cv=3
    )
    by_pixels = cross_val_predict(RidgeClassifier(alpha=300), pixels, y, cv=3)
    shape_score, pixel_score = np.mean(by_shape == y), np.mean(by_pixels == y)
    assert pixel_score > 0.3  # 1/8 would be chance
    assert pixel_score + 0.15 < shape_score < 0.98


def test_scikit_learn_takes_it_as_it_stands():
    X, y = make_blood_cells(80, image_size=16, random_state=0)
    parts = train_test_split(X, y, stratify=y, test_size=0.25, random_state=0)
    X_train, X_test, y_train, y_test = parts
    assert set(count(y_train).values()) <= {7, 8}
    assert X_train.shape == (60, 16, 16, 3) and X_test.dtype == np.uint8
    model = RidgeClassifier(alpha=300).fit(X_train.reshape(60, -1) / 255, y_train)
    assert list(model.classes_) == CLASSES
    assert model.score(X_test.reshape(20, -1) / 255, y_test) > 0.2


def test_a_thousand_small_images_are_drawn_at_once():
    start = time.process_time()
    make_blood_cells(1000, image_size=28, random_state=0)
    assert time.process_time() - start < 3  # about 0.2 s; a loop over images takes many times that
