"""Augmentations for other laboratories: background, crop, stain, light and optics."""

import pytest
import torch
from torch.nn import functional as F

from skblood.augment import (
    POLICIES,
    BackgroundAugment,
    ExportAugment,
    FrameAugment,
    LaboratoryAugment,
    LightAugment,
    OpticsAugment,
    StainAugment,
)
from skblood.augment._optics import _blur

# Parameters with which an augmentation changes nothing.
OFF = {
    BackgroundAugment: {"fade": 0.0, "color": 0.0},
    ExportAugment: {"share": 0.0, "scale": 0.1},
    FrameAugment: {"scale": (1.0, 1.0), "stretch": 0.0},
    LightAugment: dict.fromkeys(["gamma", "balance", "contrast", "brightness", "slope"], 0.0),
    OpticsAugment: dict.fromkeys(["blur", "sharpen", "noise", "compression", "share"], 0.0),
    StainAugment: {"mix": 0.0, "density": 0.0, "pale": 0.0},
}


def only(kind, **options):
    return kind(**(OFF[kind] | options))


@pytest.mark.parametrize("make", [*OFF, *POLICIES.values()])
class TestEach:
    def test_shape_range_and_input(self, make):
        for shape in [(4, 3, 16, 16), (3, 1, 9, 20), (1, 3, 7, 5), (2, 3, 2, 2)]:
            for images in (torch.rand(shape), torch.zeros(shape), torch.ones(shape)):
                before = images.clone()
                changed = make()(images)
                assert (changed.shape, changed.dtype) == (images.shape, torch.float32)
                assert changed.min() >= -1e-6 and changed.max() <= 1 + 1e-6  # and so finite
                assert torch.equal(images, before)

    def test_drawn_for_each_image_by_the_global_seed(self, make, batch):
        one = F.interpolate(batch[:1], size=48).repeat(64, 1, 1, 1)
        first = make()(one)
        assert len(torch.unique(first.flatten(1), dim=0)) > 16
        torch.manual_seed(0)
        assert torch.equal(make()(one), first)


@pytest.mark.parametrize("kind", OFF)
def test_parameters_that_change_nothing(kind, batch):
    augment = only(kind)
    # 1/255 is the darkest value that has a logarithm.
    assert (augment(batch) - batch).abs().max() < 5e-3
    assert augment.get_params() == OFF[kind]
    assert all(f"{name}={value!r}" in repr(augment) for name, value in OFF[kind].items())


class TestBackground:
    def test_color_changes_bright_pixels_only(self):
        images = torch.full((50, 3, 16, 16), 0.9)
        images[:, :, 4:12, 4:12] = torch.tensor([0.5, 0.3, 0.6]).view(3, 1, 1)
        change = (BackgroundAugment(fade=0.0, color=0.5)(images) - images).abs().amax(1)
        assert change[:, 4:12, 4:12].max() < 0.01
        assert change[:, 0, 0].mean() > 0.05

    def test_surroundings_of_the_cell_fade(self):
        images = torch.full((50, 3, 64, 64), 0.9)
        nucleus, red_cell = (slice(24, 40), slice(24, 40)), (slice(2, 14), slice(2, 14))
        images[:, :, *nucleus] = 0.2
        images[:, :, *red_cell] = 0.6
        changed = BackgroundAugment(fade=1.0, color=0.0)(images)
        assert (changed[:, :, 28:36, 28:36] - 0.2).abs().max() < 0.02
        assert changed[:, :, *red_cell].mean((1, 2, 3)).max() > 0.85
        assert changed[:, :, *red_cell].mean((1, 2, 3)).min() < 0.65


class TestFrame:
    @pytest.fixture
    def square(self):
        images = torch.zeros(200, 1, 65, 65)
        images[:, :, 16:49, 16:49] = 1.0
        return images

    def test_scale_has_bounds(self, square):
        # A square of half the side becomes a quarter to a half of it, beside its reflections.
        shrunk = FrameAugment(scale=(0.5, 1.0), stretch=0.0)(square)[:, 0, 32].mean(1)
        assert shrunk.min() >= 0.2
        enlarged = FrameAugment(scale=(1.0, 1.8), stretch=0.0)(square)[:, 0, 32].mean(1)
        assert enlarged.min() >= 0.45
        assert 0.8 < enlarged.max() <= 0.95

    def test_stretch_changes_the_aspect_ratio(self, square):
        changed = FrameAugment(scale=(1.0, 1.0), stretch=0.3)(square)[:, 0]
        ratio = changed[:, :, 32].sum(1) / changed[:, 32].sum(1)
        assert ratio.max() > 1.2
        assert ratio.min() < 0.9


class TestStain:
    def test_white_stays_white_and_gray_stays_gray(self):
        white = torch.ones(50, 3, 4, 4)
        assert torch.allclose(StainAugment()(white), white, atol=1e-5)
        gray = torch.rand(50, 1, 8, 8).expand(-1, 3, -1, -1)
        changed = StainAugment(mix=0.5, density=0.0)(gray)
        assert torch.allclose(changed, changed[:, :1].expand_as(changed), atol=1e-5)

    def test_pale_lowers_the_saturation(self, batch):
        def saturation(images):
            return (images.amax(1) - images.amin(1)).mean()

        pale = only(StainAugment, pale=1.0)(batch)
        assert saturation(pale) < 0.9 * saturation(batch)
        assert torch.allclose(pale.mean(1), batch.mean(1), atol=0.01)

    @pytest.mark.parametrize("options", [{"mix": 0.5}, {"density": 0.5}], ids=str)
    def test_hue_changes(self, batch, options):
        changed = only(StainAugment, **options)(batch[:1].repeat(64, 1, 1, 1))
        assert (changed[:, 0] - changed[:, 2]).mean((1, 2)).std() > 0.02


class TestLight:
    @pytest.mark.parametrize("name", OFF[LightAugment])
    def test_each_parameter_changes_images(self, name, batch):
        assert (only(LightAugment, **{name: 0.5})(batch) - batch).abs().mean() > 0.01

    def test_balance_changes_channels_and_contrast_does_not(self, batch):
        pale = batch * 0.5 + 0.2

        def apart(**options):
            moved = only(LightAugment, **options)(pale).mean((2, 3)) - pale.mean((2, 3))
            return (moved - moved.mean(1, keepdim=True)).abs().mean()

        assert apart(balance=0.3) > 0.02
        assert apart(contrast=0.3) < 1e-3

    def test_slope_keeps_the_center(self):
        changed = only(LightAugment, slope=0.5)(torch.full((50, 1, 33, 33), 0.4))
        assert torch.allclose(changed[:, 0, 16, 16], torch.tensor(0.4), atol=1e-4)
        assert (changed[:, 0, 0] - changed[:, 0, -1]).abs().max() > 0.1


class TestOptics:
    def test_blur_and_sharpening(self, batch):
        def detail(images):
            return (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))

        after = detail(only(OpticsAugment, blur=0.1, sharpen=2.0, share=1.0)(batch))
        assert (after < 0.8 * detail(batch)).any()
        assert (after > 1.2 * detail(batch)).any()
        blurred = only(OpticsAugment, blur=0.1, share=1.0)(batch)
        assert torch.allclose(blurred.mean((2, 3)), batch.mean((2, 3)), atol=0.02)

    @pytest.mark.parametrize(("side", "reach"), [(41, 6), (4, 3), (1, 0)])
    def test_blur_reaches_three_deviations_or_the_border(self, side, reach):
        spot = torch.zeros(1, 1, 1, side)
        spot[..., side // 2 if side > 9 else 0] = 1
        for image in (spot.expand(1, 1, side, side), spot.expand(1, 1, side, side).mT):
            blurred = _blur(image, torch.full((1,), 2.0)) > 0
            assert blurred.sum() == side * ((1 + 2 * reach) if side > 9 else side)

    def test_blur_scales_with_the_image(self):
        spot = torch.zeros(1, 1, 32, 32)
        spot[..., 12:20, 12:20] = 1.0
        change = only(OpticsAugment, blur=0.1, share=1.0)
        small = change(spot)
        torch.manual_seed(0)
        large = change(F.interpolate(spot, scale_factor=2))
        assert torch.allclose(F.avg_pool2d(large, 2), small, atol=0.03)

    def test_noise(self):
        gray = torch.full((100, 3, 16, 16), 0.5)
        deviation = only(OpticsAugment, noise=0.1, share=1.0)(gray).std((1, 2, 3))
        assert 0.08 < deviation.max() < 0.11
        assert deviation.min() < 0.03

    def test_compression_quantizes_blocks(self, batch):
        coarse = only(OpticsAugment, compression=4.0, share=1.0)
        assert (coarse(batch) - batch).abs().mean() > 0.005
        # The one coefficient of a constant block is rounded, everywhere to the same.
        flat = coarse(torch.full((8, 1, 16, 16), 0.43))
        assert torch.allclose(flat, flat[:, :, :1, :1].expand_as(flat), atol=1e-5)
        fine = only(OpticsAugment, compression=1e-4, share=1.0)(batch)
        assert torch.allclose(fine, batch, atol=0.01)

    def test_share(self, batch):
        many = batch.repeat(20, 1, 1, 1)
        changed = only(OpticsAugment, noise=0.1, share=0.25)(many)
        touched = ((changed - many).abs().amax((1, 2, 3)) > 0.01).float().mean()
        assert 0.1 < touched < 0.5


class TestExport:
    @pytest.fixture
    def many(self, batch):
        return F.interpolate(batch[:1], size=64, mode="bilinear").repeat(300, 1, 1, 1)

    def test_a_share_is_changed_mildly(self, many):
        change = (ExportAugment(share=0.25, scale=0.0)(many) - many).abs().mean((1, 2, 3))
        assert (change > 1e-5).float().mean() == pytest.approx(0.25, abs=0.07)
        assert change.max() < 0.05  # no reader would notice

    def test_color_loses_and_gains_details(self, many):
        def detail(images):  # of the color, as a standard deviation
            color = images - images.mean(1, keepdim=True)
            smooth = F.avg_pool2d(color, 3, 1, 1, count_include_pad=False)
            return (color - smooth).std((1, 2, 3))

        many = 0.5 + 0.05 * torch.randn_like(many)
        ratio = detail(ExportAugment(share=1.0, scale=0.0)(many)) / detail(many)
        assert ratio.min() < 0.5 and 1.5 < ratio.max() < 4

    def test_small_images_are_kept(self, many):
        assert torch.equal(ExportAugment(share=1.0)(many[..., :47]), many[..., :47])
        assert not torch.equal(ExportAugment(share=1.0)(many[..., :48]), many[..., :48])

    def test_scale_has_bounds(self):
        images = torch.zeros(300, 1, 65, 65)
        images[:, :, 16:49, 16:49] = 1.0
        sizes = ExportAugment(share=1.0, scale=0.2)(images)[:, 0, 32].mean(1) * 65 / 33
        assert 0.77 < sizes.min() < 0.9
        assert 1.1 < sizes.max() < 1.28


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_share_of_the_laboratory(batch, share):
    colors = LaboratoryAugment(share=share)(batch[:1].repeat(200, 1, 1, 1)).mean((2, 3))
    changed = (colors - batch[:1].mean((2, 3))).abs().amax(1) > 0.02
    assert abs(changed.float().mean() - share) < 0.2
