"""What a pretrained network starts from: published weights, a network in its place, or nothing."""

import os
from functools import cache

import requests

from benchmarks._command import REPOSITORY
from skblood.networks import OWN_BACKBONES, create_backbone

CHOICES = ("auto", "published", "stand-in", "none")
SQUEEZENET, LITE0 = "torchvision/squeezenet1_0", "tf_efficientnet_lite0"
# Files of networks with ImageNet's weights, and their names for a reader.
STAND_INS = {
    SQUEEZENET: ("squeezenet1_0_imagenet.safetensors", "SqueezeNet 1.0"),
    LITE0: ("tf_efficientnet_lite0_imagenet.safetensors", "EfficientNet-Lite0"),
}
# Lite0 is an EfficientNet-B0 without squeeze-and-excitation, built of the blocks of MobileNetV2.
_KIN_OF_LITE0 = ("efficientnet_b0", "mobilenetv2_100")


def find_stand_ins():
    """Return the folder of stand-ins beside the real data, or None."""
    home = os.environ.get("SKBLOOD_DATA_HOME") or REPOSITORY.parent / "shared" / "data"
    folder = os.path.join(home, os.pardir, "weights")
    return folder if any(_file_of(name, folder) for name in STAND_INS) else None


def _file_of(name, folder):
    """Return the file of a stand-in, or None if it is not there."""
    file = os.path.join(folder or "", STAND_INS[name][0])
    return file if os.path.isfile(file) else None


def choose_weights(recipe, choice, folder):
    """Return the parameters that a recipe runs with, and its weights in words.

    Parameters
    ----------
    recipe : Recipe
    choice : {"auto", "published", "stand-in", "none"}
        "auto" is the first of the other three that can be had.
    folder : path-like or None
        Where the files of `STAND_INS` are.

    Returns
    -------
    parameters : dict
    weights : str
    """
    given = recipe.parameters
    if not recipe.pretrained:
        return given, "random"
    names = given["backbones"] if "backbones" in given else (given["backbone"],)
    pretrained = [name for name in names if name not in OWN_BACKBONES]
    if choice == "published" or (choice == "auto" and all(map(can_be_fetched, pretrained))):
        return {**given, "weights": "default"}, "published"
    if choice == "stand-in" or (choice == "auto" and folder is not None):
        return _stand_in(given, names, folder)
    weights = tuple("default" if name in OWN_BACKBONES else None for name in names)
    return {**given, "weights": weights if "backbones" in given else None}, "random"


def _stand_in(given, names, folder):
    files = {name: _file_of(name, folder) for name in STAND_INS}
    found = [name for name, file in files.items() if file]
    if not found:
        listed = " or ".join(file for file, _ in STAND_INS.values())
        raise FileNotFoundError(
            f"--stand-in {folder} holds no stand-in. Give a folder with {listed}, or choose "
            "--weights published or none."
        )
    if "backbones" in given:
        # Twice the same network would be no hybrid; the comparison's own networks stay.
        own = [name for name in names if name in (*STAND_INS, *OWN_BACKBONES)]
        network = tuple(own if len(own) == len(names) else (*found, "cellnet_s")[:2])
        weights = tuple(files.get(name) or "default" for name in network)
        changed = {"backbones": network, "weights": weights}
    else:
        kin = names[0] in (*_KIN_OF_LITE0, LITE0)
        network = (LITE0 if kin and LITE0 in found else found[0],)
        changed = {"backbone": network[0], "weights": files[network[0]]}
    text = " and ".join(
        f"ImageNet {STAND_INS[name][1]}" if name in files else f"a random {name}"
        for name in network
    )
    if network != tuple(names):
        text += f" in place of {' and '.join(names)}"
    return {**given, **changed}, text


@cache
def can_be_fetched(name):
    """Say whether the published weights of a network are here or can be downloaded."""
    _spare_retries()
    try:
        create_backbone(name, weights="default")
    except ConnectionError:
        return False
    return True


@cache
def _spare_retries():
    """Keep the hub from trying for minutes, network by network, where there is no way to it."""
    from huggingface_hub import constants

    try:
        requests.head(constants.ENDPOINT, timeout=5)
    except requests.RequestException:
        # What its variable of this name sets: the cache is looked into, and nothing is asked.
        constants.HF_HUB_OFFLINE = True
