"""Ctrl-C, kill -9 and --resume, in processes of their own."""

import json
import signal

import numpy as np
import pytest

import skblood

# Long enough to be broken off, and each epoch trained to the end.
LONG = (
    *("--backbone", "cellnet_t", "--epochs", "30"),
    *("--set", "n_iter_no_change=100", "--set", "batch_size=16"),
)


def break_off(shell, how, cell_folder, out):
    """Send a signal to a training when it has 3 epochs behind it; return its end."""
    with shell.start("train", cell_folder, "--out", out, *LONG) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("epoch 3/30"):
                process.send_signal(how)
                break
        stdout, rest = process.communicate(timeout=120)
    return process.returncode, stdout, "".join(lines) + rest


def learnt(file, cell_folder):
    """Return the probabilities and the history of a model, without the times in it."""
    model = skblood.load(file)
    X = skblood.datasets.load_image_folder(cell_folder, split="test").data
    history = [{k: v for k, v in epoch.items() if k != "dur"} for epoch in model.history_]
    return model.predict_proba(X), history


@pytest.fixture(scope="module")
def unbroken(shell, cell_folder, tmp_path_factory):
    file = tmp_path_factory.mktemp("unbroken") / "a.skblood"
    shell("train", cell_folder, "--out", file, *LONG)
    return learnt(file, cell_folder)


def assert_same(file, cell_folder, unbroken):
    probabilities, history = learnt(file, cell_folder)
    assert history == unbroken[1]
    assert np.array_equal(probabilities, unbroken[0])


def test_ctrl_c_and_resume(shell, cell_folder, tmp_path, unbroken):
    out = tmp_path / "a.skblood"
    code, stdout, stderr = break_off(shell, signal.SIGINT, cell_folder, out)
    assert code == 130
    assert stdout == ""
    assert "\r" not in stderr and "%|" not in stderr  # no bars in a log
    assert "The same command with --resume goes on." in stderr.splitlines()[-1]
    assert "Traceback" not in stderr
    assert not out.exists()
    partial = skblood.load(f"{out}.partial")
    assert 3 <= partial.n_iter_ < 30

    again = shell("train", cell_folder, "--out", out, *LONG, "--resume")
    assert "epoch 2/30" not in again.stderr  # it does not begin from the start
    assert_same(out, cell_folder, unbroken)
    assert [path.name for path in tmp_path.iterdir()] == ["a.skblood"]


def test_kill_and_resume(shell, cell_folder, tmp_path, unbroken):
    out = tmp_path / "a.skblood"
    code, _, _ = break_off(shell, signal.SIGKILL, cell_folder, out)
    assert code == -signal.SIGKILL
    assert not out.exists()
    result = shell("train", cell_folder, "--out", out, *LONG, "--resume", "--json")
    assert json.loads(result.stdout)["n_iter"] == 30
    assert "epoch 2/30" not in result.stderr
    assert_same(out, cell_folder, unbroken)


def test_another_training_is_not_resumed(shell, cell_folder, tmp_path):
    folder = tmp_path / "a.skblood.checkpoint"
    folder.mkdir()
    (folder / "run.json").write_text('{"estimator": "MLPCellClassifier"}')
    result = shell("train", cell_folder, "--out", tmp_path / "a.skblood", *LONG, "--resume", code=1)
    assert "estimator (MLPCellClassifier, now TransferCellClassifier)" in result.stderr
    assert folder.exists()


def test_nothing_to_resume(shell, cell_folder, tmp_path):
    out = tmp_path / "a.skblood"
    words = ("--backbone", "cellnet_t", "--epochs", "1", "--resume")
    result = shell("train", cell_folder, "--out", out, *words)
    assert "it begins from the start" in result.stderr
    assert skblood.load(out).n_iter_ == 1
