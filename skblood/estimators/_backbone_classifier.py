"""The classifier on backbones, which may be pretrained and frozen."""

from dataclasses import dataclass
from numbers import Integral

from skblood._sklearn import Interval
from skblood.estimators._base import BACKBONE_CONSTRAINTS, STANDARDIZE_CONSTRAINT
from skblood.estimators._classifier import CellClassifier
from skblood.networks import create_backbone, fine_tunes


@dataclass(kw_only=True, repr=False, eq=False)
class BackboneClassifier(CellClassifier):
    """A classifier whose subclass names its backbones."""

    weights: object = "default"
    trainable: object = "all"
    standardize: str = "auto"
    n_views: int = 1

    _parameter_constraints = {
        **CellClassifier._parameter_constraints,
        "weights": BACKBONE_CONSTRAINTS["weights"],
        "trainable": BACKBONE_CONSTRAINTS["trainable"],
        "standardize": STANDARDIZE_CONSTRAINT,
        "n_views": [Interval(Integral, 1, None, closed="left")],
    }

    def _each_backbone(self):
        """Return the name, the weights and the trainable part of each backbone."""
        raise NotImplementedError

    def _backbone_names(self):
        return [name for name, _, _ in self._each_backbone()]

    def _fine_tunes(self):
        return any(fine_tunes(*one) for one in self._each_backbone())

    def _make_backbones(self, image_shape, statistics):
        return [
            create_backbone(
                name,
                weights=weights,
                trainable=trainable,
                image_shape=image_shape,
                statistics=statistics,
                standardize=self.standardize,
            )
            for name, weights, trainable in self._each_backbone()
        ]

    def _views(self):
        if self.n_views > 1 and self._augmentation() is None:
            raise ValueError(
                f"n_views={self.n_views} asks for changed views of each image, but augment is None "
                "or X holds no pixels. Set augment='cells', or n_views=1."
            )
        return range(self.n_views)
