"""The default augmentation: flips, shifts, rotations, scale and color, each on its own."""

from itertools import product

import pytest
import torch

from skblood.augment import CellAugment

NOTHING = {"flip": False, "rotation": 0.0, "shift": 0.0, "scale": 0.0, "color": 0.0}
EACH = [{"flip": True}, {"rotation": 40.0}, {"shift": 0.2}, {"scale": 0.2}, {"color": 0.2}]


def augment(images, **options):
    """Apply the given changes only."""
    return CellAugment(**(NOTHING | options))(images)


def centers(images):
    """Return the center of mass of each image, ``(n, 2)``, in pixels."""
    mass = images.sum(1)
    rows, columns = (torch.arange(side, dtype=torch.float32) + 0.5 for side in mass.shape[1:])
    total = mass.sum((1, 2))
    return torch.stack([mass.sum(2) @ rows / total, mass.sum(1) @ columns / total], 1)


def blob(height, width, row, column, n=1, spread=2.0):
    """Return `n` copies of a gray image of a smooth bright spot."""
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    squares = (rows[:, None] - row) ** 2 + (columns - column) ** 2
    return torch.exp(-squares / (2 * spread**2)).expand(n, 1, -1, -1)


@pytest.mark.parametrize("options", EACH, ids=str)
def test_each_change(options):
    """Of memory in any layout, drawn for each image by the global seed."""
    for shape in [(64, 3, 16, 16), (5, 1, 9, 20), (1, 4, 7, 5), (2, 3, 2, 2)]:
        images, changed = torch.rand(shape)[:1].repeat(shape[0], 1, 1, 1), []
        before = images.clone()
        for layout in (torch.contiguous_format, torch.channels_last):
            torch.manual_seed(1)
            changed.append(augment(images.contiguous(memory_format=layout), **options))
        assert torch.allclose(*changed, atol=1e-5)
        assert torch.equal(images, before)
        if len(images) == 64:
            n_variants = len(torch.unique(changed[0].flatten(1), dim=0))
            few = {"flip": 8, "shift": 30}  # of 49 shifts by whole pixels, 64 draws find some
            assert n_variants >= few.get(",".join(options), 64)


def test_nothing_is_the_identity_and_draws_nothing():
    images, state = torch.rand(4, 3, 8, 8), torch.get_rng_state()
    assert torch.equal(augment(images), images)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_default_changes_little_and_does_not_interpolate():
    images = blob(64, 64, 32, 32, 100, spread=6.0).expand(-1, 3, -1, -1) * 0.8
    changed = CellAugment()(images)
    assert (centers(changed - changed.amin((2, 3), keepdim=True)) - 32).abs().max() < 0.1 * 64
    assert (changed.mean((2, 3)) - images.mean((2, 3))).abs().max() < 0.1
    assert torch.isin(CellAugment(color=0.0)(images), images).all()


@pytest.mark.parametrize("width", [6, 9])
def test_square_images_have_eight_flips_and_others_four(width):
    image = torch.rand(3, 6, width)
    changed = augment(image.expand(800, -1, -1, -1), flip=True)
    variants = [image, image.flip(1), image.flip(2), image.flip((1, 2))]
    if width == 6:
        variants += [each.transpose(1, 2) for each in variants]
    counts = [sum(torch.equal(c, v) for c in changed) for v in variants]
    assert sum(counts) == 800
    assert min(counts) > 60


def shift_reflected(image, down, right):
    """Shift an image ``(c, h, w)``, continued by reflection at its border pixels."""
    for axis, by in ((1, down), (2, right)):
        if by:
            side = image.shape[axis]
            mirrored = torch.cat([image, image.flip(axis).narrow(axis, 1, side - 2)], axis)
            image = mirrored.roll(by, axis).narrow(axis, 0, side)
    return image


class TestMove:
    @pytest.mark.parametrize(
        ("size", "shift", "furthest"),
        [((12, 20), 0.2, (2, 4)), ((1, 10), 0.3, (0, 3))],
        ids=str,
    )
    def test_shift_by_whole_pixels(self, size, shift, furthest):
        """Every shift up to this share of the side occurs; the axes are independent."""
        image = torch.rand(3, *size)
        shifts = list(product(*(range(-most, most + 1) for most in furthest)))
        expected = torch.stack([shift_reflected(image, *by) for by in shifts])
        changed = augment(image.expand(1000, -1, -1, -1), shift=shift)
        found = (changed[:, None] == expected).flatten(2).all(2)
        assert (found.sum(1) == 1).all()
        assert (found.sum(0) > 0).all()

    @pytest.mark.parametrize("size", [(40, 40), (40, 60)], ids=str)
    def test_rotation(self, size):
        center = torch.tensor(size) / 2
        images = blob(*size, center[0], center[1] + 10, 300)
        arms = centers(augment(images, rotation=30.0)) - center
        assert torch.allclose(arms.norm(dim=1), torch.full((300,), 10.0), atol=0.15)
        angles = torch.rad2deg(torch.atan2(arms[:, 0], arms[:, 1]))
        assert angles.max() == pytest.approx(30, abs=2)
        assert angles.min() == pytest.approx(-30, abs=2)
        assert angles.abs().max() < 30.5

    @pytest.mark.parametrize("size", [(40, 40), (40, 60)], ids=str)
    def test_scale(self, size):
        center = torch.tensor(size) / 2
        images = blob(*size, center[0] + 8, center[1] - 8, 300, spread=1.5)
        arms = centers(augment(images, scale=0.25)) - center
        factors = arms / torch.tensor([8.0, -8.0])
        assert torch.allclose(factors[:, 0], factors[:, 1], atol=0.03)  # the aspect ratio is kept
        assert factors.max() == pytest.approx(1.25, abs=0.03)
        assert factors.min() == pytest.approx(0.75, abs=0.03)

    @pytest.mark.parametrize("options", [{"shift": 0.3}, {"scale": 0.5}, {"rotation": 180.0}])
    def test_moves_keep_flat_colors(self, options):
        """Images are continued by reflection, not by black."""
        flat = torch.tensor([0.9, 0.2, 0.5]).view(1, 3, 1, 1).expand(20, -1, 16, 16)
        assert torch.allclose(augment(flat, **options), flat)


class TestColor:
    @pytest.mark.parametrize("n_channels", [1, 3])
    def test_bounds_of_a_flat_image(self, n_channels):
        flat = torch.full((2000, n_channels, 2, 2), 0.5)
        changed = augment(flat, color=0.1)
        assert torch.allclose(changed, changed[:, :, :1, :1].expand_as(changed))
        means = changed[:, :, 0, 0]
        # gain 0.9..1.1, brightness -0.05..0.05
        assert means.min() == pytest.approx(0.4, abs=0.02)
        assert means.max() == pytest.approx(0.6, abs=0.02)
        assert 0.4 - 1e-6 <= means.min() <= means.max() <= 0.6 + 1e-6
        assert means.mean() == pytest.approx(0.5, abs=0.005)
        if n_channels == 3:
            assert (means.std(1) > 0.001).float().mean() > 0.98  # channels are independent

    def test_contrast_is_common_to_all_channels(self):
        images = torch.tensor([0.4, 0.6]).repeat(8).view(1, 1, 4, 4).expand(2000, 3, -1, -1)
        changed = augment(images, color=0.2)
        spread = (changed.amax((2, 3)) - changed.amin((2, 3))) / 0.2
        assert spread.min() == pytest.approx(0.8, abs=0.01)
        assert spread.max() == pytest.approx(1.2, abs=0.01)
        assert torch.allclose(spread, spread[:, :1].expand(-1, 3), atol=1e-5)
