"""Pramodha et al. 2022: four pretrained networks with augmentation and class balancing."""

from ._published import facts
from ._recipe import AS_PUBLISHED, BILINEAR, Recipe, Split

PAPER = "Pramodha et al. 2022"
_NETWORKS = {
    "mobilenetv2": ("MobileNetV2", "mobilenetv2_100"),
    "vgg16": ("VGG16", "vgg16"),
    "vgg19": ("VGG19", "vgg19"),
    "resnet50": ("ResNet-50", "resnet50"),
}

RECIPES = tuple(
    Recipe(
        name=f"pramodha-{name}",
        paper=PAPER,
        system=f"{system}, augmentation, class balancing",
        estimator="TransferCellClassifier",
        parameters={
            **AS_PUBLISHED,
            **BILINEAR,
            "backbone": backbone,
            "hidden_layer_sizes": (128,),
            "dropout": 0.5,
            "image_size": 224,
            "augment": "cells",
            "class_weight": "balanced",
            "optimizer": "adam",
            "lr": 1e-4,
            "batch_size": 32,
            "max_epochs": 20,
        },
        **facts(f"pramodha-{name}"),
        difference="Classes are balanced by weights in the loss, and images are augmented in our "
        "way; the paper does not say how it does either.",
        split=Split("shares", val=0.1, test=0.2),
        short="weighted loss",
        pretrained=True,
        assumed="Adam, lr 1e-4, batch 32, 20 epochs, all layers trained, 128 units and dropout 0.5 "
        "in the head",
    )
    for name, (system, backbone) in _NETWORKS.items()
)
