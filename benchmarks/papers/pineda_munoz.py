"""Pineda and Munoz 2025: EfficientNet-B0 and a perceptron on BloodMNIST and Raabin-WBC, merged."""

from ._published import facts
from ._recipe import AS_PUBLISHED, BILINEAR, Quick, Recipe, Split

PAPER = "Pineda & Muñoz 2025"
_SPLIT = Split("shares", val=0.15, test=0.15)
_DIFFERENCE = (
    "The paper merges BloodMNIST with White Blood Cells (Raabin-WBC) to 33,725 images; without "
    "`--raabin` ours are PBC alone."
)

RECIPES = (
    Recipe(
        name="pineda-efficientnet",
        paper=PAPER,
        system="EfficientNet-B0, dense head",
        estimator="TransferCellClassifier",
        parameters={
            **AS_PUBLISHED,
            **BILINEAR,
            "backbone": "efficientnet_b0",
            "hidden_layer_sizes": (),
            "dropout": 0.0,
            "image_size": 224,
            "optimizer": "adam",
            "lr": 1e-4,
            "batch_size": 32,
            "max_epochs": 10,
        },
        **facts("pineda-efficientnet"),
        difference=_DIFFERENCE,
        split=_SPLIT,
        short="PBC alone",
        pretrained=True,
        merged=True,
        assumed="Adam, lr 1e-4, all layers trained, no hidden layer in the head",
    ),
    Recipe(
        name="pineda-mlp",
        paper=PAPER,
        system="perceptron",
        estimator="MLPCellClassifier",
        parameters={
            **AS_PUBLISHED,
            "hidden_layer_sizes": (512, 256),
            "dropout": 0.0,
            "image_size": 28,
            "optimizer": "adam",
            "lr": 1e-3,
            "batch_size": 32,
            "max_epochs": 20,
        },
        **facts("pineda-mlp"),
        difference=f"{_DIFFERENCE} The number is of the validation images, ours of test images.",
        split=_SPLIT,
        short="PBC alone",
        merged=True,
        assumed="28 px, layers of 512 and 256, Adam, lr 1e-3, batch 32 (as its 748 steps an epoch "
        "say); ours has batch normalisation",
        quick=Quick(28, 6_000, 10),
    ),
)
