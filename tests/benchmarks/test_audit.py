"""The planted copies of the benchmark of the audit."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.audit import CHANGES, lines_of, planted
from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_copy_is_changed_and_is_an_image(change):
    image = make_blood_cells(1, image_size=48, random_state=0)[0][0]
    copy = change(image)
    assert copy.ndim == 3 and copy.shape[2] == 3 and copy.dtype == np.uint8
    assert not np.array_equal(copy, image)


def test_planted_copies_are_counted(tmp_path):
    X, _ = make_blood_cells(300, image_size=48, random_state=0)
    for i, image in enumerate(X):
        path = tmp_path / ("train", "val", "test")[i % 3] / "ab"[i // 150] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    figures = planted(SimpleNamespace(data=tmp_path, quick=True))
    assert figures["false"] == 0
    assert figures["lines"]["a quarter turn"]["found"] == 1.0
    assert figures["lines"]["a quarter turn"]["n_images"] == 300 + 10 * len(CHANGES)
    assert figures["found"] == min(line.get("found", 1) for line in figures["lines"].values())
    assert [label for label, _ in lines_of("planted", figures)][:1] == ["planted, a quarter turn"]
