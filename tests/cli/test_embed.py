"""`skblood embed`."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skblood


def test_classifier(shell, cell_folder, test_cells, tmp_path):
    clf = skblood.TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0)
    clf.fit(test_cells.data, test_cells.target)
    file, out = skblood.save(clf, tmp_path / "m.skblood"), tmp_path / "f.npz"
    shell("embed", file, cell_folder / "test", "--out", out)
    with np.load(out) as arrays:
        features, paths = arrays["features"], arrays["path"]
    assert features.shape == (15, 48) and features.dtype == np.float32
    assert paths.tolist() == sorted(test_cells.data)
    assert "--overwrite" in shell("embed", file, *paths, "--out", out, code=1).stderr


def test_embedder(shell, test_cells, tmp_path):
    embedder = skblood.CellEmbedder("cellnet_t", random_state=0).fit(test_cells.data)
    file, out = skblood.save(embedder, tmp_path / "e.skblood"), tmp_path / "f.parquet"
    shell("embed", file, *test_cells.data, "--out", out)
    frame = pd.read_parquet(out)
    assert frame.pop("path").tolist() == test_cells.data.tolist()
    assert list(frame)[:2] == ["feature_0", "feature_1"]
    assert np.array_equal(frame, embedder.transform(test_cells.data))


def test_pipeline(shell, test_cells, tmp_path):
    """The features are those of the step that reads the images."""
    embedder = skblood.CellEmbedder("cellnet_t", random_state=0)
    pipeline = make_pipeline(embedder, LogisticRegression())
    pipeline.fit(test_cells.data, test_cells.target)
    file, out = skblood.save(pipeline, tmp_path / "p.skblood"), tmp_path / "f.npz"
    shell("embed", file, *test_cells.data, "--out", out)
    with np.load(out) as arrays:
        assert np.array_equal(arrays["features"], pipeline[0].transform(test_cells.data))


def test_backbone(shell, cell_folder, tmp_path):
    out, options = tmp_path / "f.csv", ("--backbone", "cellnet_t", "--image-size", 20)
    shell("embed", *options, cell_folder / "test", "--out", out)
    assert pd.read_csv(out).shape == (15, 49)
    words = ("embed", *options, cell_folder / "test", "--out", out, "--overwrite", "--json")
    document = json.loads(shell(*words).stdout)
    assert document == {"path": str(out), "n_images": 15, "n_features": 48}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cells.skblood", "--out", "f.npz"), "name a model file and images"),
        (("--backbone", "celnet_t", "x", "--out", "f.npz"), "Did you mean 'cellnet_t'"),
        (("--backbone", "cellnet_t", "x", "--out", "f.txt"), ".csv or .parquet or .npz"),
        (("cells.skblood", "x"), "--out"),
    ],
)
def test_wrong_command_line(shell, words, message):
    assert message in shell("embed", *words, code=2).stderr
