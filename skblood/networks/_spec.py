"""What a fitted network is: everything that is needed to build it again and to feed it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from skblood.images import ImageLayout

# Added to the logit of a class that cannot occur. Finite, since scikit-learn's calibration takes no
# infinite numbers; its probability is exactly 0, even with the logits divided by a temperature.
_IMPOSSIBLE = -1e4

# Shares of an image that may be one of its views, and how many of them.
VIEW_CROP_RANGE = (0.2, 1.0)
MAX_VIEW_CROPS = 10


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone of a fitted network.

    Attributes
    ----------
    name : str
        Name of timm, ``"torchvision/<name>"``, one of skblood's, or "pixels" for the flattened
        pixels themselves.
    weights : str or None
        What training started from: "default" (published weights), "pbc" or "blood8-2" (those of a
        pretrained model), ``"file:<name>"``, or None (random).
    trained : "all", "head" or int
        What the fit trained: everything, nothing of the backbone, or its last stages.
    standardize : {"channel", "image"}
        By the mean and standard deviation of each channel, or each image by its own darkest and
        brightest spot.
    weights_sha256 : str or None
        SHA-256 of the file of the weights, if they are those of a file.
    """

    name: str
    weights: str | None = None
    trained: str | int = "all"
    standardize: str = "channel"
    weights_sha256: str | None = None


@dataclass(frozen=True)
class HeadSpec:
    """The dense layers behind the backbones.

    Attributes
    ----------
    hidden_layer_sizes : tuple of int
    dropout : float
    activation : {"relu", "gelu", "tanh", "silu"}
    batch_norm : bool
        Whether batch normalization follows each hidden layer.
    standardize_features : bool
        Whether features are standardized before the head, as those of frozen backbones are.
    """

    hidden_layer_sizes: tuple[int, ...] = ()
    dropout: float = 0.0
    activation: str = "relu"
    batch_norm: bool = False
    standardize_features: bool = False


@dataclass(frozen=True)
class NetworkSpec(ImageLayout):
    """What a fitted network is and what it takes; written by `fit`, read by all that follows.

    Attributes
    ----------
    backbones : tuple of BackboneSpec
        Their features are concatenated.
    head : HeadSpec or None
        None for an embedder, which returns the features.
    classes : tuple or None
        Labels in the order of the logits; None for an embedder.
    input_shape : tuple of (int, int, int)
        Height, width and channels of the images given to `fit`; rows are unflattened to it.
    image_shape : tuple of (int, int, int)
        Height, width and channels of the images that the network works on.
    is_pixels : bool
        Whether X holds uint8 images; otherwise rows of float features.
    image_size : tuple of (int, int) or None
        Height and width that images are resized to; None if they keep their own size.
    crop : float
        Share of each side of an image that is kept, around the center, before it is resized.
    interpolation : {"bilinear", "bicubic", "nearest"}
    dihedral_views : {1, 2, 4, 8}
        Flips and quarter turns of each image whose logits are averaged in prediction.
    view_crops : tuple of float
        Crops of the image as it is after `crop`, whose logits are averaged in prediction, too.
    precision : {"auto", "float32", "bfloat16"}
        Precision of prediction; "auto" depends on the device.
    bit_depth : int in 8..16 or None
        Bits of the values in files of more than 8 bits, unless their paths state it; None is 16.
    class_factors : tuple of float, or None
        Factor of the probability of each class, before they are divided by their sum: 0 if the
        class cannot occur, otherwise its share among the cells to come divided by that in the
        training. None leaves the probabilities of the network.
    """

    backbones: tuple[BackboneSpec, ...]
    head: HeadSpec | None
    classes: tuple[Any, ...] | None
    input_shape: tuple[int, int, int]
    image_shape: tuple[int, int, int]
    is_pixels: bool = True
    image_size: tuple[int, int] | None = None
    crop: float = 1.0
    interpolation: str = "bilinear"
    dihedral_views: int = 1
    view_crops: tuple[float, ...] = (1.0,)
    precision: str = "auto"
    bit_depth: int | None = None
    class_factors: tuple[float, ...] | None = None

    @property
    def frozen(self) -> bool:
        """Whether only the head was trained, so that features can be stored."""
        return all(backbone.trained == "head" for backbone in self.backbones)

    @property
    def log_factors(self) -> list[float]:
        """What is added to the logit of each class: a list of finite float."""
        factors = self.class_factors or (1.0,) * len(self.classes)
        return [math.log(factor) if factor else _IMPOSSIBLE for factor in factors]

    def with_crop(self, crop: float) -> NetworkSpec:
        """Return the spec of the same network looking at another share of each image.

        A network that worked at the images' own size goes on at the size that it was fitted at.

        Parameters
        ----------
        crop : float
            Share of each side that is kept.

        Returns
        -------
        spec : NetworkSpec
            A copy.

        Raises
        ------
        ValueError
            If the network takes rows of numbers, which cannot be cropped.
        """
        if self.input_shape[0] == 1:
            raise ValueError("The model was fitted with rows of numbers, which cannot be cropped.")
        size = self.image_size or tuple(self.image_shape[:2])
        return replace(self, crop=float(crop), image_size=size)

    def with_one_view(self) -> NetworkSpec:
        """Return the spec of the same network without test-time augmentation."""
        return replace(self, dihedral_views=1, view_crops=(1.0,))

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as nested dicts, lists and numbers, as JSON has them."""
        return asdict(self)
