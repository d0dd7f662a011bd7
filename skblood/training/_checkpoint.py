"""The state of a training in a file, from which the same training goes on."""

import hashlib
import io
import json
import math
import warnings

import torch
from skorch.callbacks import Callback
from skorch.history import History

from skblood._replace import replace_file
from skblood.inference import generator_states, restore_generators
from skblood.networks import hash_weights

_DIGEST_SIZE = hashlib.sha256().digest_size


class Checkpoint(Callback):
    """Write the state of a training after each epoch; bring back the one that was written.

    To be the last of the callbacks, since it writes down what the others hold. Two trainings of
    one name may run at once: a file is replaced as a whole, and either may go on from it.

    Parameters
    ----------
    file : Path or None
        Its name stands for all that decides the result. None writes and brings back nothing.
    seed : int
        The seed of a training that has no file yet.

    Attributes
    ----------
    seed : int
        The seed to train with: that of the file, if there is one.
    """

    def __init__(self, file, seed):
        self.file = file
        self._state = None if file is None else _read(file)
        self.seed = seed if self._state is None else self._state["seed"]

    def enter(self, phase, network):
        """Begin a phase of training.

        Parameters
        ----------
        phase : int
        network : CellNetwork
            As it is trained in this phase. One that is trained already gets its weights.

        Returns
        -------
        n_epochs : int or float
            Epochs of this phase that are done; infinity if the phase is.
        """
        if self.file is None:
            return 0
        self._phase, self._epoch = phase, 0
        if phase == 0:
            # The parameters name the weights that a training starts from; the file of that name
            # may have changed since.
            self._start = _digest_of(network)
            if self._state is not None and self._state["start"] != self._start:
                self._state = None
        if self._state is None:
            return 0
        if phase < self._state["phase"]:
            # A later phase may take features from the backbones; its head may be another.
            weights = self._state["network"].items()
            prefix = "backbones."
            network.backbones.load_state_dict(
                {name[len(prefix) :]: w for name, w in weights if name.startswith(prefix)}
            )
            return math.inf
        self._epoch = self._state["epoch"]
        return self._epoch

    def on_train_begin(self, net, **kwargs):
        """Bring everything back to where it was."""
        if self.file is None or self._state is None:
            return
        state, self._state = self._state, None
        net.module_.load_state_dict(state["network"])
        net.optimizer_.load_state_dict(state["optimizer"])
        net.history_ = History(json.loads(state["history"]))
        for name, callback in _with_state(net):
            callback.load_state_dict(state["callbacks"][name])
        restore_generators(state["generators"], torch.device(net.device))

    def on_epoch_end(self, net, **kwargs):
        """Write the state."""
        if self.file is None:
            return
        self._epoch += 1
        state = {
            "seed": self.seed,
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
            _write(self.file, state)
        except OSError as error:
            warnings.warn(
                f"The checkpoint {str(self.file)!r} cannot be written "
                f"({error.__cause__ or error}). The training goes on; if it is broken off, only "
                "what was written before is left. Make room, or make the folder writable.",
                UserWarning,
                stacklevel=2,
            )

    def remove(self):
        """Remove the file of a training that is complete."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


def _with_state(net):
    return [(name, each) for name, each in net.callbacks_ if hasattr(each, "state_dict")]


def _digest_of(network):
    digest = hashlib.sha256()
    # Not those that standardise features, which are computed, and on a GPU not to the bit.
    for part in (network.backbones, network.head):
        hash_weights(part, digest)
    return digest.hexdigest()


def _write(file, state):
    """Write a state, and behind it its digest: torch does not notice bits that have flipped."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
    replace_file(file, buffer.getbuffer())


def _read(file):
    """Return the state in a file, or None if there is none, or none that is whole."""
    if not file.exists():
        return None
    content = memoryview(file.read_bytes())
    state, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    if hashlib.sha256(state).digest() != digest:
        warnings.warn(
            f"The checkpoint {str(file)!r} is damaged, so the training begins from the start.",
            UserWarning,
            stacklevel=2,
        )
        return None
    return torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
