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
        What each channel, scaled to 0..1, is normalized with. None: the mean and standard
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
    "cell_lite0": BackboneConfig(),
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
        from torchvision import models

        known = [TORCHVISION_PREFIX + each for each in models.list_models(module=models)]
        if name not in known:
            raise _unknown(name, known)
        weights = models.get_model_weights(name.removeprefix(TORCHVISION_PREFIX))
        preset = weights.DEFAULT.transforms()
        size = (preset.crop_size[0], preset.crop_size[0])
        return BackboneConfig(size, tuple(preset.mean), tuple(preset.std), has_weights=True)
    import timm

    architecture, _, tag = name.partition(".")
    if architecture not in (known := timm.list_models()):
        raise _unknown(name, [*OWN_BACKBONES, *known])
    if tag and name not in (known := timm.list_pretrained(f"{architecture}.*")):
        raise _unknown(name, known)
    cfg = timm.get_pretrained_cfg(name)
    return BackboneConfig(tuple(cfg.input_size[1:]), cfg.mean, cfg.std, bool(cfg.has_weights))


def resolve_weights(name, weights):
    """Return `weights`, or None where our own backbones, which have none, are asked for theirs."""
    return None if name in OWN_BACKBONES and weights == "default" else weights


def published_at(name):
    """Return where the published weights of a backbone are, for messages."""
    if name.startswith(TORCHVISION_PREFIX):
        from torchvision import models

        return models.get_model_weights(name.removeprefix(TORCHVISION_PREFIX)).DEFAULT.url
    import timm

    config = timm.get_pretrained_cfg(name)
    return f"{config.hf_hub_id} of the Hugging Face Hub" if config.hf_hub_id else config.url


def _unknown(name, known):
    near = difflib.get_close_matches(name, dict.fromkeys(known), n=3, cutoff=0.7)
    hint = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
    return ValueError(
        f"backbone={name!r} is not known.{hint} Allowed are names of timm.list_models(), "
        "'torchvision/' and a name of torchvision.models.list_models(), and "
        f"{', '.join(map(repr, OWN_BACKBONES))}."
    )
