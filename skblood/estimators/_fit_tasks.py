"""Callbacks of scikit-learn (`set_callbacks`), called for the fit and for each epoch."""

import copy

from skorch.callbacks import Callback

from skblood.training import StopTraining, TrainingResult, WeightedLoss

from ._fitted import bare_net


class FitTasks(Callback):
    """Call the scikit-learn callbacks of an estimator: one task for the fit, one for each epoch.

    Parameters
    ----------
    estimator : CellClassifier
        Its fit begins now.
    X, y, sample_weight : object
        As given to `fit`.
    """

    def __init__(self, estimator, X, y, sample_weight):
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        n_epochs = sum(estimator._n_epochs())
        self.context = estimator._init_callback_context(max_subtasks=n_epochs)
        self.context.call_on_fit_task_begin(**self.data)

    def follow(self, fitting):
        """Take part in a training, as a callback of skorch."""
        self.fitting = fitting
        fitting.trainer.callbacks.append(self)

    def on_epoch_begin(self, net, **kwargs):
        """Begin the task of an epoch."""
        self.epoch = self.context.subcontext("epoch").call_on_fit_task_begin(**self.data)

    def on_epoch_end(self, net, **kwargs):
        """End it; a callback may ask to stop."""
        if self._call_end(self.epoch, net):
            raise StopTraining

    def end(self, net):
        """End the fit; what was needed for it is released, since the net keeps its callbacks."""
        self._call_end(self.context, net)
        vars(self).clear()

    def __getstate__(self):
        """Leave everything out of copies and pickles of the net."""
        return {}

    def _call_end(self, task, net):
        def attributes():
            if not isinstance(net.criterion_, WeightedLoss):
                return None  # a phase that only prepares; nothing could predict
            now = bare_net(copy.deepcopy(net.module_), net.device)
            now.history_ = copy.deepcopy(net.history_)
            return self.fitting.attributes(TrainingResult(now, len(now.history_)), {})

        return task.call_on_fit_task_end(**self.data, reconstruction_attributes=attributes)
