"""Training: device and precision, the epoch's plan, the skorch net, prediction."""

from skblood.training._callbacks import BestEpoch, Progress, ValidationScore
from skblood.training._device import resolve_device, training_dtype
from skblood.training._losses import WeightedLoss
from skblood.training._net import OPTIMIZERS, TrainingNet, schedule_callbacks
from skblood.training._network import ACTIVATIONS, CellNetwork, make_head
from skblood.training._outputs import decision_values
from skblood.training._plan import plan_visits, split_visits
from skblood.training._predict import forward_all
from skblood.training._random import draw_seed, seeded
from skblood.training._samples import Samples, to_tensor

__all__ = [
    "ACTIVATIONS",
    "OPTIMIZERS",
    "BestEpoch",
    "CellNetwork",
    "Progress",
    "Samples",
    "TrainingNet",
    "ValidationScore",
    "WeightedLoss",
    "decision_values",
    "draw_seed",
    "forward_all",
    "make_head",
    "plan_visits",
    "resolve_device",
    "schedule_callbacks",
    "seeded",
    "split_visits",
    "to_tensor",
    "training_dtype",
]
