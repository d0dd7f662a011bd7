"""`skblood train`: what it reads and writes, and how an interrupted training resumes."""

import errno
import json
import shutil
import signal
import tempfile

import numpy as np
import pandas as pd
import pytest

import skblood

from .conftest import CLASSES, PARTS, TINY


def train(shell, data, out, *more, code=0):
    return shell("train", data, "--out", out, *TINY, *more, code=code)


def training_data(file):
    """Return the numbers of training and validation images of a model file."""
    data = skblood.load_info(file)["attributes"]["training_data_"]
    return data["n_images"], data["n_validation_images"]


class TestResult:
    def test_model(self, model_file):
        info = skblood.load_info(model_file)
        assert training_data(model_file) == (48, 15)
        assert info["attributes"]["classes_"] == list(CLASSES)
        assert info["evaluation"]["test"]["n_images"] == 15
        assert info["parameters"]["early_stopping"] is True
        assert info["parameters"]["callbacks"] is None
        assert [path.name for path in model_file.parent.iterdir()] == ["cells.skblood"]

    def test_seed(self, shell, cell_folder, model_file, test_cells, tmp_path):
        train(shell, cell_folder, tmp_path / "same.skblood", "--seed", 0)
        train(shell, cell_folder, tmp_path / "other.skblood", "--seed", 1)
        files = (model_file, tmp_path / "same.skblood", tmp_path / "other.skblood")
        first, same, other = (skblood.load(file).predict_proba(test_cells.data) for file in files)
        assert np.array_equal(first, same)
        assert not np.array_equal(first, other)

    def test_text_and_further_output(self, shell, cell_folder, tmp_path):
        history, plots = tmp_path / "h" / "epochs.csv", tmp_path / "plots"
        out, more = tmp_path / "new" / "a.skblood", ("--history", history, "--plots", plots)
        result = train(shell, cell_folder, out, *more)
        assert "MLPCellClassifier" in result.stdout and "48 images: basophil 16" in result.stdout
        assert "On the test part, 15 images" in result.stdout
        assert "epoch 8/8: train_loss" in result.stderr
        frame = pd.read_csv(history)
        assert list(frame) == ["epoch", "dur", "train_loss", "valid_loss", "valid_f1_macro"]
        assert frame["epoch"].tolist() == list(range(1, 9))
        names = sorted(path.name for path in plots.iterdir())
        assert names == ["confusion_matrix.png", "history.png"]
        assert "epochs.csv" in train(shell, "nowhere", tmp_path / "b", *more[:2], code=1).stderr
        assert "history.png" in train(shell, "nowhere", tmp_path / "b", *more[2:], code=1).stderr


class TestData:
    def test_without_parts(self, shell, cell_folder, tmp_path):
        out = tmp_path / "a.skblood"
        document = json.loads(train(shell, cell_folder / "train", out, "--json").stdout)
        assert document == json.loads(shell("info", out, "--json").stdout)
        n_train, n_valid = training_data(out)
        assert n_train + n_valid == PARTS["train"] * len(CLASSES) and n_valid > 0
        assert skblood.load_info(out)["evaluation"] is None

    def test_other_images_to_validate_and_test_on(self, shell, cell_folder, tmp_path):
        out = tmp_path / "a.skblood"
        more = ("--val", cell_folder / "val", "--test", cell_folder)
        train(shell, cell_folder / "train", out, *more)
        assert training_data(out) == (48, 15)
        assert skblood.load_info(out)["evaluation"]["test"]["n_images"] == 15

    def test_columns(self, shell, cell_table, tmp_path):
        def rename(frame):
            frame["split"] = frame["split"].replace({"val": "Validation"})
            return frame.rename(columns={"path": "file", "label": "cell", "split": "part"})

        columns = ("--path-column", "file", "--label-column", "cell", "--split-column", "part")
        train(shell, cell_table(rename), tmp_path / "a.skblood", *columns)
        assert training_data(tmp_path / "a.skblood") == (48, 15)

    def test_groups(self, shell, cell_table, tmp_path, monkeypatch):
        """They reach `fit`, and the intervals of the test score."""
        given, fit = [], skblood.MLPCellClassifier.fit

        def record(self, X, y, *args, groups=None, **options):
            given.append(groups)
            return fit(self, X, y, *args, groups=groups, **options)

        monkeypatch.setattr(skblood.MLPCellClassifier, "fit", record)
        file = cell_table(
            lambda frame: frame.assign(slide=frame["split"] + (frame.index % 7).astype(str))
        )
        train(shell, file, tmp_path / "a.skblood", "--group-column", "slide")
        assert given[0].tolist() == [f"train{i % 7}" for i in range(48)]
        report = skblood.load_info(tmp_path / "a.skblood")["evaluation"]["test"]
        assert report["n_groups"] == 7

    def test_synthetic_cells(self, shell, tmp_path):
        out = tmp_path / "a.skblood"
        shell("train", "synthetic", "--out", out, *TINY, "--epochs", 1, "--image-size", 16)
        assert training_data(out) == (560, 120)

    def test_unknown_test_label(self, shell, cell_folder, npz_file, tmp_path):
        out = tmp_path / "a.skblood"
        result = train(shell, cell_folder, out, "--test", npz_file, code=1)
        assert "--test holds 12 labels that are not among the classes" in result.stderr
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ("nowhere", "is not a folder"),
            ("train/platelet", "no class folder"),
            ("test_only", "has the parts test, not 'train'"),
        ],
    )
    def test_no_data(self, shell, cell_folder, tmp_path, data, message):
        (tmp_path / "test_only").mkdir()
        (tmp_path / "test_only" / "test").symlink_to(cell_folder / "test")
        (tmp_path / "train").symlink_to(cell_folder / "train")
        result = train(shell, tmp_path / data, tmp_path / "a.skblood", code=1)
        assert result.stderr.startswith("skblood: ") and message in result.stderr


class TestNothingIsLost:
    def test_existing_model(self, shell, cell_folder, tmp_path):
        out = tmp_path / "a.skblood"
        out.write_text("mine")
        assert "--overwrite" in train(shell, "nowhere", out, code=1).stderr
        assert out.read_text() == "mine"
        train(shell, cell_folder, out, "--overwrite")
        assert skblood.load(out).classes_.tolist() == list(CLASSES)

    def test_interrupted_training(self, shell, cell_folder, tmp_path):
        file = tmp_path / "a.skblood.checkpoint" / "b.checkpoint"
        file.parent.mkdir()
        for left in (file, tmp_path / "a.skblood.partial"):
            left.write_text("{}")
        result = train(shell, cell_folder, tmp_path / "a.skblood", code=1)
        assert "--resume" in result.stderr and file.exists()
        train(shell, cell_folder, tmp_path / "a.skblood", "--overwrite")
        assert [path.name for path in tmp_path.iterdir()] == ["a.skblood"]

    def test_fit_that_was_refused(self, shell, cell_folder, tmp_path):
        """It leaves nothing that blocks the corrected command."""
        out, wrong = tmp_path / "a.skblood", ("--set", "lr=1e30", "--set", "optimizer=sgd")
        assert "lr" in train(shell, cell_folder, out, *wrong, code=1).stderr
        assert not list(tmp_path.iterdir())
        (tmp_path / "a.skblood.checkpoint").mkdir()  # as if killed in the first epoch
        train(shell, cell_folder, out, "--epochs", 1)
        assert [path.name for path in tmp_path.iterdir()] == ["a.skblood"]

    def test_full_disk(self, shell, cell_folder, tmp_path, monkeypatch):
        """The trained model goes to a temporary folder, which the message names."""
        out, save = tmp_path / "a.skblood", skblood.io.save
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

        def fail(model, path, **options):
            if path == out:
                raise OSError(errno.ENOSPC, "The disk is full")
            return save(model, path, **options)

        monkeypatch.setattr(skblood.io, "save", fail)
        result = train(shell, cell_folder, out, code=1)
        (rescued,) = tmp_path.glob("skblood-*/a.skblood")
        assert "The disk is full" in result.stderr and str(rescued) in result.stderr
        assert skblood.load(rescued).classes_.tolist() == list(CLASSES)


class TestResume:
    LONG = ("--backbone", "cellnet_t", "--epochs", "10", "--set", "batch_size=16")

    def test_ctrl_c(self, shell, cell_folder, test_cells, tmp_path):
        out, whole = tmp_path / "a.skblood", tmp_path / "whole.skblood"
        with shell.start("train", cell_folder, "--out", out, *self.LONG) as process:
            for line in process.stderr:
                if line.startswith("epoch 3/10"):
                    process.send_signal(signal.SIGINT)
                    break
            stdout, stderr = process.communicate(timeout=120)
        assert (process.returncode, stdout) == (130, "")
        assert "\r" not in stderr and "%|" not in stderr  # no bars in a log
        assert "The same command with --resume continues." in stderr.splitlines()[-1]
        assert not out.exists()
        assert 3 <= skblood.load(f"{out}.partial").n_iter_ < 10

        resumed = shell("train", cell_folder, "--out", out, *self.LONG, "--resume")
        assert "Resuming from" in resumed.stderr and "epoch 1/10" not in resumed.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["a.skblood"]
        shell("train", cell_folder, "--out", whole, *self.LONG)
        X = test_cells.data
        assert np.array_equal(*(skblood.load(file).predict_proba(X) for file in (out, whole)))

    def test_another_training(self, shell, cell_folder, tmp_path):
        """A state of other parameters is not used, and is removed in the end."""
        folder = tmp_path / "a.skblood.checkpoint"
        folder.mkdir()
        (folder / "other.checkpoint").write_text("state")
        result = train(shell, cell_folder, tmp_path / "a.skblood", "--resume")
        assert "if data or parameters differ, training starts anew" in result.stderr
        assert "epoch 1/8" in result.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["a.skblood"]


def test_groups(shell, cell_folder, cell_table, tmp_path):
    file = cell_table(lambda frame: frame.assign(patient="A"))
    more = ("--group-column", "patient")
    assert "share 1 groups" in train(shell, file, tmp_path / "a", *more, code=1).stderr
    one = cell_table(lambda frame: frame[frame["split"] == "train"].assign(patient=7))
    one = one.rename(tmp_path / "train.csv")
    other = cell_table(
        lambda frame: frame[frame["split"] == "val"].assign(patient=["7", *"x" * 14])
    )
    result = train(shell, one, tmp_path / "a", "--val", other, *more, code=1)
    assert "share 1 groups" in result.stderr  # the integer 7 and the text "7"
    for data in (cell_folder, "synthetic"):
        assert "tables" in train(shell, data, tmp_path / "a", *more, code=1).stderr


def test_unreadable_images_are_left_out(shell, cell_folder, tmp_path):
    """Also of the validation part, and of an evaluation and features."""
    cells = shutil.copytree(cell_folder, tmp_path / "cells")
    for part in ("train", "val", "test"):
        (cells / part / "platelet" / "bad.png").write_bytes(b"no image")
    model, skip = tmp_path / "a.skblood", ("--on-error", "skip")
    words = ("train", cells, "--out", model, *TINY)
    assert "bad.png" in shell(*words, code=1).stderr
    result = shell(*words, *skip)
    assert result.stderr.count("1 of 49 images cannot be read and are left out") == 1
    assert "bad.png: not an image" in result.stderr
    assert "train: 48 images of 3 classes." in result.stderr
    assert "bad.png" in shell("evaluate", model, cells, code=1).stderr
    assert "15 images" in shell("evaluate", model, cells, *skip).stdout
    out, folder = tmp_path / "e.csv", cells / "test"
    assert "bad.png" in shell("embed", model, folder, "--out", out, code=1).stderr
    shell("embed", model, folder, "--out", out, *skip)
    assert len(out.read_text().splitlines()) == 16
