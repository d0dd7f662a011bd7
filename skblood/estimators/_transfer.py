"""The classifier on one backbone."""

from dataclasses import dataclass, field
from numbers import Integral

from skblood._sklearn import Options
from skblood.estimators._backbone_classifier import BackboneClassifier
from skblood.estimators._base import BACKBONE_CONSTRAINTS
from skblood.estimators._docs import document


@document
@dataclass(kw_only=True, repr=False, eq=False)
class TransferCellClassifier(BackboneClassifier):
    """Classify cell images by a convolutional or transformer backbone and a dense head.

    The default backbone, ``"cellnet_s"``, is small, works at the images' own size and is trained
    from scratch; any other of timm or torchvision starts from its published weights.

    Parameters
    ----------
    backbone : str, default="cellnet_s"
        A name of `timm.list_models`, ``"torchvision/<name>"`` with a name of torchvision's
        classification models, or one of our own: ``"cellnet_s"`` (630,000 parameters, for
        images of 28 to 128 px) and ``"cellnet_t"`` (56,000, for tests and quick looks).
    weights : "default", "pbc", None or path-like, default="default"
        Published weights, loaded through timm or torchvision (our own backbones have none and
        start at random); "pbc", those of the ready model, for "cellnet_s" alone; None, random
        ones; or the path of a ``.safetensors`` or ``.pth`` file.
    trainable : "all", "head" or int, default="all"
        Train the whole network; only the head, for which each image passes the backbone once, see
        `n_views` and `memory`; or the head and the last `trainable` stages of the backbone. What
        is frozen stays in evaluation mode, the statistics of BatchNorm included.
    predict_views : {{1, 2, 4, 8}}, default=1
        Views of each image whose logits are averaged when the model predicts: 1 is the image
        itself, 2 adds its mirror image, 4 both of them upside down, 8 all of these with rows and
        columns exchanged, for square images. A smear has no up, so they are as good as the image;
        prediction takes as many times as long. Not where all of the backbone is frozen.
    {shared}

    See Also
    --------
    MLPCellClassifier : A multi-layer perceptron on the pixels.
    HybridFeatureClassifier : Several backbones, their features concatenated.
    CellEmbedder : The features of a backbone, without a classifier.
    load_pretrained : The ready model, whose weights "pbc" are.

    Examples
    --------
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0)
    >>> clf.fit(X, y).predict_proba(X[:2]).shape
    (2, 8)
    """

    backbone: str = field(default="cellnet_s", kw_only=False)
    predict_views: int = 1

    _parameter_constraints = {
        **BackboneClassifier._parameter_constraints,
        "backbone": BACKBONE_CONSTRAINTS["backbone"],
        "predict_views": [Options(Integral, {1, 2, 4, 8})],
    }

    def _make_network(self, statistics):
        network = super()._make_network(statistics)
        height, width, _ = self.image_shape_
        if self.predict_views > 1 and network.frozen:
            raise ValueError(
                f"predict_views={self.predict_views} needs images that pass the backbone, but with "
                "trainable='head' they pass it once, as they are. Set predict_views=1, or train "
                "more of the backbone."
            )
        if self.predict_views == 8 and height != width:
            raise ValueError(
                f"predict_views=8 exchanges rows and columns, but the images are {height} x "
                f"{width} px. Set predict_views=4, or an image_size that is square."
            )
        network.predict_views = self.predict_views
        return network

    def _each_backbone(self):
        return [(self.backbone, self.weights, self.trainable)]
