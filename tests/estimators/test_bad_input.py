"""Bad X and y: the message holds what was given, what is allowed and what to do."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from PIL import Image

from skblood import CellEmbedder


def rows(X):
    return X.reshape(len(X), -1)


def with_nan(X):
    X = X / 255
    X[3, 2, 1] = np.nan
    return X


BAD_X = {
    "none": (lambda X: None, ["array=None"]),
    "number": (lambda X: 3, ["scalar array"]),
    "one axis": (lambda X: np.arange(48.0), ["Expected 2D array, got 1D array"]),
    "five axes": (lambda X: X[:, None], ["(1, 16, 16, 3)", "c = 1, 3 or 4"]),
    "five channels": (
        lambda X: np.zeros((48, 16, 16, 5), np.uint8),
        ["16, 5)", "c = 1, 3 or 4"],
    ),
    "channels first": (
        lambda X: X.transpose(0, 3, 1, 2),
        ["(3, 16, 16)", "transpose"],
    ),
    "single image": (lambda X: X[0], ["(16, 16, 3)", "X[None]"]),
    "single path": (lambda X: "cell.png", ["single path", "list of paths", "load_image_folder"]),
    "single PIL image": (lambda X: Image.fromarray(X[0]), ["[X]"]),
    "no images": (lambda X: X[:0], ["there are 0 of shape (16, 16, 3)"]),
    "no rows": (lambda X: rows(X)[:0], ["0 sample(s)", "minimum of 1"]),
    "uint16": (
        lambda X: X.astype(np.uint16) * 257,
        ["uint16", "65535", "uint8 in 0..255", "X / 65535"],
    ),
    "uint16 rows": (lambda X: rows(X).astype(np.uint16) * 257, ["uint16", "X / 65535"]),
    "int64": (lambda X: X.astype(int), ["int64", "X.astype(np.uint8)"]),
    "bool": (lambda X: X > 127, ["bool"]),
    "floats to 255": (
        lambda X: X.astype(float),
        ["float64", "255", "0..1", "Pass X.astype(np.uint8)"],
    ),
    "rows of floats to 255": (
        lambda X: rows(X).astype(np.float32),
        ["float32", "Pass X.astype(np.uint8)"],
    ),
    "normalised": (lambda X: X / 127.5 - 1, ["if normalized"]),
    "standardised": (lambda X: (X - X.mean()) / 20, ["X * std + mean if normalized"]),
    "nan": (with_nan, ["1 of 48 hold NaN", "position 3", "np.nan_to_num"]),
    "nan in rows": (lambda X: rows(with_nan(X)), ["contains NaN"]),
    "infinity": (lambda X: np.where(X == X.max(), np.inf, X / 255), ["infinity", "nan_to_num"]),
    "text": (lambda X: np.array([["a", "b"]] * 48), ["dtype='numeric'", "Convert your data"]),
    "mixed sizes": (
        lambda X: [x[: 16 - i % 2] for i, x in enumerate(X)],
        ["16 x 16 (first", "15 x 16 (first", "image_size=(height, width)"],
    ),
    "mixed kinds": (
        lambda X: [*X[:47], "cell.png"],
        ["an array at 0", "a path at 47"],
    ),
}
BAD_Y = {
    "none": (lambda y: None, ["requires y to be passed", "None"]),
    "one class": (lambda y: ["ig"] * 48, ["one class only", "'ig'", "two or more"]),
    "too few": (lambda y: y[:-1], ["[48, 47]"]),
    "two columns": (lambda y: np.c_[y, y], ["1d array", "(48, 2)"]),
    "continuous": (lambda y: np.linspace(0, 1, 48), ["continuous"]),
    "nan": (lambda y: np.r_[np.nan, np.zeros(47)], ["y contains NaN"]),
    "infinity": (lambda y: np.r_[np.inf, np.zeros(47)], ["y contains infinity"]),
}


def check_message(error, parts):
    message = str(error.value)
    missing = [part for part in parts if part not in message]
    assert not missing, message


@pytest.mark.parametrize("case", BAD_X)
def test_fit_on_bad_X(make, small, case):
    change, parts = BAD_X[case]
    clf = make()
    with pytest.raises((ValueError, TypeError)) as error:
        clf.fit(change(small[0]), small[1])
    check_message(error, parts)
    assert vars(clf).keys() == clf.get_params().keys()


@pytest.mark.parametrize("case", BAD_X)
def test_embedder_on_bad_X(small, case):
    change, parts = BAD_X[case]
    embedder = CellEmbedder("cellnet_t")
    with pytest.raises((ValueError, TypeError)) as error:
        embedder.fit(change(small[0]))
    check_message(error, parts)


@pytest.mark.parametrize("case", sorted(BAD_X.keys() - {"mixed sizes"}))
def test_predict_on_bad_X(fitted, small, case):
    change, parts = BAD_X[case]
    with pytest.raises((ValueError, TypeError)) as error:
        fitted.predict(change(small[0]))
    if case != "text":  # a table of text has another width, too
        check_message(error, parts)


@pytest.mark.parametrize("case", BAD_Y)
def test_fit_on_bad_y(make, small, case):
    change, parts = BAD_Y[case]
    with pytest.raises(ValueError) as error:
        make().fit(small[0], change(small[1]))
    check_message(error, parts)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("container", [lambda y: np.array(y, dtype=object), pd.Series])
def test_missing_labels(make_mlp, small, missing, container):
    """What a spreadsheet with a gap gives."""
    y = [missing, *small[1][1:]]
    with pytest.raises(ValueError, match=r"y .*missing|y .*NaN"):
        make_mlp().fit(small[0], container(y))


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_matrix"])
def test_sparse(make, fitted, small, kind):
    X = getattr(scipy.sparse, kind)(rows(small[0]))
    for call in (lambda: make().fit(X, small[1]), lambda: fitted.predict(X)):
        with pytest.raises(TypeError, match=r"Sparse data was passed.*toarray\(\)"):
            call()


class TestFiles:
    def test_all_missing_files_are_named(self, make, fitted, small, png_paths):
        paths = png_paths.copy()
        for i in (4, 30, 41):
            paths[i] = f"no/such/folder/cell_{i}.png"
        for call in (lambda: make().fit(paths, small[1]), lambda: fitted.predict(paths)):
            with pytest.raises(ValueError, match=r"3 of 48 image files cannot be read") as error:
                call()
            named = re.findall(r"position (\d+): (\S+): no such file", str(error.value))
            assert named == [(str(i), paths[i]) for i in (4, 30, 41)]
            assert "leave them and their labels out" in str(error.value)

    def test_empty_truncated_and_other_files(self, make, small, png_paths, tmp_path):
        paths = png_paths.copy()
        with open(paths[2], "rb") as whole:
            content = whole.read()
        for i, data in {5: b"", 6: content[: len(content) // 2], 7: b"label,count\n"}.items():
            paths[i] = str(tmp_path / f"{i}.png")
            (tmp_path / f"{i}.png").write_bytes(data)
        paths[8] = str(tmp_path)
        with pytest.raises(ValueError, match=r"4 of 48 image files cannot be read") as error:
            make().fit(paths, small[1])
        lines = str(error.value).splitlines()
        assert [line.split(":")[0].strip() for line in lines[1:5]] == [
            f"position {i}" for i in (5, 6, 7, 8)
        ]
        assert lines[1].endswith("not an image that Pillow can read")
        assert lines[3].endswith("not an image that Pillow can read")
        assert lines[4].endswith("a folder or device, not a file")

    def test_column_of_missing_paths(self, make, small):
        X = pd.DataFrame({"file": [f"gone_{i}.png" for i in range(48)]})
        with pytest.raises(ValueError, match=r"(?s)48 of 48.*gone_0\.png: no such file.*gone_47"):
            make().fit(X, small[1])


class TestWidth:
    @pytest.mark.parametrize("kind", ["transfer", "hybrid"])
    def test_unfoldable(self, request, small, kind):
        clf = request.getfixturevalue(f"make_{kind}")()
        with pytest.raises(ValueError) as error:
            clf.fit(np.zeros((48, 700)), small[1])
        check_message(error, ["700 features", "image_shape=(height, width, channels)"])

    def test_mlp_takes_any_width(self, make_mlp, small, rng):
        clf = make_mlp().fit(rng.normal(size=(48, 700)), small[1])
        assert clf.image_shape_ == (1, 1, 700)

    def test_image_shape_that_does_not_fit(self, make, small):
        with pytest.raises(ValueError) as error:
            make(image_shape=(28, 28, 3)).fit(rows(small[0]), small[1])
        check_message(error, ["768 features", "(28, 28, 3)", "2352"])

    @pytest.mark.parametrize("shape", [(16,), (0, 16, 3), (-1, -1, 3), (16.0, 16, 3)])
    def test_image_shape_that_is_none(self, make, small, shape):
        with pytest.raises(ValueError, match=r"image_shape must be .* one of which may be -1"):
            make(image_shape=shape).fit(rows(small[0]), small[1])

    def test_image_size_too_small_for_a_backbone(self, make_transfer, small):
        clf = make_transfer(weights=None, image_size=16).set_params(backbone="torchvision/alexnet")
        with pytest.raises(
            ValueError, match=r"(?s)'torchvision/alexnet' does not.*16x16 px.*Set image_size=63"
        ):
            clf.fit(*small)
