"""The last feature map of a backbone: the layer that computes it, and its layout."""

import torch
from torch import nn

from skblood.networks import hooked


class FeatureMap:
    """The last feature map of a backbone, recorded in each forward pass.

    Parameters
    ----------
    backbone : skblood.networks.Backbone
        A copy to which hooks are added. None of its parameters requires a gradient.
    name : str
        Name of the backbone, for messages.
    image : torch.Tensor of shape (1, c, h, w)
        An input of the backbone, to find the layer.

    Attributes
    ----------
    output : torch.Tensor
        The map of the last pass, as the layer returned it. It is a leaf of the graph: gradients
        reach it and stop there.

    Raises
    ------
    ValueError
        If there is no such map.
    """

    def __init__(self, backbone, name, image):
        self._backbone, self._name = backbone, name
        self._find_layer(image).register_forward_hook(self._record)

    def weight(self, gradient):
        """Return the sum ``(n, h, w)`` of the channels of the map, weighted by their gradients.

        Gradients are summed over the positions, not averaged, so the mean of the result is the
        share of this map in the logit, and results of backbones with maps of different sizes add
        up.
        """
        weights = self._as_nchw(gradient).sum((2, 3), keepdim=True)
        return (weights * self._as_nchw(self.output)).sum(1)

    def _record(self, layer, inputs, output):
        self.output = output.detach().requires_grad_()
        return self.output.clone()  # the next layer may work in place

    def _find_layer(self, image):
        """Return the last layer whose map has several positions that contribute to the features.

        The patches after the last block of a transformer do not contribute if only its class token
        is read.
        """
        outputs = {}

        def record(layer, inputs, output):
            outputs.pop(layer, None)  # a layer that is used twice counts where it comes last
            if torch.is_tensor(output) and output.requires_grad:
                outputs[layer] = output

        with hooked(_layers(self._backbone.body), record):
            features = self._backbone(image.clone().requires_grad_())
        # Not the sum of the features, which is constant after a LayerNorm.
        mixed = features[0] @ torch.arange(1.0, 1 + features.shape[1], device=features.device)
        gradients = torch.autograd.grad(
            mixed, list(outputs.values()), allow_unused=True, materialize_grads=True
        )
        for (layer, output), gradient in reversed([*zip(outputs.items(), gradients, strict=True)]):
            if output.ndim < 3 or output[0].numel() == max(output.shape[1:]):
                continue  # pooled: a vector, or one position
            if self._as_nchw(gradient).any():
                return layer
        raise ValueError(
            f"No layer of backbone {self._name!r} has a feature map of more than one position. Fit "
            "with a larger image_size, or with another backbone."
        )

    def _as_nchw(self, output):
        """View the output of a layer as ``(n, c, h, w)``."""
        if output.ndim == 4:
            # Some transformers return channels last; there are as many as features.
            channels_last = output.shape[3] == self._backbone.num_features != output.shape[1]
            return output.permute(0, 3, 1, 2) if channels_last else output
        body = self._backbone.body
        height, width = getattr(getattr(body, "patch_embed", None), "grid_size", None) or (0, 0)
        n_others = getattr(body, "num_prefix_tokens", 0)
        if output.ndim != 3 or output.shape[1] != n_others + height * width:
            raise ValueError(
                f"Backbone {self._name!r} returns {tuple(output.shape[1:])}, without positions in "
                "the image. Use a convolutional network, or a transformer of timm, such as Swin."
            )
        return output[:, n_others:].unflatten(1, (height, width)).permute(0, 3, 1, 2)


def _layers(module):
    """Yield the children of a module, and those of its sequential children.

    Layers inside a block are left out: their output is added to the input of the block.
    """
    for child in module.children():
        yield child
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _layers(child)
