"""What the other augmentations change and keep, and the policies made of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skblood import TransferCellClassifier
from skblood.augment import (
    POLICIES,
    BackgroundAugment,
    FrameAugment,
    LaboratoryAugment,
    LightAugment,
    OpticsAugment,
    StainAugment,
    make_augment,
)
from skblood.datasets import make_blood_cells

EACH = [BackgroundAugment, FrameAugment, LightAugment, OpticsAugment, StainAugment]
STILL = {
    BackgroundAugment: {"fade": 0.0, "colour": 0.0},
    FrameAugment: {"scale": (1.0, 1.0), "stretch": 0.0},
    LightAugment: dict.fromkeys(["gamma", "balance", "contrast", "brightness", "slope"], 0.0),
    OpticsAugment: {"share": 0.0},
    StainAugment: {"mix": 0.0, "density": 0.0, "pale": 0.0},
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def cells():
    X, _ = make_blood_cells(24, image_size=32, random_state=0)
    return torch.from_numpy(X).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("make", [*EACH, *POLICIES.values()])
class TestEach:
    @pytest.mark.parametrize("shape", [(4, 3, 16, 16), (3, 1, 9, 20), (1, 3, 7, 5), (2, 3, 2, 2)])
    @pytest.mark.parametrize("value", [None, 0.0, 1.0])
    def test_shape_range_and_input_kept(self, make, shape, value):
        images = torch.rand(shape) if value is None else torch.full(shape, value)
        before = images.clone()
        changed = make()(images)
        assert (changed.shape, changed.dtype) == (images.shape, torch.float32)
        assert torch.isfinite(changed).all()
        assert changed.min() >= -1e-6
        assert changed.max() <= 1 + 1e-6
        assert torch.equal(images, before)

    def test_changes_each_image_in_its_own_way(self, make, cells):
        one = cells[:1].repeat(64, 1, 1, 1)
        changed = make()(one)
        assert len(torch.unique(changed.flatten(1), dim=0)) > 32

    def test_repeats_by_torchs_generator(self, make, cells):
        torch.manual_seed(3)
        first = make()(cells)
        torch.manual_seed(3)
        assert torch.equal(make()(cells), first)


@pytest.mark.parametrize("kind", EACH)
def test_parameters_of_nothing_change_nothing(kind, cells):
    changed = kind(**STILL[kind])(cells)
    assert (changed - cells).abs().max() < 5e-3  # 1/255 is the darkest that has a logarithm


@pytest.mark.parametrize("kind", EACH)
def test_repr_names_the_parameters(kind):
    augment = kind(**STILL[kind])
    assert augment.get_params() == STILL[kind] | augment.get_params()
    for name, value in STILL[kind].items():
        assert f"{name}={value!r}" in repr(augment)


class TestBackground:
    def test_recolours_what_is_bright_alone(self):
        images = torch.full((50, 3, 16, 16), 0.9)
        images[:, :, 4:12, 4:12] = torch.tensor([0.5, 0.3, 0.6]).view(3, 1, 1)
        change = (BackgroundAugment(fade=0.0, colour=0.5)(images) - images).abs().amax(1)
        assert change[:, 4:12, 4:12].max() < 0.01
        assert change[:, 0, 0].mean() > 0.05

    def test_what_is_around_the_cell_fades(self):
        images = torch.full((50, 3, 64, 64), 0.9)
        nucleus, red_cell = (slice(24, 40), slice(24, 40)), (slice(2, 14), slice(2, 14))
        images[:, :, *nucleus] = 0.2
        images[:, :, *red_cell] = 0.6
        changed = BackgroundAugment(fade=1.0, colour=0.0)(images)
        assert (changed[:, :, 28:36, 28:36] - 0.2).abs().max() < 0.02
        assert changed[:, :, *red_cell].mean((1, 2, 3)).max() > 0.85
        assert changed[:, :, *red_cell].mean((1, 2, 3)).min() < 0.65


class TestFrame:
    def test_scales_between_its_bounds(self):
        images = torch.zeros(200, 1, 65, 65)
        images[:, :, 16:49, 16:49] = 1.0
        share = FrameAugment(scale=(0.5, 1.0), stretch=0.0)(images)[:, 0, 32].mean(1)
        # What was half the side is now a quarter to a half of it, beside its mirrored images.
        width = FrameAugment(scale=(1.0, 1.8), stretch=0.0)(images)[:, 0, 32].mean(1)
        assert width.min() >= 0.45
        assert 0.8 < width.max() <= 0.95
        assert share.min() >= 0.2

    def test_stretch_changes_the_proportions(self):
        images = torch.zeros(100, 1, 64, 64)
        images[:, :, 16:48, 16:48] = 1.0
        changed = FrameAugment(scale=(1.0, 1.0), stretch=0.3)(images)[:, 0]
        ratio = changed[:, :, 32].sum(1) / changed[:, 32].sum(1)
        assert ratio.max() > 1.2
        assert ratio.min() < 0.9


class TestStain:
    def test_white_stays_white(self):
        white = torch.ones(50, 3, 4, 4)
        assert torch.allclose(StainAugment()(white), white, atol=1e-5)

    def test_gray_stays_gray(self):
        gray = torch.rand(50, 1, 8, 8).expand(-1, 3, -1, -1)
        changed = StainAugment(mix=0.5, density=0.0)(gray)
        assert torch.allclose(changed, changed[:, :1].expand_as(changed), atol=1e-5)

    def test_pale_takes_colour_away(self, cells):
        def saturation(images):
            return (images.amax(1) - images.amin(1)).mean()

        pale = StainAugment(mix=0.0, density=0.0, pale=1.0)(cells)
        assert saturation(pale) < 0.9 * saturation(cells)
        assert torch.allclose(pale.mean(1), cells.mean(1), atol=0.01)

    def test_hue_changes(self, cells):
        def balance(images):
            return images[:, 0].mean((1, 2)) - images[:, 2].mean((1, 2))

        one = cells[:1].repeat(64, 1, 1, 1)
        assert balance(StainAugment()(one)).std() > 0.02


class TestLight:
    @pytest.mark.parametrize("name", ["gamma", "balance", "contrast", "brightness", "slope"])
    def test_each_parameter_does_something(self, name, cells):
        changed = LightAugment(**(STILL[LightAugment] | {name: 0.5}))(cells)
        assert (changed - cells).abs().mean() > 0.01

    def test_balance_moves_channels_apart_and_contrast_does_not(self, cells):
        def apart(options):
            light = LightAugment(**(STILL[LightAugment] | options))
            moved = light(cells * 0.5 + 0.2).mean((2, 3)) - (cells * 0.5 + 0.2).mean((2, 3))
            return (moved - moved.mean(1, keepdim=True)).abs().mean()

        assert apart({"balance": 0.3}) > 0.02
        assert apart({"contrast": 0.3}) < 1e-3

    def test_slope_leaves_the_middle(self):
        gray = torch.full((50, 1, 33, 33), 0.4)
        changed = LightAugment(**(STILL[LightAugment] | {"slope": 0.5}))(gray)
        assert torch.allclose(changed[:, 0, 16, 16], torch.tensor(0.4), atol=1e-4)
        assert (changed[:, 0, 0] - changed[:, 0, -1]).abs().max() > 0.1


class TestOptics:
    def detail(self, images):
        return (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))

    def only(self, **options):
        nothing = {"blur": 0.0, "sharpen": 0.0, "noise": 0.0, "compression": 0.0, "share": 1.0}
        return OpticsAugment(**(nothing | options))

    def test_blur_and_sharpening(self, cells):
        before = self.detail(cells)
        after = self.detail(self.only(blur=0.1, sharpen=2.0)(cells))
        assert (after < 0.8 * before).any()
        assert (after > 1.2 * before).any()

    def test_a_blurred_image_keeps_its_mean(self, cells):
        changed = self.only(blur=0.1)(cells)
        assert torch.allclose(changed.mean((2, 3)), cells.mean((2, 3)), atol=0.02)

    def test_blur_is_a_share_of_the_side(self):
        """An image twice as large is blurred as the small one is."""
        spot = torch.zeros(1, 1, 32, 32)
        spot[..., 12:20, 12:20] = 1.0
        change = self.only(blur=0.1)
        for seed in range(4):
            torch.manual_seed(seed)
            small = change(spot)
            torch.manual_seed(seed)
            large = change(F.interpolate(spot, scale_factor=2))
            assert torch.allclose(F.avg_pool2d(large, 2), small, atol=0.03)

    def test_noise(self):
        gray = torch.full((100, 3, 16, 16), 0.5)
        deviation = self.only(noise=0.1)(gray).std((1, 2, 3))
        assert 0.08 < deviation.max() < 0.11
        assert deviation.min() < 0.03

    def test_compression_is_that_of_blocks(self, cells):
        changed = self.only(compression=4.0)(cells)
        assert (changed - cells).abs().mean() > 0.005
        # A constant block is the same after its one coefficient was rounded, all over.
        flat = self.only(compression=4.0)(torch.full((8, 1, 16, 16), 0.43))
        assert torch.allclose(flat, flat[:, :, :1, :1].expand_as(flat), atol=1e-5)

    def test_fine_quanta_give_the_image_back(self, cells):
        changed = self.only(compression=1e-4)(cells)
        assert torch.allclose(changed, cells, atol=0.01)

    def test_share(self, cells):
        many = cells.repeat(20, 1, 1, 1)
        changed = OpticsAugment(noise=0.1, blur=0.0, sharpen=0.0, compression=0.0, share=0.25)(many)
        touched = ((changed - many).abs().amax((1, 2, 3)) > 0.01).float().mean()
        assert 0.1 < touched < 0.5


class TestLaboratory:
    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_share(self, cells, share):
        one = cells[:1].repeat(200, 1, 1, 1)
        colours = LaboratoryAugment(share=share)(one).mean((2, 3))
        moved = (colours - cells[:1].mean((2, 3))).abs().amax(1) > 0.02
        assert abs(moved.float().mean() - share) < 0.2


class TestPolicies:
    def test_unknown_name(self):
        with pytest.raises(ValueError, match="policy='hue' is not known"):
            make_augment("hue")

    @pytest.mark.parametrize("policy", POLICIES)
    def test_by_name_in_an_estimator(self, policy):
        X, y = make_blood_cells(48, image_size=28, random_state=0)
        options = {"max_epochs": 1, "random_state": 0, "standardize": "image"}
        by_name = TransferCellClassifier("cellnet_t", augment=policy, **options).fit(X, y)
        by_hand = TransferCellClassifier("cellnet_t", augment=make_augment(policy), **options)
        assert (by_hand.fit(X, y).predict_proba(X) == by_name.predict_proba(X)).all()

    def test_an_unknown_name_in_an_estimator(self):
        X, y = make_blood_cells(16, image_size=28, random_state=0)
        with pytest.raises(ValueError, match="'laboratory'"):
            TransferCellClassifier("cellnet_t", augment="hue").fit(X, y)

    def test_policies_can_be_composed(self, cells):
        augment = nn.Sequential(StainAugment(), OpticsAugment())
        assert augment(cells).shape == cells.shape
