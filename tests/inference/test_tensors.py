"""Image arrays as tensors."""

import numpy as np
import pytest
import torch

from skblood.inference import as_nchw, to_tensor

CPU = torch.device("cpu")


def readonly(array):
    array.setflags(write=False)
    return array


FORMS = {
    "plain": lambda images: images,
    "read-only": readonly,
    "upside down": lambda images: images[:, ::-1],
    "backwards, read-only": lambda images: readonly(images[::-1]),
    "every other": lambda images: images[::2],
    "fortran": np.asfortranarray,
    "float rows": lambda images: images.reshape(len(images), -1).astype(np.float32),
}


@pytest.mark.parametrize("form", FORMS)
def test_same_numbers_and_no_needless_copy(form):
    images = FORMS[form](np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3))
    tensor = to_tensor(images, CPU).numpy()
    assert np.array_equal(tensor, images)
    assert tensor.dtype == images.dtype
    runs_backwards = form in ("upside down", "backwards, read-only")
    assert np.shares_memory(tensor, images) == (not runs_backwards)


def test_memory_map(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3))
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert to_tensor(images, CPU).sum() == np.arange(48).sum()


def test_as_nchw():
    images = torch.rand(2, 5, 4, 3)
    assert torch.equal(as_nchw(images)[:, 1], images[..., 1])
    assert as_nchw(images).is_contiguous(memory_format=torch.channels_last)
    features = torch.rand(2, 7)
    assert as_nchw(features) is features
