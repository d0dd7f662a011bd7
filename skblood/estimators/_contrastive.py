"""The classifier whose backbone learns by comparing cells."""

from dataclasses import dataclass, field, replace
from numbers import Integral, Real

from torch import nn

from skblood._sklearn import Interval, StrOptions
from skblood.estimators._backbone_classifier import BackboneClassifier
from skblood.estimators._base import BACKBONE_CONSTRAINTS
from skblood.estimators._docs import document
from skblood.estimators._trainable import Phase
from skblood.networks import CellNetwork, fine_tunes, make_head
from skblood.training import PhaseName, SupervisedContrastiveLoss, TwoViews


@document
@dataclass(kw_only=True, repr=False, eq=False)
class ContrastiveCellClassifier(BackboneClassifier):
    """Classify cell images by features that bring cells of one class together.

    Supervised contrastive learning (Khosla et al. 2020). First, for `pretrain_epochs`, two random
    views of each image pass the backbone and a projection head, and in each batch the projections
    of one class are drawn together and those of the others pushed away. Then the projection head
    is dropped, the backbone frozen, and a head trained for `max_epochs` on the features of the
    images, which are computed once.

    Parameters
    ----------
    backbone : str, default="cellnet_s"
        As in `TransferCellClassifier`. Battu et al. 2024 took ``"resnetv2_50"``.
    weights : "default", "pbc", None or path-like, default="default"
        What the backbone starts from, as in `TransferCellClassifier`.
    trainable : "all" or int, default="all"
        Train the whole backbone in the first phase, or its last `trainable` stages.
    projection_dim : int, default=128
        Outputs of the projection head, which has one hidden layer of the width of the features.
    temperature : float, default=0.1
        What similarities are divided by. The smaller, the more the nearest cells of other classes
        count.
    pretrain_epochs : int, default=20
        Epochs of the first phase.
    pretrain_lr : float or "auto", default="auto"
        Highest learning rate of the first phase. "auto" is 5e-4 for a pretrained backbone, else
        3e-3.
    hidden_layer_sizes : tuple of int, default=()
        Units of each hidden layer (ReLU) of the head; () makes it linear.
    dropout : float in [0, 1), default=0.0
        Share of units dropped after each hidden layer; without one, of the features.
    lr : float or "auto", default="auto"
        Highest learning rate of the head. "auto" is 3e-3.
    max_epochs : int, default=20
        Epochs of the head, at most.
    early_stopping : bool, default=False
        Validate the head after each epoch, on `X_val` or on a part of `X` that is set aside in
        both phases, stop when nothing gets better, and keep the head of the best epoch. The first
        phase always has all its epochs.
    memory : None, str, path-like or `skblood.FeatureStore`, default=None
        As in `TransferCellClassifier`, but for decoded image files alone: the features of this
        backbone are of no use to another fit.
    warm_start : bool, default=False
        Go on from the former backbone and head when `fit` is called again, with a fresh projection
        head and fresh optimizers.
    {shared}

    See Also
    --------
    TransferCellClassifier : Trains backbone and head in one, by cross-entropy.

    Notes
    -----
    In the first phase, sample and class weights multiply the loss of an image as an anchor; those
    that it is compared with all count alike. `loss`, `label_smoothing`, `n_views` and all that is
    about validation have their part in the second phase only. In `history_`, ``phase`` is
    "contrastive" or "head", and `train_loss` is the loss of that phase: the two cannot be compared.

    There is no `partial_fit`: a head that learns from new images cannot move the backbone.

    A larger `batch_size` gives each image more others to be compared with.

    References
    ----------
    Khosla et al. 2020: Supervised contrastive learning, NeurIPS 33, equation 2.

    Examples
    --------
    >>> from skblood import ContrastiveCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = ContrastiveCellClassifier(
    ...     "cellnet_t", pretrain_epochs=2, max_epochs=3, random_state=0
    ... )
    >>> clf.fit(X, y).predict_proba(X[:2]).shape
    (2, 8)
    >>> clf.history_[:, "phase"]
    ['contrastive', 'contrastive', 'head', 'head', 'head']
    """

    backbone: str = field(default="cellnet_s", kw_only=False)
    projection_dim: int = 128
    temperature: float = 0.1
    pretrain_epochs: int = 20
    pretrain_lr: float | str = "auto"
    hidden_layer_sizes: tuple = ()
    dropout: float = 0.0

    _parameter_constraints = {
        **BackboneClassifier._parameter_constraints,
        "backbone": BACKBONE_CONSTRAINTS["backbone"],
        "trainable": [StrOptions({"all"}), Interval(Integral, 1, None, closed="left")],
        "projection_dim": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "pretrain_epochs": [Interval(Integral, 1, None, closed="left")],
        "pretrain_lr": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    @property
    def partial_fit(self):
        """There is none."""
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit: a head that learns from new images cannot "
            "move the backbone. Call fit on all images, with warm_start=True to go on from here."
        )

    def _each_backbone(self):
        # As a fitted one has it.
        return [(self.backbone, self.weights, "head")]

    def _feature_store(self):
        # The backbone is new in each fit, and so are its features.
        return None

    def _epochs(self):
        return [self.pretrain_epochs, self.max_epochs]

    def _phases(self, data, network, device):
        if network is None:
            network = self._make_network(data.channel_statistics())
        pretrain_epochs, max_epochs = self._epochs()
        yield self._contrastive_phase(data, network.backbones, device, pretrain_epochs)
        for backbone in network.backbones:
            backbone.train_only("head")
        network.scale = nn.Identity()  # that of a former backbone does not fit any more
        network, train, valid = self._to_device(data, network, device)
        phase = self._phase(network, train, valid, max_epochs)
        yield replace(phase, callbacks=(PhaseName("head"),))

    def _contrastive_phase(self, data, backbones, device, n_epochs):
        for backbone in backbones:
            backbone.train_only(self.trainable)
        width = sum(backbone.num_features for backbone in backbones)
        projection = make_head(width, (width,), self.projection_dim, dropout=0.0)
        network = CellNetwork(backbones, projection, self.image_size_, self.interpolation)
        network, train, _ = self._to_device(data, network, device)
        return Phase(
            network,
            train,
            None,
            n_epochs,
            SupervisedContrastiveLoss(self.temperature),
            self._pretrain_learning_rate(),
            TwoViews(self._augmentation()),
            (PhaseName("contrastive"),),
        )

    def _pretrain_learning_rate(self):
        if self.pretrain_lr == "auto":
            return 5e-4 if fine_tunes(self.backbone, self.weights, self.trainable) else 3e-3
        return self.pretrain_lr
