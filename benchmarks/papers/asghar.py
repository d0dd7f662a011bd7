"""Asghar et al. 2023: eight frozen networks, and a convolutional network of their own."""

from ._recipe import AS_PUBLISHED, BILINEAR, Quick, Recipe, Split

PAPER = "Asghar et al. 2023"
_SPLIT = Split("shares", val=0.1, test=0.2)
_SETTING = {**AS_PUBLISHED, **BILINEAR, "optimizer": "adam", "lr": 1e-3, "max_epochs": 150}
_FROZEN = {
    "vgg16": ("VGG16", "vgg16", 224, 0.928),
    "vgg19": ("VGG19", "vgg19", 224, 0.918),
    "resnet50": ("ResNet-50", "resnet50", 224, 0.9472),
    "resnet101": ("ResNet-101", "resnet101", 224, 0.937),
    "resnet152": ("ResNet-152", "resnet152", 224, 0.91375),
    "inceptionv3": ("InceptionV3", "inception_v3", 299, 0.93125),
    "mobilenetv2": ("MobileNetV2", "mobilenetv2_100", 224, 0.9201),
    "densenet201": ("DenseNet-201", "densenet201", 224, 0.94262),
}


def _frozen(name, system, backbone, size, accuracy):
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
        published={"accuracy": accuracy},
        place="accuracy, arXiv:2308.06300 (its abstract gives the range 91.375 to 94.72)",
        difference="The abstract speaks of ten types of cells, PBC's folders are eight; its split "
        "is not known to us.",
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
        system="own CNN of 22 layers at 100 px",
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
        published={"accuracy": 0.9991},
        place="accuracy on all images, arXiv:2308.06300, abstract",
        difference="99.91 was measured on all images, those of training included; ours is of test "
        "images, and the score on all images stands beside it.",
        split=_SPLIT,
        on_all=True,
        assumed="70/10/20 split, batch 32",
        quick=Quick(64, 1_500, 10),
    ),
)
