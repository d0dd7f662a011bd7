"""State of a training in a file, from which an interrupted training resumes."""

from __future__ import annotations

import hashlib
import io
import json
import math
import warnings
from pathlib import Path
from typing import Any

import torch
from skorch.callbacks import Callback
from skorch.history import History

from skblood._typing import StrPath
from skblood._writing import replace_file
from skblood.inference import generator_states, restore_generators
from skblood.networks import CellNetwork, hash_weights


class TrainingCheckpoint(Callback):
    """Save the state of a training after each epoch, so that an interrupted fit resumes.

    When `fit` is called again with the same data and parameters, it continues after the last
    complete epoch; on a CPU it gives the same model as an uninterrupted fit, to the bit. A complete
    fit removes its file. One folder may serve a whole search, and several processes: each fit has
    a file of its own, named by a hash of its data and parameters.

    Parameters
    ----------
    folder : str or path-like
        Created if needed.

    Raises
    ------
    ValueError
        In `fit`, if there are other callbacks as well, whose state would be lost.
    OSError
        In `fit`, if the folder cannot be created.

    Warns
    -----
    UserWarning
        In `fit`, if a file is damaged or cannot be written; the training continues.

    See Also
    --------
    skblood.TrainingInterrupted : Raised on Ctrl-C, with the model so far.

    Notes
    -----
    `partial_fit` writes no checkpoints.

    Examples
    --------
    >>> import tempfile
    >>> from skblood import TrainingCheckpoint, TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     clf = TransferCellClassifier(
    ...         "cellnet_t", max_epochs=3, callbacks=[TrainingCheckpoint(folder)], random_state=0
    ...     )
    ...     clf.fit(X, y).n_iter_
    3
    """

    def __init__(self, folder: StrPath) -> None:
        self.folder = folder

    def open(self, name: str, key: str, seed: int, processes: Any = None) -> int:
        """Look for the file of a fit.

        Parameters
        ----------
        name : str
            Class of the estimator.
        key : str
            See `fit_key`.
        seed : int
            Seed of a fit that has no file yet.
        processes : Processes, default=None
            Those that train together: one reads and writes the file.

        Returns
        -------
        seed : int
            Seed to train with: that of the file, if there is one.
        """
        folder = Path(self.folder).expanduser().absolute()
        self._file = folder / f"{name}-{key}.checkpoint"
        self._state = None
        if processes is None or processes.is_main:
            folder.mkdir(parents=True, exist_ok=True)
            self._state = _read(self._file)
        if processes is not None:
            self._state = processes.broadcast(self._state)
        self._seed = seed if self._state is None else self._state["seed"]
        return self._seed

    def enter(self, phase: int, network: CellNetwork) -> float:
        """Begin a phase of training.

        Parameters
        ----------
        phase : int
        network : CellNetwork
            As it is trained in this phase. If it was trained already, it gets its weights.

        Returns
        -------
        n_epochs : int or float
            Epochs of this phase that are complete; infinity if the phase is.
        """
        self._phase, self._epoch = phase, 0
        if phase == 0:
            # Parameters name the initial weights; the file of that name may have changed since.
            # Statistics of features are left out: on a GPU they are not equal to the bit.
            digest = hashlib.sha256()
            hash_weights(network.backbones, digest)
            hash_weights(network.head, digest)
            self._start = digest.hexdigest()
            if self._state is not None and self._state["start"] != self._start:
                self._state = None
        if self._state is None:
            return 0
        if phase < self._state["phase"]:
            # A later phase may take features from the backbones; its head may be another one.
            weights = self._state["network"].items()
            weights = {name: each for name, each in weights if name.startswith("backbones.")}
            network.load_state_dict(weights, strict=False)
            return math.inf
        self._epoch = self._state["epoch"]
        return self._epoch

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Restore the state of the file."""
        if self._state is None:
            return
        state, self._state = self._state, None
        net.module_.load_state_dict(state["network"])
        net.optimizer_.load_state_dict(state["optimizer"])
        net.history_ = History(json.loads(state["history"]))
        for name, callback in _with_state(net):
            callback.load_state_dict(state["callbacks"][name])
        restore_generators(state["generators"], torch.device(net.device))

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Write the state."""
        self._epoch += 1
        if net.processes is not None and not net.processes.is_main:
            return
        state = {
            "seed": self._seed,
            "start": self._start,
            "phase": self._phase,
            "epoch": self._epoch,
            "network": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": json.dumps(net.history_, default=lambda number: number.item()),
            "callbacks": {name: callback.state_dict() for name, callback in _with_state(net)},
            "generators": generator_states(torch.device(net.device)),
        }
        try:
            _write(self._file, state)
        except OSError as error:
            message = f"The checkpoint {str(self._file)!r} cannot be written, training goes on"
            warnings.warn(f"{message}: {error}", UserWarning, stacklevel=2)

    def remove(self) -> None:
        """Remove the file of a complete training."""
        self._file.unlink(missing_ok=True)


def _with_state(net):
    """Return the callbacks that have a state; that of skorch's LRScheduler is its scheduler's."""
    parts = [(name, getattr(each, "lr_scheduler_", each)) for name, each in net.callbacks_]
    return [(name, part) for name, part in parts if hasattr(part, "state_dict")]


def _write(file, state):
    """Write a state and its digest, since torch does not notice flipped bits."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
    replace_file(file, buffer.getbuffer())


def _read(file):
    """Return the state in a file, or None if there is no file or it is damaged."""
    if not file.exists():
        return None
    content = memoryview(file.read_bytes())
    state, digest = content[:-32], content[-32:]
    if hashlib.sha256(state).digest() == digest:
        return torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
    message = f"The checkpoint {str(file)!r} is damaged, so the training starts anew."
    warnings.warn(message, UserWarning, stacklevel=2)
    return None
