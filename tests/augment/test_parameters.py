"""What the augmentations refuse: parameters out of range, and what is no batch of floats."""

import inspect

import numpy as np
import pytest
import torch

from skblood.augment import FrameAugment, LightAugment, OpticsAugment, StainAugment, make_augment
from skblood.augment._policies import AUGMENTS, POLICIES

PARAMETERS = [
    (kind, name)
    for kind in AUGMENTS
    for name, parameter in inspect.signature(kind).parameters.items()
    if isinstance(parameter.default, float)
]
# Those that have no upper limit.
UNBOUNDED = {
    (StainAugment, "mix"),
    (StainAugment, "density"),
    *((LightAugment, name) for name in ("gamma", "balance", "contrast")),
    (OpticsAugment, "sharpen"),
    (OpticsAugment, "compression"),
}


def test_all_augmentations_are_tested():
    assert len(PARAMETERS) == 23
    assert UNBOUNDED <= set(PARAMETERS)


@pytest.mark.parametrize(("kind", "name"), PARAMETERS)
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.5", None, [0.1], 400])
def test_wrong_values(kind, name, value):
    if value == 400 and (kind, name) in UNBOUNDED:
        assert getattr(kind(**{name: value}), name) == 400
        return
    message = f"The '{name}' parameter of {kind.__name__} must be a float in the range .*Got"
    with pytest.raises(ValueError, match=message):
        kind(**{name: value})


def test_flip_is_a_bool():
    kind = type(make_augment("cells")[0])
    with pytest.raises(ValueError, match="'flip' parameter of CellAugment"):
        kind(flip="no")


@pytest.mark.parametrize(
    "scale", [(1.5, 0.5), (0, 1), (-1, 1), (1,), 1.5, "ab", ("a", "b"), (0.5, np.nan), (1, np.inf)]
)
def test_wrong_scales(scale):
    with pytest.raises(ValueError, match="scale"):
        FrameAugment(scale=scale)


@pytest.mark.parametrize("scale", [(1, 1), [0.5, 2.0], np.array([0.9, 1.1])])
def test_right_scales(scale, batch):
    assert torch.isfinite(FrameAugment(scale=scale)(batch)).all()


@pytest.mark.parametrize("make", [*AUGMENTS, *POLICIES.values()])
def test_autocast_changes_nothing(make):
    images = torch.rand(16, 3, 64, 64)
    found = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            found.append(make()(images))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


@pytest.mark.parametrize("make", [*AUGMENTS, *POLICIES.values()])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_float_types_are_kept(make, dtype):
    images = torch.rand(4, 3, 56, 56).to(dtype)
    torch.manual_seed(3)
    changed = make()(images)
    torch.manual_seed(3)
    expected = make()(images.float())
    assert changed.dtype == dtype and changed.shape == images.shape
    assert (changed.float() - expected).abs().mean() < 0.01


@pytest.mark.parametrize("make", [*AUGMENTS, *POLICIES.values()])
def test_what_is_no_batch_of_floats(make):
    augment = make()
    for images, named in [
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"Tensor of dtype torch\.uint8, shape \(2,"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), r"torch\.int64"),
        (torch.zeros(3, 8, 8), r"shape \(3, 8, 8\)"),
        (np.zeros((2, 8, 8, 3), np.float32), "got a ndarray of dtype float32"),
        ([[0.5]], r"got a list\."),
    ]:
        with pytest.raises(ValueError, match=f"{named}.*augment_images"):
            augment(images)


def test_a_policy_that_is_no_name():
    with pytest.raises(ValueError, match=r"policy=\[\] is not known"):
        make_augment([])
