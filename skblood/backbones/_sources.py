"""Building the network behind a name, without its classifier."""

from dataclasses import dataclass

from torch import nn

from ._config import OWN_BACKBONES, TORCHVISION_PREFIX, backbone_config
from ._weights import default_weights_error, load_weights


@dataclass
class Body:
    """A network that maps normalised images to pooled features.

    Attributes
    ----------
    module : torch.nn.Module
        Maps ``(n, in_channels, h, w)`` to ``(n, d)``.
    in_channels : int
        Channels that it takes.
    stages : list of list of str
        Parameter names, grouped into stages from the input to the output.
    """

    module: nn.Module
    in_channels: int
    stages: list[list[str]]


def build_body(name, weights, n_channels, image_size):
    """Build the network of a name and load its weights.

    Parameters
    ----------
    name : str
        The backbone's name.
    weights : "default", None or path-like
        Published weights, random ones, or those of a file.
    n_channels : int
        Channels of the images. Our own networks are built for them; the others take RGB.
    image_size : tuple of (int, int)
        Height and width of the images.

    Returns
    -------
    body : Body
    """
    pretrained = weights == "default" and backbone_config(name).has_weights
    build = _build_torchvision if name.startswith(TORCHVISION_PREFIX) else _build_timm
    body, head_prefixes = build(name, pretrained, n_channels, image_size)
    if weights is not None and weights != "default":
        load_weights(body.module, weights, name, head_prefixes)
    return body


def _build_timm(name, pretrained, n_channels, image_size):
    import timm
    from timm.models import group_parameters

    own = name in OWN_BACKBONES
    in_channels = n_channels if own else 3
    options = {"in_chans": in_channels, "num_classes": 0}
    if own or timm.get_pretrained_cfg(name).fixed_input_size:
        options["img_size"] = image_size
    try:
        module = timm.create_model(name, pretrained=pretrained, **options)
    # huggingface_hub, its http client, timm's own download and a missing `url` raise whatever
    # they met first, and none of it names the ways on.
    except Exception as error:
        if not pretrained:
            raise
        raise default_weights_error(name, error) from error
    groups = group_parameters(module, module.group_matcher(coarse=True))
    stages = [groups[key] for key in sorted(groups)]
    head = module.pretrained_cfg.get("classifier") or ("head", "fc", "classifier")
    return Body(module, in_channels, stages), (head,) if isinstance(head, str) else tuple(head)


def _build_torchvision(name, pretrained, n_channels, image_size):
    from torchvision import models

    short = name.removeprefix(TORCHVISION_PREFIX)
    options = {}
    if short in ("googlenet", "inception_v3"):
        # The auxiliary classifiers; torchvision insists on building them to load its weights.
        options = {"init_weights": not pretrained, "aux_logits": pretrained}
    if short.startswith("vit_"):
        options["image_size"] = image_size[0]
    try:
        module = models.get_model(short, weights="DEFAULT" if pretrained else None, **options)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise default_weights_error(name, error) from error
    head_name, head = list(module.named_children())[-1]
    prefixes = _cut_classifier(module, head_name, head)
    return Body(module, 3, _stages(module)), prefixes


def _cut_classifier(module, head_name, head):
    """Take off the last linear layer; return the prefixes of what was cut."""
    linear = [n for n, m in head.named_modules() if isinstance(m, nn.Linear)]
    if not linear:  # SqueezeNet classifies by a convolution, then averages
        module.set_submodule(head_name, nn.AdaptiveAvgPool2d(1))
        return (f"{head_name}.",)
    cut = ".".join(filter(None, (head_name, linear[-1])))
    module.set_submodule(cut, nn.Identity())
    auxiliary = [n for n, _ in module.named_children() if n.lower().startswith("aux")]
    for child in auxiliary:
        setattr(module, child, None)
    if auxiliary:
        module.aux_logits = False
    return (f"{cut}.", "AuxLogits.", "aux1.", "aux2.")


def _stages(module, prefix=""):
    """Group parameter names by child, from input to output; a module of one or two is opened."""
    own = [prefix + name for name, _ in module.named_parameters(recurse=False)]
    children = [(n, m) for n, m in module.named_children() if any(True for _ in m.parameters())]
    stages = [own] if own else []
    for name, child in children:
        inner = f"{prefix}{name}."
        if len(children) <= 2:
            stages += _stages(child, inner)
        else:
            stages.append([inner + n for n, _ in child.named_parameters()])
    return stages
