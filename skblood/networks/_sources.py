"""Building the network behind a name, without its classifier."""

from dataclasses import dataclass
from functools import partial

from torch import nn

from ._config import OWN_BACKBONES, TORCHVISION_PREFIX, backbone_config, resolve_weights
from ._hub import fetch
from ._weights import PRETRAINED_WEIGHTS, load_pretrained_body, load_weights


@dataclass
class Body:
    """A network that maps normalized images to pooled features.

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


def build_body(name, weights, n_channels, image_size, load=True):
    """Build the network of a name and load its weights.

    Parameters
    ----------
    name : str
        The backbone's name.
    weights : "default", "pbc", "blood8-2", None or path-like
        Published weights, those of a pretrained model, random ones, or those of a file.
    n_channels : int
        Channels of the images. The networks of skblood are built for them, unless the weights are
        those of a pretrained model; the others take RGB.
    image_size : tuple of (int, int)
        Height and width of the images.
    load : bool, default=True
        False builds the network that takes these weights, but reads nothing.

    Returns
    -------
    body : Body
    """
    pretrained = weights in PRETRAINED_WEIGHTS
    if pretrained and name != (needed := PRETRAINED_WEIGHTS[weights][0]):
        raise ValueError(
            f"weights={weights!r} are those of backbone={needed!r}, not of {name!r}. Use that "
            "backbone, or weights='default', None or the path of a file."
        )
    weights = resolve_weights(name, weights)
    published = load and weights == "default"
    if published and not backbone_config(name).has_weights:
        raise ValueError(
            f"No weights are published for {name!r}. Use weights=None, or the path of a file."
        )
    build = _build_torchvision if name.startswith(TORCHVISION_PREFIX) else _build_timm
    n_channels = 3 if pretrained else n_channels
    build = partial(build, name, weights, published, n_channels, image_size)
    if published:
        return fetch(name, build)[0]
    try:
        body, head_prefixes = build()
    # Constructors have exceptions of their own, without a way on.
    except Exception as error:
        height, width = image_size
        raise ValueError(
            f"backbone={name!r} cannot be built for images of {height}x{width} px: {error} "
            "Choose another image_size."
        ) from error
    if load and pretrained:
        load_pretrained_body(body.module, weights)
    elif load and weights not in (None, "default"):
        load_weights(body.module, weights, name, head_prefixes)
    return body


def _build_timm(name, weights, published, n_channels, image_size):
    import timm
    from timm.models import group_parameters

    own = name in OWN_BACKBONES
    options = {"in_chans": n_channels if own else 3, "num_classes": 0}
    if own or timm.get_pretrained_cfg(name).fixed_input_size:
        options["img_size"] = image_size
    module = timm.create_model(name, pretrained=published, **options)
    patches = getattr(module, "patch_embed", None)
    sides = getattr(patches, "patch_size", None) or (1, 1)
    padded = getattr(patches, "dynamic_img_pad", False)
    # A transformer would ignore the last rows and columns.
    if not padded and any(size % side for size, side in zip(image_size, sides, strict=True)):
        raise ValueError(f"it cuts images into patches of {sides[0]}x{sides[1]} px.")
    if hasattr(module, "group_matcher"):
        groups = group_parameters(module, module.group_matcher(coarse=True))
        stages = [groups[key] for key in sorted(groups)]
    else:
        stages = _stages(module)
    head = module.pretrained_cfg.get("classifier") or ("head", "fc", "classifier")
    head = (head,) if isinstance(head, str) else tuple(head)
    return Body(module, options["in_chans"], stages), head


def _build_torchvision(name, weights, published, n_channels, image_size):
    from torchvision import models

    short = name.removeprefix(TORCHVISION_PREFIX)
    options = {}
    if short in ("googlenet", "inception_v3"):
        # Their published weights were trained on another normalization, which transform_input
        # restores, and torchvision insists on the auxiliary classifiers to load them.
        options = {"aux_logits": published, "transform_input": weights is not None}
        options["init_weights"] = weights is None
    if short.startswith("vit_"):
        options["image_size"] = image_size[0]
    module = models.get_model(short, weights="DEFAULT" if published else None, **options)
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
    for child in [n for n, _ in module.named_children() if n.lower().startswith("aux")]:
        setattr(module, child, None)
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
