"""What a pretrained network starts from: published weights, a network in its place, or nothing."""

import os
from functools import cache

import requests

from benchmarks._command import REPOSITORY
from skblood.networks import OWN_BACKBONES, create_backbone

STAND_IN = "torchvision/squeezenet1_0"
CHOICES = ("auto", "published", "stand-in", "none")


def find_stand_in():
    """Return the file of SqueezeNet 1.0 with ImageNet's weights beside the real data, or None."""
    home = os.environ.get("SKBLOOD_DATA_HOME") or REPOSITORY.parent / "shared" / "data"
    file = os.path.join(home, os.pardir, "weights", "squeezenet1_0_imagenet.safetensors")
    return file if os.path.isfile(file) else None


def choose_weights(recipe, choice, stand_in):
    """Return the parameters that a recipe runs with, and its weights in words.

    Parameters
    ----------
    recipe : Recipe
    choice : {"auto", "published", "stand-in", "none"}
        "auto" is the first of the other three that can be had.
    stand_in : path-like or None
        The file of the network that stands in.

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
    if choice == "stand-in" or (choice == "auto" and stand_in is not None):
        return _stand_in(given, names, stand_in)
    weights = tuple("default" if name in OWN_BACKBONES else None for name in names)
    return {**given, "weights": weights if "backbones" in given else None}, "random"


def _stand_in(given, names, file):
    if file is None or not os.path.isfile(file):
        raise FileNotFoundError(
            f"--stand-in {file} is no file. Give that of torchvision's squeezenet1_0 as "
            ".safetensors or .pth, or choose --weights published or none."
        )
    if "backbones" in given:
        # Twice the same network would be no hybrid.
        network, weights = (STAND_IN, "cellnet_s"), (os.fspath(file), "default")
        changed = {"backbones": network, "weights": weights}
        text = "ImageNet SqueezeNet 1.0 and a random cellnet_s"
    else:
        network, changed = (STAND_IN,), {"backbone": STAND_IN, "weights": os.fspath(file)}
        text = "ImageNet SqueezeNet 1.0"
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
