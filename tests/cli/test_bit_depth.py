"""--bit-depth of each command that reads image files."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood import load
from skblood.datasets import make_blood_cells
from tests.cli.conftest import TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of 16-bit files that hold 12 bits, in two classes."""
    X, _ = make_blood_cells(48, image_size=16, random_state=0)
    path = tmp_path_factory.mktemp("deep")
    for i, gray in enumerate(X[..., 1]):
        gray = gray // (1 + i % 2)
        gray[0] = 255
        file = path / "ab"[i % 2] / f"{i:02}.tif"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.rint(gray / 255 * 4095).astype(np.uint16)).save(file)
    return path


@pytest.fixture(scope="module")
def model_file(shell, folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "deep.skblood"
    shell("train", folder, "--out", path, "--bit-depth", 12, *TINY)
    return path


def test_a_model_remembers(shell, folder, model_file):
    assert load(model_file).spec_.bit_depth == 12
    remembered = shell.table("predict", model_file, folder)
    stated = shell.table("predict", model_file, folder, "--bit-depth", 12)
    pd.testing.assert_frame_equal(remembered, stated)
    other = shell.table("predict", model_file, folder, "--bit-depth", 14)
    assert (remembered["p_a"] != other["p_a"]).any()
    assert "values of 12 bits" in shell("info", model_file, "--card").stdout
    assert "3 channels, values of 12 bits" in shell("info", model_file).stdout
    assert shell("evaluate", model_file, folder).stdout == (
        shell("evaluate", model_file, folder, "--bit-depth", 12).stdout
    )


def test_commands_without_a_model(shell, folder, model_file, tmp_path):
    refused = shell("train", folder, "--out", tmp_path / "m.skblood", *TINY, code=1)
    assert "bit_depth=12" in refused.stderr
    assert "bit_depth=12" in shell("audit", folder, code=1).stderr
    assert "--bit-depth 12" in refused.stderr
    assert shell("audit", folder, code=1).stderr.count("--bit-depth 12") == 1
    assert "48 images" in shell("audit", folder, "--bit-depth", 12).stdout
    for options, name in ((["--bit-depth", 12], "a.csv"), ([], "b.csv")):
        shell("embed", model_file, folder, "--out", tmp_path / name, *options)
    a, b = (pd.read_csv(tmp_path / name) for name in ("a.csv", "b.csv"))
    pd.testing.assert_frame_equal(a, b)
    assert "bit_depth" in shell("audit", folder, "--bit-depth", 99, code=1).stderr


def test_pixels_have_no_depth(shell, model_file, tmp_path):
    np.savez(tmp_path / "a.npz", test_images=np.zeros((2, 16, 16), np.uint8), test_labels=[0, 1])
    for words in (["predict", model_file], ["evaluate", model_file], ["audit"]):
        refused = shell(*words, tmp_path / "a.npz", "--bit-depth", 12, code=1).stderr
        assert "bit_depth=12 of image files" in refused
    assert (
        "--bit-depth are for tables"
        in shell("audit", "synthetic", "--bit-depth", 12, code=1).stderr
    )
