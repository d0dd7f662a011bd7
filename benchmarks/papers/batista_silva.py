"""Batista and Silva 2025: a perceptron and a small convolutional network on BloodMNIST, 28 px."""

from dataclasses import replace

from ._published import facts
from ._recipe import AS_PUBLISHED, BILINEAR, Quick, Recipe, Split

PAPER = "Batista & Silva 2025"
_DIFFERENCE = (
    "The paper has BloodMNIST's official split, and scales pixels to [-1, 1]; ours is the split of "
    "the data (PBC made into BloodMNIST's form has another)."
)
_SETTING = {
    **AS_PUBLISHED,
    "image_size": 28,
    "optimizer": "adam",
    "lr": 1e-3,
    "batch_size": 128,
    "max_epochs": 15,
    "early_stopping": 5,
    "scoring": "neg_log_loss",
}
_QUICK = Quick(28, 5_000, 20)

WEIGHTED_CNN = Recipe(
    name="batista-cnn-weighted",
    paper=PAPER,
    system="CNN 32-64-128, dense 128, weighted cross-entropy",
    estimator="TransferCellClassifier",
    parameters={
        **_SETTING,
        **BILINEAR,
        "backbone": "cnn_batista",
        "hidden_layer_sizes": (128,),
        "dropout": 0.3,
        "class_weight": "balanced",
    },
    **facts("batista-cnn-weighted"),
    difference=_DIFFERENCE,
    split=Split("given"),
    short="own split",
    assumed="15 epochs at most, the most of the paper's grid; patience counts the validation loss",
    quick=_QUICK,
)

_ADAM = (
    Recipe(
        name="batista-mlp",
        paper=PAPER,
        system="perceptron, 1024 units",
        estimator="MLPCellClassifier",
        parameters={**_SETTING, "hidden_layer_sizes": (1024,), "dropout": 0.2},
        **facts("batista-mlp"),
        difference=f"{_DIFFERENCE} Ours standardises pixels and has batch normalisation.",
        split=Split("given"),
        short="own split",
        assumed=WEIGHTED_CNN.assumed,
        quick=_QUICK,
    ),
    WEIGHTED_CNN,
    replace(
        WEIGHTED_CNN,
        name="batista-cnn-unweighted",
        system="CNN 32-64-128, dense 128, cross-entropy",
        parameters={**WEIGHTED_CNN.parameters, "class_weight": None},
        **facts("batista-cnn-unweighted"),
    ),
)
RECIPES = (
    *_ADAM,
    *(
        replace(
            recipe,
            name=name,
            system=f"{recipe.system}, SGD",
            parameters={**recipe.parameters, "optimizer": "sgd", "lr": 1e-2},
            assumed=f"lr 0.01, the middle of the paper's; {recipe.assumed}",
            **facts(name),
        )
        for recipe, name in ((_ADAM[0], "batista-mlp-sgd"), (_ADAM[2], "batista-cnn-sgd"))
    ),
)
