"""The classifier on the features of several backbones."""

from dataclasses import dataclass, field
from numbers import Integral

from skblood._sklearn import Interval, validate_parameter_constraints
from skblood.estimators._backbone_classifier import BackboneClassifier
from skblood.estimators._base import BACKBONE_CONSTRAINTS
from skblood.estimators._docs import document


@document
@dataclass(kw_only=True, repr=False, eq=False)
class HybridFeatureClassifier(BackboneClassifier):
    """Classify cell images by the concatenated features of several backbones.

    The system of Battu et al.: pooled features side by side, a dense layer with dropout, and
    a second phase of training with a fresh optimizer. Each backbone normalises the images in its
    own way; all see them at one size.

    Parameters
    ----------
    backbones : sequence of str, default=("inception_v3", "legacy_xception")
        Two or more names, each as in `TransferCellClassifier`.
    weights : "default", "pbc", None, path-like, or a sequence of these, default="default"
        As in `TransferCellClassifier`; a sequence has one entry for each backbone.
    trainable : "all", "head", int, or a sequence of these, default="all"
        As in `TransferCellClassifier`; a sequence has one entry for each backbone.
    hidden_layer_sizes : tuple of int, default=(512,)
        Units of each hidden layer behind the concatenated features.
    dropout : float in [0, 1), default=0.5
        Share of units dropped after each hidden layer.
    refine_epochs : int, default=5
        Epochs of the second phase, which starts with a fresh optimizer and learning-rate schedule;
        0 leaves it out.
    {shared}

    See Also
    --------
    TransferCellClassifier : One backbone.

    References
    ----------
    Battu et al. 2024: hybrid of InceptionV3 and Xception, dense layer of 512 units, dropout 0.5,
    Adam with learning rate 1e-4, 10 epochs, then 5 more.

    Examples
    --------
    >>> from skblood import HybridFeatureClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = HybridFeatureClassifier(
    ...     ("cellnet_t", "cellnet_t"), max_epochs=2, refine_epochs=1, random_state=0
    ... )
    >>> clf.fit(X, y).n_iter_
    3
    """

    backbones: tuple = field(default=("inception_v3", "legacy_xception"), kw_only=False)
    hidden_layer_sizes: tuple = (512,)
    dropout: float = 0.5
    refine_epochs: int = 5

    _parameter_constraints = {
        **BackboneClassifier._parameter_constraints,
        "backbones": ["array-like"],
        "weights": [*BACKBONE_CONSTRAINTS["weights"], "array-like"],
        "trainable": [*BACKBONE_CONSTRAINTS["trainable"], "array-like"],
        "refine_epochs": [Interval(Integral, 0, None, closed="left")],
    }

    def _epochs(self):
        return [n for n in (self.max_epochs, self.refine_epochs) if n]

    def _each_backbone(self):
        """Return the name, the weights and the trainable part of each backbone, checked."""
        if isinstance(self.backbones, str) or len(self.backbones) < 2:
            raise ValueError(
                f"backbones={self.backbones!r} must be two or more names of backbones; "
                "for one, use TransferCellClassifier."
            )
        weights, trainable = self._one_for_each("weights"), self._one_for_each("trainable")
        each = list(zip(self.backbones, weights, trainable, strict=True))
        for settings in each:
            named = dict(zip(BACKBONE_CONSTRAINTS, settings, strict=True))
            validate_parameter_constraints(BACKBONE_CONSTRAINTS, named, type(self).__name__)
        return each

    def _one_for_each(self, parameter):
        value = getattr(self, parameter)
        if isinstance(value, str) or not hasattr(value, "__len__"):
            return [value] * len(self.backbones)
        if len(value) != len(self.backbones):
            raise ValueError(
                f"{parameter}={value!r} has {len(value)} entries for {len(self.backbones)} "
                "backbones; give one for all, or one for each."
            )
        return list(value)
