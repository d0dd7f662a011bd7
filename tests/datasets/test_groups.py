"""The functions of skblood._labels on groups."""

import numpy as np
import pytest

from skblood._labels import encode_groups, join_groups


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


def test_encode_groups():
    assert encode_groups(None, 3)[1].tolist() == [0, 1, 2]
    names, codes = encode_groups(["b", "a", "b"], 3)
    assert (names, codes.tolist()) == (["b", "a"], [0, 1, 0])
    with pytest.raises(ValueError, match=r"`slide` has 1 missing .* position 1"):
        encode_groups(["b", np.nan, "b"], 3, "slide")
