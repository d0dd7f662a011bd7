"""Measurements of cells that are drawn with known sizes."""

import numpy as np
import pytest
from PIL import Image

from skblood import measure_cells
from skblood.images import CellImages

BACKGROUND, PLASMA, CHROMATIN, RED = (
    (235, 225, 215),
    (190, 170, 205),
    (90, 50, 130),
    (215, 150, 150),
)


def discs(*bodies, size=120, background=BACKGROUND, noise=4):
    """Return an image of discs, each (x, y, diameter, color) in shares of the side."""
    image = np.full((size, size, 3), background, float)
    axis = (np.arange(size) + 0.5) / size
    for x, y, diameter, color in bodies:
        image[(axis - x) ** 2 + (axis[:, None] - y) ** 2 < diameter**2 / 4] = color
    image += np.random.default_rng(0).normal(0, noise, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def cell(nucleus, diameter, x=0.5, y=0.5):
    return (x, y, diameter, PLASMA), (x, y, nucleus, CHROMATIN)


def test_nucleus_cell_and_center():
    X = np.stack([discs(*cell(0.4, 0.6)), discs(*cell(0.3, 0.5, 0.6, 0.45))])
    cells = measure_cells(X)
    assert len(cells) == 2
    np.testing.assert_allclose(cells.nucleus_diameter, [0.4, 0.3], atol=0.015)
    np.testing.assert_allclose(cells.cell_diameter, [0.6, 0.5], atol=0.025)
    np.testing.assert_allclose(cells.center, [[0, 0], [0.1, -0.05]], atol=0.01)
    np.testing.assert_allclose(cells.size, (cells.nucleus_diameter * cells.cell_diameter) ** 0.5)
    assert cells.is_white_cell.all()
    assert np.isnan(cells.red_cell_diameter).all()


def test_lobes_are_one_nucleus():
    lobes = [(x, y, 0.16, CHROMATIN) for x, y in ((0.42, 0.45), (0.57, 0.42), (0.52, 0.6))]
    cells = measure_cells(discs((0.5, 0.5, 0.6, PLASMA), *lobes)[None])
    assert cells.nucleus_diameter[0] == pytest.approx(0.16 * 3**0.5, abs=0.02)


def test_red_cells_are_a_ruler():
    red = [(0.15, 0.2, 0.2, RED), (0.85, 0.2, 0.22, RED), (0.2, 0.85, 0.21, RED)]
    cut = (1.0, 0.7, 0.3, RED)  # by the border
    rings = [(x, y, d / 3, BACKGROUND) for x, y, d, _ in red]  # pale in the middle
    cells = measure_cells(discs(*cell(0.3, 0.4), *red, *rings, cut)[None])
    assert cells.red_cell_diameter[0] == pytest.approx(0.21, abs=0.015)
    assert cells.nucleus_diameter[0] == pytest.approx(0.3, abs=0.015)


def test_a_neighbour_is_not_the_cell():
    neighbour = [(0.1, 0.85, 0.3, PLASMA), (0.1, 0.85, 0.26, CHROMATIN)]
    cells = measure_cells(discs(*cell(0.25, 0.4), *neighbour)[None])
    assert cells.nucleus_diameter[0] == pytest.approx(0.25, abs=0.015)


@pytest.mark.parametrize("cast", [(0.4, 0.5, 0.6), (1.0, 0.9, 0.5), (0.6, 1.0, 0.9)])
@pytest.mark.parametrize("contrast", [1.0, 0.5])
def test_color_casts_and_low_contrast(cast, contrast):
    image = discs(*cell(0.35, 0.55), noise=2)
    image = (235 + contrast * (image - 235.0)) * cast
    cells = measure_cells(image.astype(np.uint8)[None])
    assert cells.nucleus_diameter[0] == pytest.approx(0.35, abs=0.02)
    assert cells.cell_diameter[0] == pytest.approx(0.55, abs=0.03)


def test_what_is_no_white_cell():
    images = [discs(*cell(0.4, 0.6))] * 5
    images += [discs((0.5, 0.5, 0.15, CHROMATIN))]  # a platelet
    images += [discs(*cell(0.4, 0.5, x=0.85))]  # not in the middle
    images += [discs(noise=0)]  # nothing
    cells = measure_cells(np.stack(images))
    assert cells.is_white_cell.tolist() == [True] * 5 + [False] * 3
    assert np.isnan([cells.nucleus_diameter[7], cells.cell_diameter[7], *cells.center[7]]).all()


def test_a_cell_larger_than_the_image_has_no_edge():
    cells = measure_cells(discs(*cell(0.6, 1.25))[None])
    assert cells.nucleus_diameter[0] == pytest.approx(0.6, abs=0.02)
    assert np.isnan([cells.cell_diameter[0], cells.size[0]]).all()


@pytest.mark.parametrize("size", [24, 64, 300])
def test_any_form_and_size(size, tmp_path):
    image = discs(*cell(0.4, 0.6), size=size, noise=0)
    Image.fromarray(image).save(tmp_path / "cell.png")
    forms = [
        image[None],
        [tmp_path / "cell.png"],
        [Image.fromarray(image)],
        CellImages(image[None]),
    ]
    for X in forms:
        cells = measure_cells(X)
        assert cells.nucleus_diameter[0] == pytest.approx(0.4, abs=0.03)
        assert cells.cell_diameter[0] == pytest.approx(0.6, abs=0.05)
    gray = measure_cells(image[..., 1][None])
    assert gray.nucleus_diameter[0] == pytest.approx(0.4, abs=0.03)


def test_rows_do_not_depend_on_the_other_images():
    X = np.stack([discs(*cell(0.25 + 0.002 * i, 0.6)) for i in range(70)])
    together, alone = measure_cells(X), measure_cells(X[66:67])
    assert together.nucleus_diameter[66] == alone.nucleus_diameter[0]
    assert together.cell_diameter[66] == alone.cell_diameter[0]


@pytest.mark.parametrize("X", [np.zeros((3, 12)), CellImages(np.zeros((3, 1, 12, 1), "f4"))])
def test_what_are_no_images(X):
    with pytest.raises(ValueError, match="measure_cells takes images"):
        measure_cells(X)
