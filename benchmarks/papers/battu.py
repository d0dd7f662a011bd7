"""Battu et al. 2024: eleven systems, each with and without shuffling, and one with SMOTE."""

from torch.optim import SGD, RMSprop

from ._published import facts
from ._recipe import AS_PUBLISHED, Quick, Recipe, Split

PAPER = "Battu et al. 2024"
_SPLIT = Split("shares", val=0.14, test=0.30)
_DIFFERENCE = (
    "Images are brought to 224 px by nearest neighbor, which adds pixels and no detail where the "
    "source is smaller; which images are in which part is not published."
)
_SETTING = {
    **AS_PUBLISHED,
    "interpolation": "nearest",
    "image_size": 224,
    "hidden_layer_sizes": (),
    "dropout": 0.0,
    "optimizer": "adam",
    "lr": 1e-4,
    "batch_size": 32,
    "max_epochs": 10,
}


def _recipe(name, system, parameters, assumed, **more):
    given = {
        "estimator": "TransferCellClassifier",
        "difference": _DIFFERENCE,
        "split": _SPLIT,
        "short": "" if more.get("pretrained") else "layers chosen by us",
    }
    name = f"battu-{name}"
    return Recipe(
        name=name,
        paper=PAPER,
        system=system,
        parameters={**_SETTING, **parameters},
        assumed=assumed,
        **facts(name),
        **{**given, **more},
    )


_CNN = {"backbone": "cnn_battu", "hidden_layer_sizes": (512,), "lr": 1e-3}
_SMOTE = _recipe(
    "cnn-smote",
    "CNN, SMOTE, 5-fold cross-validation, 128 px",
    {**_CNN, "image_size": 128, "max_epochs": 20},
    "the layers of the network, Adam, lr 1e-3, batch 32, 20 epochs",
    split=Split("folds", n_folds=5),
    resampling="smote",
    difference="SMOTE draws its images inside each training fold here; if the paper drew them "
    "before the folds were made, near copies of training images were tested on.",
    quick=Quick(48, 1_000, 6),
)
_RESNET = {"backbone": "resnet50", "max_epochs": 20}
_INCEPTION = {"hidden_layer_sizes": (1024,), "dropout": 0.5, "lr": 1e-3}
_SINGLE = (
    _recipe(
        "cnn", "CNN", _CNN, "the layers of the network, Adam, lr 1e-3", quick=Quick(48, 1_500, 6)
    ),
    _recipe(
        "unet",
        "U-Net as a classifier, 128 px",
        {"backbone": "unet_classifier", "image_size": 128, "lr": 1e-3, "max_epochs": 20},
        "the width of the network, Adam, lr 1e-3, batch 32, 20 epochs",
        quick=Quick(32, 1_500, 6),
    ),
    _recipe(
        "resnet50-sgd",
        "ResNet-50, SGD",
        {**_RESNET, "optimizer": SGD, "lr": 3e-4},
        "lr 3e-4, no momentum, all layers trained, one dense layer",
        pretrained=True,
    ),
    _recipe(
        "resnet50-rmsprop",
        "ResNet-50, RMSprop",
        {**_RESNET, "optimizer": RMSprop},
        "lr 1e-4, no momentum, all layers trained, one dense layer",
        pretrained=True,
    ),
    _recipe(
        "densenet201",
        "DenseNet-201",
        {"backbone": "densenet201", "max_epochs": 20},
        "lr 1e-4, all layers trained, one dense layer as the head",
        pretrained=True,
    ),
    _recipe(
        "vgg16",
        "VGG-16",
        {"backbone": "vgg16"},
        "Adam, lr 1e-4, batch 32, 10 epochs, all layers trained, no hidden layer",
        pretrained=True,
    ),
    _recipe(
        "mobilenetv2",
        "MobileNetV2, SMOTE, augmentation",
        {"backbone": "mobilenetv2_100", "augment": "cells", "trainable": 4, "max_epochs": 30},
        "Adam, lr 1e-4, batch 32, the last four stages trained, no hidden layer",
        resampling="smote",
        pretrained=True,
        quick=Quick(64, 1_500, 5),
    ),
    _recipe(
        "inceptionv3",
        "InceptionV3",
        {"backbone": "inception_v3", **_INCEPTION},
        "all layers trained",
        pretrained=True,
        quick=Quick(80, 1_500, 4),
    ),
    _recipe(
        "xception",
        "Xception",
        {"backbone": "legacy_xception", **_INCEPTION},
        "all layers trained",
        pretrained=True,
        quick=Quick(80, 1_500, 4),
    ),
    _recipe(
        "hybrid",
        "hybrid of InceptionV3 and Xception",
        {
            "backbones": ("inception_v3", "legacy_xception"),
            "hidden_layer_sizes": (512,),
            "dropout": 0.5,
            "refine_epochs": 5,
        },
        "batch 32, all layers trained",
        estimator="HybridFeatureClassifier",
        pretrained=True,
        quick=Quick(80, 1_200, 3),
    ),
)
_CONTRASTIVE = _recipe(
    "contrastive",
    "supervised contrastive, ResNet50V2",
    {
        "backbone": "resnetv2_50",
        "augment": "cells",
        "pretrain_epochs": 40,
        "temperature": 0.1,
        "pretrain_lr": 1e-3,
        "lr": 1e-3,
        "max_epochs": 20,
    },
    "temperature 0.1, Adam, lr 1e-3, batch 32, 20 epochs of the linear head; with batches of one "
    "class (no shuffling) every image is a positive of every other",
    estimator="ContrastiveCellClassifier",
    pretrained=True,
    quick=Quick(32, 800, 4),
)

RECIPES = (
    *(each for recipe in _SINGLE for each in (recipe, recipe.without_shuffling())),
    _SMOTE,
    _CONTRASTIVE,
    _CONTRASTIVE.without_shuffling(pretrain_epochs=20),
)
