"""Veloz 2025: a small perceptron at 32 px."""

from ._published import facts
from ._recipe import AS_PUBLISHED, Quick, Recipe, Split

RECIPES = (
    Recipe(
        name="veloz-mlp",
        paper="Veloz 2025",
        system="perceptron, 128 units, at 32 px",
        estimator="MLPCellClassifier",
        parameters={
            **AS_PUBLISHED,
            "hidden_layer_sizes": (128,),
            "dropout": 0.0,
            "image_size": 32,
            "optimizer": "adam",
            "lr": 1e-3,
            "batch_size": 32,
            "max_epochs": 50,
        },
        **facts("veloz-mlp"),
        difference="Ours standardises pixels and has batch normalisation.",
        split=Split("shares", val=0.1, test=0.2),
        short="batch normalization",
        assumed="batch 32",
        quick=Quick(32, 6_000, 15),
    ),
)
