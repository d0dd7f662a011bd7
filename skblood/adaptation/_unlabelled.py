"""Adaptation by cells without any label."""

import copy
from dataclasses import dataclass

import torch

from ._choose import SURE, is_better
from ._norms import distance_of_statistics, has_statistics
from ._pseudo import spread
from ._steps import N_VIEWS, self_train, some_rows, with_statistics

# Cells from which there is something to learn without labels.
_ENOUGH = 20
# Share of the classes that the predictions may lose.
_MAX_LOSS = 0.1
# Squared distance of the cells' statistics from the network's, in variances, from which the model
# is a stranger to them. In simulated laboratories new statistics did no harm where they were
# farther; nearer they helped or harmed, and did no harm where the model became surer.
_FAR = 0.1


@dataclass
class State:
    """A network on its way, and what can be seen of it without labels.

    Attributes
    ----------
    network : CellNetwork
    features : torch.Tensor of shape (n, n_views, d)
        What the output layer is given.
    agreement : torch.Tensor of shape (n,)
        Share of a cell's views that get the class that their mean gets.
    spread : float
        Number of classes that the predictions spread over.
    sure : float
        Mean probability of the likeliest class.
    distance : float, default=0.0
        Of the cells' statistics from those of the network; see `distance_of_statistics`.
    """

    network: object
    features: torch.Tensor
    agreement: torch.Tensor
    spread: float
    sure: float
    distance: float = 0.0


def adapt_unlabelled(network, cells, shares):
    """Return the adapted network, the steps to it, the reason, and no scores.

    A step is refused if the predictions gather in fewer classes afterwards; self-training also if
    views of a cell agree less often, as they do where it goes wrong, or the model is not even sure
    of what it taught itself. New statistics make a model less sure of what it had wrong, but also
    of what it had right: where it is no stranger, they are refused if they do.
    """
    n_cells = len(cells.unlabelled)
    if n_cells < _ENOUGH:
        reason = f"{n_cells} cells without labels say too little; give {_ENOUGH} or more"
        return network, (), reason, {}
    state = _judge(network, cells.features(network, cells.unlabelled, N_VIEWS))
    if has_statistics(network):
        x = cells.prepare(network, some_rows(cells))
        state.distance = distance_of_statistics(network, x)
    steps, notes = (), []
    for name, move in {"statistics": _move_statistics, "self-training": _train_itself}.items():
        moved = move(state, cells, shares)
        refusal = "there is nothing to move" if moved is None else _why_not(name, state, moved)
        if refusal:
            notes.append(f"{name} refused: {refusal}")
        else:
            state, steps = moved, (*steps, name)
            notes.append(f"{name} taken: views agree in {float(state.agreement.mean()):.1%}")
    return state.network, steps, "; ".join(notes), {}


def _move_statistics(state, cells, shares):
    if not has_statistics(state.network):
        return None
    network = with_statistics(state.network, cells, shares)
    return _judge(network, cells.features(network, cells.unlabelled, N_VIEWS))


def _train_itself(state, cells, shares):
    network = copy.deepcopy(state.network)
    nothing = state.features[:0], torch.zeros(0, dtype=torch.int64)
    layer = self_train(network, network.head[-1], *nothing, state.features)
    if layer is None:
        return None
    network.head[-1] = layer
    return _judge(network, state.features)


def _judge(network, features):
    with torch.no_grad():
        probabilities = network.head[-1](features).softmax(2)
    mean = probabilities.mean(1)
    agreement = (probabilities.argmax(2) == mean.argmax(1)[:, None]).float().mean(1)
    return State(network, features, agreement.cpu(), spread(mean), float(mean.amax(1).mean()))


def _why_not(name, before, after):
    """Return why a step is refused, or an empty string."""
    weights = torch.full_like(before.agreement, 1 / len(before.agreement))
    if name == "statistics" and before.distance < _FAR and after.sure <= before.sure:
        return (
            f"the cells are no farther than {before.distance:.2f} variances from the training, and "
            f"the model would be sure of {after.sure:.1%} in the mean, not {before.sure:.1%}"
        )
    if name == "self-training" and after.sure < SURE:
        return f"the model would be sure of {after.sure:.1%} in the mean, less than {SURE:.0%}"
    if name == "self-training" and is_better(before.agreement, after.agreement, weights):
        old, new = (float(state.agreement.mean()) for state in (before, after))
        return f"views of a cell would agree in {new:.1%}, not {old:.1%}"
    if after.spread < (1 - _MAX_LOSS) * before.spread:
        return f"predictions would spread over {after.spread:.1f} classes, not {before.spread:.1f}"
    return ""
