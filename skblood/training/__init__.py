"""Training: device and precision, the epoch's plan, the skorch net, prediction."""

from ._callbacks import BestEpoch, LearningRateSchedule, ValidationScore, show_progress
from ._checkpoint import Checkpoint
from ._contrastive import PhaseName, SupervisedContrastiveLoss, TwoViews
from ._device import autocast_dtype, resolve_device
from ._losses import WeightedLoss
from ._memory import MemoryAdvice
from ._net import OPTIMIZERS, TrainingNet
from ._network import ACTIVATIONS, CellNetwork, hash_weights, make_head
from ._outputs import decision_values
from ._plan import plan_visits, split_visits
from ._predict import forward_all
from ._random import draw_seed, seeded
from ._samples import Samples, as_nchw, to_tensor

__all__ = [
    "ACTIVATIONS",
    "OPTIMIZERS",
    "BestEpoch",
    "CellNetwork",
    "Checkpoint",
    "LearningRateSchedule",
    "MemoryAdvice",
    "PhaseName",
    "Samples",
    "SupervisedContrastiveLoss",
    "TrainingNet",
    "TwoViews",
    "ValidationScore",
    "WeightedLoss",
    "as_nchw",
    "autocast_dtype",
    "decision_values",
    "draw_seed",
    "forward_all",
    "hash_weights",
    "make_head",
    "plan_visits",
    "resolve_device",
    "seeded",
    "show_progress",
    "split_visits",
    "to_tensor",
]
