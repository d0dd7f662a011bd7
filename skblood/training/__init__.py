"""Training: samples of an epoch, the skorch net, phases, callbacks, checkpoints."""

from ._callbacks import InGivenOrder, StopTraining
from ._checkpoint import TrainingCheckpoint
from ._exceptions import NonFiniteLossError, TrainingInterrupted
from ._fit_key import fit_key
from ._losses import SupervisedContrastiveLoss, WeightedLoss
from ._net import OPTIMIZERS, TrainingNet
from ._outputs import decision_values
from ._processes import join_processes
from ._streamed_set import StreamedSet, plan_training
from ._trainer import Phase, Trainer, TrainingResult
from ._training_set import TrainingSet, channel_statistics
