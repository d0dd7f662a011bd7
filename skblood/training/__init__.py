"""Training: device and precision, the epoch's plan, the skorch net, prediction."""

from ._callbacks import BestEpoch, LearningRateSchedule, ValidationScore, show_progress
from ._checkpoint import Checkpoint
from ._contrastive import PhaseName, SupervisedContrastiveLoss, TwoViews
from ._exceptions import NonFiniteLossError, TrainingInterrupted
from ._losses import WeightedLoss
from ._memory import MemoryAdvice
from ._net import OPTIMIZERS, TrainingNet
from ._outputs import decision_values
from ._plan import plan_visits, split_visits
from ._samples import Samples

__all__ = [
    "OPTIMIZERS",
    "BestEpoch",
    "Checkpoint",
    "LearningRateSchedule",
    "MemoryAdvice",
    "NonFiniteLossError",
    "PhaseName",
    "Samples",
    "SupervisedContrastiveLoss",
    "TrainingInterrupted",
    "TrainingNet",
    "TwoViews",
    "ValidationScore",
    "WeightedLoss",
    "decision_values",
    "plan_visits",
    "show_progress",
    "split_visits",
]
