"""Asghar et al. 2023: eight frozen networks, and a convolutional network of their own."""

from ._published import facts
from ._recipe import AS_PUBLISHED, BILINEAR, Quick, Recipe, Split

PAPER = "Asghar et al. 2023"
_SPLIT = Split("shares", val=0.1, test=0.2)
_SETTING = {**AS_PUBLISHED, **BILINEAR, "optimizer": "adam", "lr": 1e-3, "max_epochs": 150}
_FROZEN = {
    "vgg16": ("VGG16", "vgg16", 224),
    "vgg19": ("VGG19", "vgg19", 224),
    "resnet50": ("ResNet-50", "resnet50", 224),
    "resnet101": ("ResNet-101", "resnet101", 224),
    "resnet152": ("ResNet-152", "resnet152", 224),
    "inceptionv3": ("InceptionV3", "inception_v3", 299),
    "mobilenetv2": ("MobileNetV2", "mobilenetv2_100", 224),
    "densenet201": ("DenseNet-201", "densenet201", 224),
}


def _frozen(name, system, backbone, size):
    return Recipe(
        name=f"asghar-{name}",
        paper=PAPER,
        system=f"{system}, frozen, dense head",
        estimator="TransferCellClassifier",
        parameters={
            **_SETTING,
            "backbone": backbone,
            "trainable": "head",
            "hidden_layer_sizes": (),
            "dropout": 0.0,
            "image_size": size,
            "batch_size": 32,
        },
        **facts(f"asghar-{name}"),
        difference="The text speaks of ten types of cells, its tables and PBC's folders are eight.",
        split=_SPLIT,
        pretrained=True,
        assumed="70/10/20 split, batch 32, the network's own image size, no hidden layer",
        quick=Quick(80 if backbone == "inception_v3" else 64, 2_000, 30),
    )


RECIPES = (
    *(_frozen(name, *row) for name, row in _FROZEN.items()),
    Recipe(
        name="asghar-cnn",
        paper=PAPER,
        system="own CNN at 100 px",
        estimator="TransferCellClassifier",
        parameters={
            **_SETTING,
            "backbone": "cnn_asghar",
            "hidden_layer_sizes": (128,),
            "dropout": 0.25,
            "image_size": 100,
            "batch_size": 32,
            # The best weights by loss, of all epochs.
            "early_stopping": 150,
            "scoring": "neg_log_loss",
        },
        **facts("asghar-cnn"),
        difference="99.91 was measured on all images, those of training included; ours is of test "
        "images, and the score on all images stands beside it.",
        split=_SPLIT,
        on_all=True,
        short="images not trained on",
        assumed="70/10/20 split, batch 32",
        quick=Quick(64, 1_500, 10),
    ),
)
