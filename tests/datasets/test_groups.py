"""The functions of skblood._labels on groups."""

import numpy as np
import pytest

from skblood._labels import encode_groups_or_images, join_groups


def as_sets(codes):
    return {frozenset(np.flatnonzero(codes == code).tolist()) for code in codes}


def test_join_groups():
    slides, copies = ["s1", "s1", "s2", "s3", "s4"], [0, 1, 1, 2, 3]
    assert as_sets(join_groups(5, slides, None, copies)) == {
        frozenset(each) for each in ([0, 1, 2], [3], [4])
    }
    assert as_sets(join_groups(5, slides, pairs=[(3, 4)])) == {
        frozenset(each) for each in ([0, 1], [2], [3, 4])
    }
    assert len(as_sets(join_groups(5))) == 5


def test_encode_groups_or_images():
    assert encode_groups_or_images(None, 3).tolist() == [0, 1, 2]
    assert encode_groups_or_images(["b", "a", "b"], 3).tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"`slide` has 1 missing .* position 1"):
        encode_groups_or_images(["b", np.nan, "b"], 3, "slide")
