"""Halder et al. 2024: a vision transformer."""

from ._published import facts
from ._recipe import AS_PUBLISHED, BILINEAR, Recipe, Split

RECIPES = (
    Recipe(
        name="halder-vit",
        paper="Halder et al. 2024",
        system="vision transformer",
        estimator="TransferCellClassifier",
        parameters={
            **AS_PUBLISHED,
            **BILINEAR,
            "backbone": "vit_base_patch16_224",
            "hidden_layer_sizes": (),
            "dropout": 0.0,
            "image_size": 224,
            "optimizer": "adamw",
            "weight_decay": 0.01,
            "lr": 5e-5,
            "batch_size": 32,
            "max_epochs": 10,
        },
        **facts("halder-vit"),
        difference="The size of the transformer and the split are not in what cites it.",
        split=Split("shares", val=0.1, test=0.2),
        short="size of the network chosen by us",
        pretrained=True,
        assumed="ViT-B/16 at 224 px, 70/10/20 split, weight decay 0.01 (torch's default)",
    ),
)
