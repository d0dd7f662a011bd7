"""The last feature map of a backbone: where it comes about, and what its shape means."""

import torch
from torch import nn


class FeatureMap:
    """The last feature map of a backbone, kept at each pass.

    Parameters
    ----------
    backbone : skblood.networks.Backbone
        A copy that may be given hooks, with no parameter that requires a gradient.
    name : str
        The backbone's name, for messages.
    image : torch.Tensor of shape (1, c, h, w)
        What the backbone takes, to find the map.

    Attributes
    ----------
    output : torch.Tensor
        The map of the last pass, as the layer gave it. The pass goes on from it, and so gradients
        reach it and nothing before it.

    Raises
    ------
    ValueError
        If there is no such map.
    """

    def __init__(self, backbone, name, image):
        self._backbone, self._name = backbone, name
        self._find_layer(image).register_forward_hook(self._keep)

    def weigh(self, gradient):
        """Return the map, its channels weighted by their gradients, as ``(n, h, w)``.

        The gradients are added over the positions, not averaged: so the mean of the result is a
        share of the logit, and the results of backbones with maps of different sizes add up.
        """
        weights = self._as_map(gradient).sum((2, 3), keepdim=True)
        return (weights * self._as_map(self.output)).sum(1)

    def _keep(self, layer, inputs, output):
        self.output = output.detach().requires_grad_()
        return self.output.clone()  # the next layer may work in place

    def _find_layer(self, image):
        """Return the last layer with a map of several positions that have a part in the features.

        Behind the last block of a transformer, the patches may have none any more: where its class
        token alone is read.
        """
        for layer, output, gradient in reversed(self._trace(image)):
            if output.ndim < 3 or output[0].numel() == max(output.shape[1:]):
                continue  # pooled: a vector, or one position
            if self._as_map(gradient).any():
                return layer
        raise ValueError(
            f"No layer of backbone {self._name!r} has a feature map of more than one position, as "
            "Grad-CAM needs it. Fit with a larger image_size, or with another backbone."
        )

    def _trace(self, image):
        """Return each layer with its last output and the gradient of the features there."""
        outputs = {}

        def keep(layer, inputs, output):
            outputs.pop(layer, None)  # a layer that is used twice counts where it comes last
            if torch.is_tensor(output) and output.requires_grad:
                outputs[layer] = output

        hooks = [layer.register_forward_hook(keep) for layer in _layers(self._backbone.body)]
        features = self._backbone(image.clone().requires_grad_())
        for hook in hooks:
            hook.remove()
        # Not their sum: behind a LayerNorm, that never changes.
        some = features[0] @ torch.arange(1.0, 1 + features.shape[1], device=features.device)
        gradients = torch.autograd.grad(
            some, list(outputs.values()), allow_unused=True, materialize_grads=True
        )
        return list(zip(outputs.keys(), outputs.values(), gradients, strict=True))

    def _as_map(self, output):
        """View what a layer gives as ``(n, c, h, w)``."""
        if output.ndim == 4:
            # Some transformers have the channels last; then those are the features' number.
            channels_last = output.shape[3] == self._backbone.num_features != output.shape[1]
            return output.permute(0, 3, 1, 2) if channels_last else output
        body = self._backbone.body
        height, width = getattr(getattr(body, "patch_embed", None), "grid_size", None) or (0, 0)
        n_others = getattr(body, "num_prefix_tokens", 0)
        if output.ndim != 3 or output.shape[1] != n_others + height * width:
            raise ValueError(
                f"Backbone {self._name!r} ends with values of shape {tuple(output.shape[1:])} for "
                "an image, and does not tell where in it they belong. Grad-CAM needs a "
                "convolutional network, or a transformer of timm whose patches form a grid, such "
                "as 'vit_tiny_patch16_224' or 'swin_tiny_patch4_window7_224'."
            )
        return output[:, n_others:].unflatten(1, (height, width)).permute(0, 3, 1, 2)


def _layers(module):
    """Yield the children of a module, those that are mere sequences with their own children.

    The inside of a block is left out: what it adds to its input is not all that comes out.
    """
    for child in module.children():
        yield child
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _layers(child)
