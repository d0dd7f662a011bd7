"""Errors of the library, in the words of the command line."""

import pytest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "basophil"], "--classes and --prior leave fewer than two classes"),
        (["--classes", "basophil,foo"], "--classes holds 1 labels that are not among"),
        (["--prior", "foo"], "--prior foo must be blood, equal, training, or class=share,class="),
        (["--prior", "basophil=1"], "--prior has no share of 'monocyte', 'platelet'. Give one"),
        (["--prior", "basophil=1"], "the classes that can occur in --classes."),
        (["--prior", "basophil=-1,monocyte=1,platelet=1"], "--prior must hold shares or counts"),
        (["--crop", "9"], "--crop must be a float in the range [0.01, 4.0]. Got 9.0"),
        (["--device", "tpu"], "--device tpu is not available on this machine"),
        (["--shares", "foo"], "--shares foo must be blood, equal"),
        (["--shares", "basophil=1"], "--shares has no share of 'monocyte', 'platelet'. Give one "),
    ],
)
def test_arguments_are_options(shell, model_file, cell_folder, options, message):
    shown = shell("evaluate", model_file, cell_folder, *options, code=1).stderr
    assert message in " ".join(shown.split())
    assert "`" not in shown and "dict" not in shown and "reconfigure" not in shown


def test_labels_in_another_case(shell, model_file, cell_folder, tmp_path):
    (tmp_path / "Platelet").symlink_to(cell_folder / "test" / "platelet")
    (tmp_path / "basophil").symlink_to(cell_folder / "test" / "basophil")
    shown = shell("evaluate", model_file, tmp_path, code=1).stderr
    assert "{'Platelet': 'platelet'} may mean the same: rename the folders" in shown
    assert "names.get" not in shown


def test_names_of_files_are_kept(shell, model_file, tmp_path):
    file = tmp_path / "crop=2.png"
    file.write_bytes(b"")
    assert "crop=2.png" in shell("predict", model_file, file, code=1).stderr
