"""`skblood train`: what it reads and writes, its options and its config file."""

import errno
import json
import tempfile

import numpy as np
import pandas as pd
import pytest

import skblood

from .conftest import CLASSES, PARTS, TINY


def train(shell, data, out, *more, code=0):
    return shell("train", data, "--out", out, *TINY, *more, code=code)


class TestResult:
    def test_parts_of_the_folder_are_used(self, model_file):
        info = skblood.load_info(model_file)
        data = info["attributes"]["training_data_"]
        assert data["class_counts"] == dict.fromkeys(CLASSES, PARTS["train"])
        assert data["n_validation_images"] == PARTS["val"] * len(CLASSES)
        assert info["evaluation"]["test"]["n_images"] == PARTS["test"] * len(CLASSES)
        assert info["parameters"]["early_stopping"] is True

    def test_nothing_else_is_left(self, model_file):
        assert [path.name for path in model_file.parent.iterdir()] == ["cells.skblood"]

    def test_same_command_same_model(self, shell, cell_folder, model_file, tmp_path):
        train(shell, cell_folder, tmp_path / "a.skblood")
        models = [skblood.load(file) for file in (model_file, tmp_path / "a.skblood")]
        X = skblood.datasets.load_image_folder(cell_folder, split="test").data
        assert np.array_equal(*(model.predict_proba(X) for model in models))

    def test_another_seed_another_model(self, shell, cell_folder, model_file, tmp_path):
        train(shell, cell_folder, tmp_path / "a.skblood", "--seed", 1)
        models = [skblood.load(file) for file in (model_file, tmp_path / "a.skblood")]
        X = skblood.datasets.load_image_folder(cell_folder, split="test").data
        assert not np.array_equal(*(model.predict_proba(X) for model in models))

    def test_text(self, shell, cell_folder, tmp_path):
        result = train(shell, cell_folder, tmp_path / "new" / "a.skblood")
        assert "MLPCellClassifier of 3 classes, trained on 48 images" in result.stdout
        assert "On the test part, 15 images" in result.stdout
        assert "epoch 8/8: train_loss" in result.stderr
        assert "epoch" not in result.stdout.splitlines()[-1]

    def test_json_is_all_there_is(self, shell, cell_folder, tmp_path):
        result = train(shell, cell_folder, tmp_path / "a.skblood", "--json")
        document = json.loads(result.stdout)
        assert document["classes"] == list(CLASSES)
        assert 1 <= document["best_epoch"] <= document["n_iter"] <= 8
        assert document["best_epoch_scores"]["valid_f1_macro"] <= 1
        assert document["test"]["scores"]["accuracy"]["value"] <= 1

    def test_further_output(self, shell, cell_folder, tmp_path):
        history, plots = tmp_path / "h" / "epochs.csv", tmp_path / "plots"
        train(
            shell,
            cell_folder,
            tmp_path / "a.skblood",
            "--history",
            history,
            "--plots",
            plots,
        )
        frame = pd.read_csv(history)
        assert list(frame) == ["epoch", "dur", "train_loss", "valid_loss", "valid_f1_macro"]
        assert frame["epoch"].tolist() == list(range(1, len(frame) + 1))
        names = sorted(path.name for path in plots.iterdir())
        assert names == ["confusion_matrix.png", "history.png"]


class TestData:
    def test_without_parts_some_images_are_set_aside(self, shell, cell_folder, tmp_path):
        result = train(shell, cell_folder / "train", tmp_path / "a.skblood")
        info = skblood.load_info(tmp_path / "a.skblood")
        data = info["attributes"]["training_data_"]
        assert data["n_images"] + data["n_validation_images"] == PARTS["train"] * len(CLASSES)
        assert data["n_validation_images"] > 0
        assert info["evaluation"] is None
        assert "On the test part" not in result.stdout

    def test_other_images_to_validate_and_test_on(self, shell, cell_folder, tmp_path):
        out = tmp_path / "a.skblood"
        more = ("--val", cell_folder / "val", "--test", cell_folder)
        train(shell, cell_folder / "train", out, *more)
        info = skblood.load_info(out)
        assert info["attributes"]["training_data_"]["n_validation_images"] == 15
        assert info["evaluation"]["test"]["n_images"] == 15

    def test_npz_without_a_validation_part(self, shell, npz_file, tmp_path):
        train(shell, npz_file, tmp_path / "a.skblood")
        info = skblood.load_info(tmp_path / "a.skblood")
        assert info["attributes"]["classes_"] == [0, 1, 2]
        assert info["evaluation"]["test"]["n_images"] == 12

    def test_csv_with_other_columns(self, shell, cell_folder, tmp_path):
        cells = skblood.datasets.load_image_folder(cell_folder, split="all")
        frame = cells.frame.rename(columns={"path": "file", "label": "cell", "split": "part"})
        frame["part"] = frame["part"].replace({"val": "Validation"})
        frame.to_csv(tmp_path / "cells.csv", index=False)
        columns = ("--path-column", "file", "--label-column", "cell", "--split-column", "part")
        train(shell, tmp_path / "cells.csv", tmp_path / "a.skblood", *columns)
        data = skblood.load_info(tmp_path / "a.skblood")["attributes"]["training_data_"]
        assert (data["n_images"], data["n_validation_images"]) == (48, 15)

    def test_synthetic_cells(self, shell, tmp_path):
        out = tmp_path / "a.skblood"
        shell("train", "synthetic", "--out", out, *TINY, "--epochs", 1, "--image-size", 16)
        assert len(skblood.load_info(out)["attributes"]["classes_"]) == 8

    def test_test_label_that_is_not_trained_on(self, shell, cell_folder, npz_file, tmp_path):
        out = tmp_path / "a.skblood"
        result = train(shell, cell_folder, out, "--test", npz_file, code=1)
        assert "`test` holds 12 labels that are not among the classes" in result.stderr
        assert not list(tmp_path.glob("a*"))

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ("nowhere", "There is no 'nowhere'"),
            ("{folder}/train/platelet/00.png", "holds no images with labels"),
            ("{folder}/train/platelet", "holds no class folder"),
        ],
    )
    def test_no_data(self, shell, cell_folder, tmp_path, data, message):
        files = sorted((cell_folder / "train" / "platelet").iterdir())
        data = data.format(folder=cell_folder).replace("00.png", files[0].name)
        result = train(shell, data, tmp_path / "a.skblood", code=1)
        assert result.stderr.startswith("skblood: ")
        assert message in result.stderr
        assert "Traceback" not in result.stderr

    def test_a_folder_without_a_training_part(self, shell, cell_folder, tmp_path):
        folder = tmp_path / "cells"
        folder.mkdir()
        (folder / "test").symlink_to(cell_folder / "test")
        result = train(shell, folder, tmp_path / "a.skblood", code=1)
        assert "holds the parts test, and none of the name 'train'" in result.stderr


class TestOptions:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--set", "droput=0.1"], "Did you mean 'dropout'?"),
            (["--set", "dropout"], "'dropout' must be name=value"),
            (["--set", "dropout=2"], "'dropout' parameter of MLPCellClassifier must be"),
            (["--set", "callbacks=[]"], "no parameter of MLPCellClassifier, 'callbacks'"),
            (["--set", "image_size=[1,2,3]"], "must be a positive int, a pair"),
            (["--backbone", "cellnet_t"], "1 given, and --estimator mlp takes none"),
            (["--device", "tpu"], "tpu"),
            (["--epochs", "0"], "--epochs"),
            (["--epoch", "3"], "--epochs"),
            (["--estimator", "mpl"], "mpl"),
            (["--history", "h.txt"], "must end in .csv or .parquet"),
        ],
    )
    def test_wrong_command_line(self, shell, tmp_path, words, message):
        """It is found before any image is read: there are none here."""
        out = tmp_path / "a.skblood"
        result = shell("train", "nowhere", "--out", out, "--estimator", "mlp", *words, code=2)
        assert message in result.stderr
        assert "`skblood train --help` says more." in result.stderr
        assert result.stdout == ""

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--backbone", "celnet_t"], "Did you mean 'cellnet_t'"),
            (["--backbone", "cellnet_t", "--backbone", "cellnet_s"], "2 given"),
        ],
    )
    def test_wrong_backbone(self, shell, tmp_path, words, message):
        result = shell("train", "nowhere", "--out", tmp_path / "a", *words, code=2)
        assert message in result.stderr

    def test_backbones(self, shell, cell_folder, tmp_path):
        out = tmp_path / "a.skblood"
        names = ("--backbone", "cellnet_t", "--backbone", "cnn_batista")
        shell("train", cell_folder, "--out", out, "--estimator", "hybrid", *names, "--epochs", 1)
        assert skblood.load_info(out)["parameters"]["backbones"] == ["cellnet_t", "cnn_batista"]

    def test_settings_go_before_options(self, shell, cell_folder, tmp_path):
        out = tmp_path / "a.skblood"
        more = ("--set", "max_epochs=2", "--set", "lr=0.01", "--set", "augment=none")
        train(shell, cell_folder, out, *more)
        parameters = skblood.load_info(out)["parameters"]
        assert parameters["max_epochs"] == 2
        assert parameters["lr"] == 0.01
        assert parameters["augment"] is None


class TestConfig:
    def write(self, folder, text):
        file = folder / "train.toml"
        file.write_text(text)
        return file

    def test_options_and_parameters(self, shell, cell_folder, tmp_path):
        config = self.write(
            tmp_path,
            f"""
            data = {json.dumps(str(cell_folder))}
            out = {json.dumps(str(tmp_path / "a.skblood"))}
            estimator = "mlp"
            image-size = 16
            epochs = 7
            seed = 3
            [parameters]
            hidden_layer_sizes = [16, 8]
            class_weight = {{basophil = 2.0, monocyte = 1, platelet = 1}}
            lr = 0.01
            early_stopping = false
            """,
        )
        shell("train", "--config", config, "--epochs", 2, "--set", "lr=0.02")
        parameters = skblood.load_info(tmp_path / "a.skblood")["parameters"]
        expected = {
            "hidden_layer_sizes": [16, 8],
            "image_size": 16,
            "max_epochs": 2,  # the command line goes before the file
            "random_state": 3,
            "lr": 0.02,
            "early_stopping": False,
        }
        assert {name: parameters[name] for name in expected} == expected

    def test_a_list_of_backbones(self, shell, cell_folder, tmp_path):
        config = self.write(
            tmp_path, 'estimator = "hybrid"\nbackbone = ["cellnet_t", "cnn_batista"]\nepochs = 1'
        )
        out = tmp_path / "a.skblood"
        shell("train", cell_folder, "--out", out, "--config", config)
        assert skblood.load_info(out)["parameters"]["backbones"] == ["cellnet_t", "cnn_batista"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("epoch = 3", "there is no option 'epoch'. Did you mean 'epochs'?"),
            ("resume = true", "there is no option 'resume'"),
            ("epochs = 1.5", "'--epochs'"),
            ("seed = -1", "'--seed'"),
            ('estimator = "mpl"', "'--estimator'"),
            ("[parameters]\nlearning_rate = 1", "'learning_rate'"),
            ("[parameters]\ndropout = 3", "'dropout' parameter"),
            ("parameters = 3", "must be a table"),
            ("epochs: 3", "is not TOML"),
            ("[training]\nepochs = 3", "there is no option 'training'"),
        ],
    )
    def test_wrong_config(self, shell, tmp_path, text, message):
        config = self.write(tmp_path, text)
        result = shell(
            "train", "nowhere", "--out", tmp_path / "a.skblood", "--config", config, code=2
        )
        assert message in result.stderr

    def test_no_config(self, shell, tmp_path):
        out, config = tmp_path / "a.skblood", tmp_path / "no.toml"
        result = shell("train", "nowhere", "--out", out, "--config", config, code=1)
        assert "no.toml" in result.stderr


class TestNothingIsLost:
    def test_a_model_that_is_there(self, shell, cell_folder, tmp_path):
        out = tmp_path / "a.skblood"
        out.write_text("mine")
        result = train(shell, "nowhere", out, code=1)
        assert "There already" in result.stderr and "--overwrite" in result.stderr
        assert out.read_text() == "mine"
        train(shell, cell_folder, out, "--overwrite")
        assert skblood.load(out).classes_.tolist() == list(CLASSES)

    @pytest.mark.parametrize("left", ["a.skblood.partial", "a.skblood.checkpoint/run.json"])
    def test_a_training_that_was_broken_off(self, shell, cell_folder, tmp_path, left):
        file = tmp_path / left
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")
        result = train(shell, cell_folder, tmp_path / "a.skblood", code=1)
        assert "--resume" in result.stderr
        assert file.exists()
        train(shell, cell_folder, tmp_path / "a.skblood", "--overwrite")
        assert [path.name for path in tmp_path.iterdir()] == ["a.skblood"]

    def test_a_folder_of_somebody_else(self, shell, cell_folder, tmp_path):
        folder = tmp_path / "a.skblood.checkpoint"
        folder.mkdir()
        result = train(shell, cell_folder, tmp_path / "a.skblood", "--overwrite", code=1)
        assert "was not made by `skblood train`" in result.stderr
        assert folder.exists()

    def test_history_that_is_there(self, shell, cell_folder, tmp_path):
        history = tmp_path / "h.csv"
        history.write_text("mine")
        out = tmp_path / "a.skblood"
        assert "h.csv" in train(shell, "nowhere", out, "--history", history, code=1).stderr
        assert history.read_text() == "mine"

    def test_a_trained_model_for_which_there_is_no_room(
        self, shell, cell_folder, tmp_path, monkeypatch
    ):
        """It goes to the folder for temporary files, and the message says so."""
        out, real_save = tmp_path / "a.skblood", skblood.save
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

        def save(model, path, **options):
            if path == out:
                raise OSError(errno.ENOSPC, "The disk is full")
            return real_save(model, path, **options)

        monkeypatch.setattr(skblood, "save", save)
        result = train(shell, cell_folder, out, code=1)
        assert "The disk is full" in result.stderr
        (rescued,) = tmp_path.glob("skblood-*/a.skblood")
        assert str(rescued) in result.stderr
        assert skblood.load(rescued).classes_.tolist() == list(CLASSES)
