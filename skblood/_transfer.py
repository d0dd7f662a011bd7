"""The classifier on one backbone."""

from dataclasses import dataclass, field

from skblood._backbone_classifier import BackboneClassifier
from skblood._base import BACKBONE_CONSTRAINTS
from skblood._docs import document


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
    weights : "default", None or path-like, default="default"
        Published weights, loaded through timm or torchvision (our own backbones have none and
        start at random); None, random ones; or the path of a ``.safetensors`` or ``.pth`` file.
    trainable : "all", "head" or int, default="all"
        Train the whole network; only the head, for which each image passes the backbone once, see
        `n_views` and `memory`; or the head and the last `trainable` stages of the backbone. What
        is frozen stays in evaluation mode, the statistics of BatchNorm included.
    {shared}

    See Also
    --------
    MLPCellClassifier : A multi-layer perceptron on the pixels.
    HybridFeatureClassifier : Several backbones, their features concatenated.
    CellEmbedder : The features of a backbone, without a classifier.

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

    _parameter_constraints = {
        **BackboneClassifier._parameter_constraints,
        "backbone": BACKBONE_CONSTRAINTS["backbone"],
    }

    def _each_backbone(self):
        return [(self.backbone, self.weights, self.trainable)]
