"""Bad X and y: the message holds what was given, what is allowed and what to do."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from PIL import Image


def rows(X):
    return X.reshape(len(X), -1)


def with_nan(X):
    X = X / 255
    X[3, 2, 1] = np.nan
    return X


BAD_X = {
    "none": (lambda X: None, ["NoneType", "images"]),
    "number": (lambda X: 3, ["int that holds no table"]),
    "one axis": (lambda X: np.arange(48.0), ["one axis", "Reshape your data"]),
    "five axes": (lambda X: X[:, None], ["(1, 16, 16, 3)", "c = 1, 3 or 4"]),
    "channels first": (lambda X: X.transpose(0, 3, 1, 2), ["(3, 16, 16)", "transpose"]),
    "single image": (lambda X: X[0], ["(16, 16, 3)", "X[None]"]),
    "single path": (lambda X: "cell.png", ["single path", "list of paths"]),
    "no images": (lambda X: X[:0], ["empty"]),
    "uint16": (lambda X: X.astype(np.uint16) * 257, ["uint16", "uint8 in 0..255", "X / 65535"]),
    "int64 rows": (lambda X: rows(X).astype(int), ["int64", "X.astype(np.uint8)"]),
    "floats to 255": (lambda X: X.astype(float), ["float64", "0..1", "X.astype(np.uint8)"]),
    "normalized": (lambda X: X / 127.5 - 1, ["if normalized"]),
    "nan": (with_nan, ["1 of 48 hold NaN", "position 3"]),
    "nan in rows": (lambda X: rows(with_nan(X)), ["contains NaN"]),
    "mixed kinds": (lambda X: [*X[:47], "cell.png"], ["an array at 0", "a path at 47"]),
    "sparse": (lambda X: scipy.sparse.csr_matrix(rows(X)), ["Sparse data was passed", "toarray()"]),
}
BAD_Y = {
    "none": (lambda y: None, ["requires y to be passed", "None"]),
    "one class": (lambda y: ["ig"] * 48, ["one class only", "'ig'", "two or more"]),
    "too few": (lambda y: y[:-1], ["[48, 47]"]),
    "two columns": (lambda y: np.c_[y, y], ["1d array", "(48, 2)"]),
    "continuous": (lambda y: np.linspace(0, 1, 48), ["continuous"]),
    "nan": (lambda y: np.r_[np.nan, np.zeros(47)], ["1 missing"]),
    "missing": (lambda y: np.array([None, *y[1:]], dtype=object), ["missing"]),
}


def check_message(error, parts):
    assert not [part for part in parts if part not in str(error.value)], str(error.value)


@pytest.mark.parametrize("case", BAD_X)
def test_bad_X(make_mlp, make_embedder, small, case):
    change, parts = BAD_X[case]
    X, y = small
    fitted = make_mlp().fit(X, y)
    clf, embedder = make_mlp(), make_embedder()
    for call in (lambda: clf.fit(change(X), y), lambda: embedder.fit(change(X))):
        with pytest.raises((ValueError, TypeError)) as error:
            call()
        check_message(error, parts)
    assert vars(clf).keys() == clf.get_params().keys()
    with pytest.raises((ValueError, TypeError)) as error:
        fitted.predict(change(X))
    check_message(error, parts)


def test_images_of_mixed_sizes_without_an_image_size(make_mlp, small):
    X = [x[: 16 - i % 2] for i, x in enumerate(small[0])]
    with pytest.raises(ValueError, match=r"(?s)16 x 16 .*image_size=\(height, width\)"):
        make_mlp().fit(X, small[1])


@pytest.mark.parametrize("case", BAD_Y)
def test_bad_y(make_mlp, small, case):
    change, parts = BAD_Y[case]
    with pytest.raises(ValueError) as error:
        make_mlp().fit(small[0], change(small[1]))
    check_message(error, parts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda X: np.zeros((2, 16, 24, 3), np.uint8),
            r"\(16, 24, 3\).*\(16, 16, 3\).*resize_images",
        ),
        (lambda X: X[:, 1:, 1:, 0], r"\(15, 15, 3\).*\(16, 16, 3\)"),
        (lambda X: list(X[:, 1:, 1:, 0]), r"\(15, 15, 3\).*\(16, 16, 3\)"),
        (lambda X: rows(X)[:, :-1], "767 columns.*768 values"),
    ],
    ids=["size", "gray", "list of gray", "rows"],
)
def test_other_images_than_those_of_the_fit(make, fitted, small, change, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fitted.predict(change(small[0]))
    with pytest.raises(ValueError, match=f"(?s){message}"):
        make().fit(*small).partial_fit(change(small[0]), small[1][: len(change(small[0]))])


class TestFiles:
    def test_all_unreadable_files_are_named(self, make, fitted, small, png_paths, tmp_path):
        paths = png_paths.copy()
        (tmp_path / "empty.png").touch()
        (tmp_path / "text.png").write_bytes(b"label,count\n")
        bad = {
            4: "no/such/cell.png",
            7: tmp_path / "empty.png",
            8: tmp_path / "text.png",
            9: tmp_path,
        }
        for i, path in bad.items():
            paths[i] = str(path)
        clf = make()
        for call in (lambda: clf.fit(paths, small[1]), lambda: fitted.predict(paths)):
            with pytest.raises(ValueError, match=r"4 of 48 image files cannot be read") as error:
                call()
            named = re.findall(r"position (\d+): (\S+): ", str(error.value))
            assert named == [(str(i), str(path)) for i, path in bad.items()]
        assert vars(clf).keys() == clf.get_params().keys()
        with pytest.raises(ValueError, match=r"X_val or y_val: .*4 of 48 image files"):
            make().fit(*small, X_val=paths, y_val=small[1])

    def test_column_of_missing_paths(self, make_mlp, small):
        X = pd.DataFrame({"file": [f"gone_{i}.png" for i in range(48)]})
        with pytest.raises(ValueError, match=r"(?s)48 of 48.*gone_0\.png: no such file"):
            make_mlp().fit(X, small[1])

    def test_single_pil_image(self, fitted, small):
        with pytest.raises((TypeError, ValueError), match=r"\[X\]"):
            fitted.predict(Image.fromarray(small[0][0]))


class TestWidth:
    def test_rows_that_are_no_image(self, make_transfer, make_mlp, small, rng):
        with pytest.raises(ValueError) as error:
            make_transfer().fit(np.zeros((48, 700)), small[1])
        check_message(error, ["700 features", "image_shape=(height, width, channels)"])
        clf = make_mlp().fit(rng.normal(size=(48, 700)), small[1])
        assert clf.image_shape_ == (1, 1, 700)

    def test_image_shape(self, make_mlp, small):
        with pytest.raises(ValueError) as error:
            make_mlp(image_shape=(28, 28, 3)).fit(rows(small[0]), small[1])
        check_message(error, ["768 features", "(28, 28, 3)", "2352"])
        for shape in [(16,), (0, 16, 3), (-1, -1, 3), (16.0, 16, 3)]:
            with pytest.raises(ValueError, match="image_shape"):
                make_mlp(image_shape=shape).fit(rows(small[0]), small[1])

    def test_image_size(self, make_mlp, make_transfer, small):
        for size in [(16, 16, 3), (-2, 16), (16, 8.5), ()]:
            with pytest.raises(ValueError, match=r"image_size=.* must be a positive int, a pair"):
                make_mlp(image_size=size).fit(*small)
        clf = make_transfer(weights=None, image_size=16, backbone="torchvision/alexnet")
        with pytest.raises(ValueError, match=r"(?s)alexnet' does not.*16x16 px.*image_size"):
            clf.fit(*small)
