"""Values of --set, and what is checked before any image is read."""

import pytest
import typer

import skblood
from skblood.cli._settings import Estimator, make_estimator, parse_prior, parse_shares, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 0.001),
        ("true", True),
        ("None", None),
        ("adamw", "adamw"),
        ("[256, 64]", (256, 64)),
        ("{'ig': 2}", {"ig": 2}),
        ("torchvision/resnet18", "torchvision/resnet18"),
        ("", ""),
        ("[" * 300, "[" * 300),
        ("{[]: 1}", "{[]: 1}"),
    ],
)
def test_parse_value(text, value):
    found = parse_value(text)
    assert found == value and type(found) is type(value)


def test_settings_take_precedence():
    model = make_estimator(
        Estimator.HybridFeatureClassifier,
        ["cellnet_t", "cnn_batista"],
        ["max_epochs=2", " lr = 0.01"],
        {"max_epochs": 9, "random_state": 0, "image_size": None},
    )
    assert isinstance(model, skblood.HybridFeatureClassifier)
    assert model.backbones == ("cellnet_t", "cnn_batista")
    assert (model.max_epochs, model.lr, model.random_state) == (2, 0.01, 0)
    assert model.early_stopping is True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "droput=0.1"], "Did you mean 'dropout'?"),
        (["--set", "dropout"], "'dropout' must be name=value"),
        (["--set", "dropout=2"], "'dropout' parameter of TransferCellClassifier must be"),
        (["--backbone", "celnet_t"], "Did you mean 'cellnet_t'"),
        (["--backbone", "cellnet_t", "--backbone", "cellnet_s"], "only --estimator hybrid"),
        (["--estimator", "mlp", "--backbone", "cellnet_t"], "has no parameter 'backbone'"),
        (["--set", "a.b.c=1"], "TransferCellClassifier has no parameter 'a.b.c'"),
        (["--set", "device__x=1"], "no parameter 'device__x'. Did you mean 'device'? It has"),
        (["--set", "callbacks=3"], "no parameter 'callbacks'"),
        (["--set", "backbone=3"], "'backbone' parameter"),
        (["--set", f"lr={'-' * 5000}1"], "'lr' parameter"),
        (["--device", "tpu"], "tpu"),
        (["--epochs", "0"], "'max_epochs' parameter"),
        (["--epoch", "3"], "--epochs"),
        (["--history", "h.txt"], "must end in .csv or .parquet"),
    ],
)
def test_wrong_command_line(shell, cell_folder, tmp_path, words, message):
    """It is found before the data, which do not exist, are looked for."""
    result = shell("train", cell_folder, "--out", tmp_path / "a.skblood", *words, code=2)
    assert message in result.stderr


@pytest.mark.parametrize(
    ("classes", "prior", "settings"),
    [
        (None, None, {}),
        ("a,b", None, {"classes": ["a", "b"]}),
        (' a b, "c, d"', "blood", {"classes": ["a b", "c, d"], "prior": "blood"}),
        (None, "a=.5, b c = 2,d=e=1", {"prior": {"a": 0.5, "b c": 2, "d=e": 1}}),
    ],
)
def test_parse_prior(classes, prior, settings):
    assert parse_prior(classes, prior) == settings


@pytest.mark.parametrize("prior", ["a=x", "a=1,b", "a=1,"])
def test_parse_prior_of_other_text(prior):
    with pytest.raises(typer.BadParameter, match="--shares: 'a=b' must be blood"):
        parse_shares("a=b", "--shares")
    with pytest.raises(typer.BadParameter, match=r"--shares: .* has a class twice"):
        parse_shares("a=.3, b=.2,a =.5", "--shares")
    with pytest.raises(typer.BadParameter, match="must be blood, or class=share"):
        parse_prior(None, prior)
