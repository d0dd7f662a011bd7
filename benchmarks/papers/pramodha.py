"""Pramodha et al. 2022: four pretrained networks with augmentation and class balancing."""

from ._recipe import AS_PUBLISHED, BILINEAR, Recipe, Split

PAPER = "Pramodha et al. 2022"
_NETWORKS = {
    "mobilenetv2": ("MobileNetV2", "mobilenetv2_100", 0.9789),
    "vgg16": ("VGG16", "vgg16", 0.9053),
    "vgg19": ("VGG19", "vgg19", 0.8901),
    "resnet50": ("ResNet-50", "resnet50", 0.9634),
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
            "hidden_layer_sizes": (),
            "dropout": 0.0,
            "image_size": 224,
            "augment": "cells",
            "class_weight": "balanced",
            "optimizer": "adam",
            "lr": 1e-4,
            "batch_size": 32,
            "max_epochs": 20,
        },
        published={"accuracy": accuracy},
        place="accuracy; table not known",
        difference="The split is not published. Classes are balanced by weights in the loss, "
        "and images are augmented in our way.",
        split=Split("shares", val=0.1, test=0.2),
        pretrained=True,
        assumed="Adam, lr 1e-4, batch 32, 20 epochs, all layers trained, no hidden layer",
    )
    for name, (system, backbone, accuracy) in _NETWORKS.items()
)
