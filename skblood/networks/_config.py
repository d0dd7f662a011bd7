"""What a backbone name stands for: where it comes from and how its input is prepared."""

import difflib
from dataclasses import dataclass
from functools import cache

TORCHVISION_PREFIX = "torchvision/"


@dataclass(frozen=True)
class BackboneConfig:
    """The preprocessing that belongs to a backbone.

    Attributes
    ----------
    image_size : tuple of (int, int) or None
        Height and width that the backbone was made for. None: the images' own size.
    mean, std : tuple of float or None
        What each channel, scaled to 0..1, is normalised with. None: the mean and standard
        deviation of the training images.
    has_weights : bool
        Whether pretrained weights are published for this name.
    """

    image_size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    has_weights: bool = False


# They take images of any size and any number of channels, and start at random.
OWN_BACKBONES = {
    "cellnet_s": BackboneConfig(),
    "cellnet_t": BackboneConfig(),
    "cnn_asghar": BackboneConfig(),
    "cnn_batista": BackboneConfig(mean=(0.5,), std=(0.5,)),  # of each channel
    "cnn_battu": BackboneConfig(),
    "unet_classifier": BackboneConfig(),
}


@cache
def backbone_config(name):
    """Look up the preprocessing of a backbone without building or downloading it.

    Parameters
    ----------
    name : str
        A name of timm, ``"torchvision/<name>"``, or one of our own.

    Returns
    -------
    config : BackboneConfig

    Raises
    ------
    ValueError
        If there is no such backbone. The message names the nearest ones.
    """
    if name in OWN_BACKBONES:
        return OWN_BACKBONES[name]
    if name.startswith(TORCHVISION_PREFIX):
        return _torchvision_config(name.removeprefix(TORCHVISION_PREFIX))
    return _timm_config(name)


def resolve_weights(name, weights):
    """Return `weights`, or None where our own backbones, which have none, are asked for theirs."""
    return None if name in OWN_BACKBONES and weights == "default" else weights


def _torchvision_config(name):
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        _raise_unknown(name, known, "torchvision classification model", TORCHVISION_PREFIX)
    preset = models.get_model_weights(name).DEFAULT.transforms()
    size = (preset.crop_size[0], preset.crop_size[0])
    return BackboneConfig(size, tuple(preset.mean), tuple(preset.std), has_weights=True)


def _timm_config(name):
    import timm

    kind = "timm model or backbone of skblood"
    architecture, _, tag = name.partition(".")
    if architecture not in (known := timm.list_models()):
        _raise_unknown(name, [*OWN_BACKBONES, *known], kind)
    tags = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in tags:
        _raise_unknown(name, tags, kind)
    cfg = timm.get_pretrained_cfg(name)
    return BackboneConfig(tuple(cfg.input_size[1:]), cfg.mean, cfg.std, bool(cfg.has_weights))


def _raise_unknown(name, known, kind, prefix=""):
    near = difflib.get_close_matches(name, dict.fromkeys(known), n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(repr(prefix + n) for n in near)}?" if near else ""
    raise ValueError(
        f"backbone={prefix + name!r} is no {kind}.{hint} Allowed are the names of "
        "timm.list_models(), 'torchvision/<name>' with a name of "
        f"torchvision.models.list_models(), and {', '.join(map(repr, OWN_BACKBONES))}."
    )
