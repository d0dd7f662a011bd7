"""Choice of the steps: by cross-validation on labelled cells, or by safeguards without labels."""

import copy
from dataclasses import dataclass

import torch

from ._account import join_steps
from ._batch_norm import (
    distance_of_statistics,
    has_statistics,
    sample_rows,
    with_target_statistics,
)
from ._fine_tuning import (
    MIN_CONFIDENCE,
    add_pseudo_labels,
    choose_pseudo_labels,
    fine_tune,
    refit_output_layer,
    self_train,
)
from ._target_cells import balanced_weights

_N_FOLDS = 4
# Mean number of labelled cells a class from which the network is trained.
_MIN_CELLS_TO_FINE_TUNE = 5
# Standard errors by which scores must differ: two cells more right and none less are enough, one
# is not.
_MARGIN = 1.25

# Number of cells from which an adaptation without labels is tried.
_MIN_UNLABELLED = 20
# Share of the predicted classes that a step may lose.
_MAX_CLASS_LOSS = 0.1
# Distance of the statistics (see `distance_of_statistics`) from which new ones are always mixed in.
# In simulated laboratories that did no harm from there on; below, it helped or harmed, and did no
# harm where the model became more confident.
_FAR = 0.1


def is_clearly_better(new, old, weights, margin=_MARGIN):
    """Return whether the weighted mean of new scores exceeds that of old ones.

    Parameters
    ----------
    new, old : torch.Tensor of shape (n,)
        Score of each cell.
    weights : torch.Tensor of shape (n,)
        They sum to 1.
    margin : float
        Standard errors of the difference that must be exceeded.
    """
    difference = new - old
    mean = weights @ difference
    error = (weights.square() @ (difference - mean).square()).sqrt()
    return bool(mean > margin * error)


@dataclass
class _Base:
    """A network, and the inputs of its output layer for the labelled and unlabelled cells."""

    network: object
    labelled: torch.Tensor
    unlabelled: torch.Tensor


class LabelledChoice:
    """Candidates with labels, and the choice among them by cross-validation.

    Parameters
    ----------
    network : CellNetwork
        Not changed.
    cells : TargetCells
    shares : torch.Tensor of shape (n_classes,)
        Share of each class in the training set.
    uncropped : TargetCells, default=None
        The cells at the crop of the model as it was given, if `cells` have another one; then "crop"
        is the first step of all candidates.
    """

    def __init__(self, network, cells, shares, uncropped=None):
        self.cells, self.uncropped = cells, uncropped
        self.start = () if uncropped is None else ("crop",)
        self.rows = cells.labelled
        self.codes = cells.codes[self.rows]
        self.bases = {False: self._base(network)}
        if has_statistics(network):
            self.bases[True] = self._base(with_target_statistics(network, cells, shares))
        self.folds = assign_folds(self.codes)
        self.tested = torch.nonzero(self.folds >= 0).flatten()
        self.weights = balanced_weights(self.codes[self.tested])

    def choose(self):
        """Return the adapted network, its steps, the reason and the candidates' scores."""
        all_rows = torch.arange(len(self.rows))
        if not len(self.tested):
            steps = (*self.start, "output")
            reason = (
                "one labelled cell a class leaves nothing to validate on, so only the output layer "
                "was fitted, with a strong L2-SP penalty"
            )
            return self._fit(steps, all_rows), steps, reason, {}
        hits = {steps: self._validate(steps) for steps in self._candidates()}
        best = self._best(hits)
        if len(self.rows) >= _MIN_CELLS_TO_FINE_TUNE * len(self.codes.unique()):
            deeper = (*best, "network")
            hits[deeper] = self._validate(deeper)
            # Fitted without a quarter of the cells, it loses more than the others do. So it need
            # not beat them, only not lose clearly.
            if is_clearly_better(
                hits[deeper], hits[self.start], self.weights
            ) and not is_clearly_better(hits[best], hits[deeper], self.weights):
                best = deeper
        network = self._fit(best, all_rows)
        if self.uncropped is not None:
            original = self.bases[False].network
            features = self.uncropped.features(original, self.rows)
            hits = {(): self._hits(original, features, all_rows)[self.tested], **hits}
        scores = {join_steps(steps): float(self.weights @ hits[steps]) for steps in hits}
        return network, best, self._reason(best, hits, scores), scores

    def _base(self, network):
        rest = self.cells.unlabelled
        unlabelled = self.cells.features(network, rest) if len(rest) else None
        return _Base(network, self.cells.features(network, self.rows), unlabelled)

    def _candidates(self):
        """Return the candidates without the step "network", those of few steps first."""
        candidates = []
        for statistics in self.bases:
            first = (*self.start, "statistics") if statistics else self.start
            candidates += [first, (*first, "output")]
            if len(self.cells.unlabelled):
                candidates += [(*first, "output", "self-training")]
        return sorted(candidates, key=len)

    def _fit(self, steps, train):
        """Return a new network after these steps, fitted to labelled cells `train`."""
        base = self.bases["statistics" in steps]
        network = copy.deepcopy(base.network)
        rows, codes = self.rows[train], self.codes[train]
        if "output" in steps:
            features = base.labelled[train]
            layer = refit_output_layer(network, features, codes)
            if "self-training" in steps:
                layer = self_train(network, layer, features, codes, base.unlabelled) or layer
            network.head[-1] = layer
        if "network" in steps:
            weights = balanced_weights(codes)
            if "self-training" in steps:
                chosen, found = choose_pseudo_labels(network.head[-1], base.unlabelled)
                rows = torch.cat([rows, self.cells.unlabelled[chosen.cpu()]])
                codes, weights = add_pseudo_labels(codes, found.cpu())
            fine_tune(network, self.cells, rows, codes, weights)
        return network

    def _validate(self, steps):
        """Return the share of correctly classified views of each tested cell when held out.

        The statistics are those of all cells, including those held out: they need no labels, and
        a few cells change them little.
        """
        base = self.bases["statistics" in steps]
        hits = torch.zeros(len(self.rows))
        for fold in self.folds[self.tested].unique():
            test = torch.nonzero(self.folds == fold).flatten()
            network = self._fit(steps, torch.nonzero(self.folds != fold).flatten())
            if "network" in steps:
                features = self.cells.features(network, self.rows[test])
            else:
                features = base.labelled[test]
            hits[test] = self._hits(network, features, test)
        return hits[self.tested]

    @torch.no_grad()
    def _hits(self, network, features, rows):
        """Return the share of correctly classified views of each labelled cell in `rows`."""
        found = network.head[-1](features).argmax(2).cpu()
        return (found == self.codes[rows][:, None]).float().mean(1)

    def _best(self, hits):
        """Return the best of the candidates that clearly beat the first one; it, if none does."""
        first = hits[self.start]
        better = [s for s in hits if is_clearly_better(hits[s], first, self.weights)]
        # Rounded, so that of equal ones the first is taken: that with fewest steps.
        return max(
            better, key=lambda s: round(float(self.weights @ hits[s]), 6), default=self.start
        )

    def _reason(self, best, hits, scores):
        first = "the model at its new crop" if self.start else "the unchanged model"
        if best != self.start:
            gain = scores[join_steps(best)] - scores[join_steps(self.start)]
            return f"a clear gain in cross-validation, {gain:+.3f} over {first}"
        if float(hits[self.start].min()) == 1:
            return f"{first} classifies all labelled cells correctly"
        return f"no candidate clearly beats {first}"


def assign_folds(codes):
    """Return the fold of each cell; -1 for the only cell of a class, which is never held out."""
    counts = torch.bincount(codes)
    n_folds = max(2, min(_N_FOLDS, int(counts.max())))
    folds = torch.full_like(codes, -1)
    n_assigned = 0
    for code in torch.nonzero(counts >= 2).flatten():
        rows = torch.nonzero(codes == code).flatten()
        rows = rows[torch.randperm(len(rows))]
        folds[rows] = (n_assigned + torch.arange(len(rows))) % n_folds
        n_assigned += len(rows)
    return folds


@dataclass
class State:
    """A network, and what its predictions for cells without labels look like.

    Attributes
    ----------
    network : CellNetwork
    features : torch.Tensor of shape (n, n_views, d)
        Inputs of the output layer.
    agreement : torch.Tensor of shape (n,)
        Share of the views of each cell that get the class with the highest mean probability.
    n_predicted : float
        Effective number of predicted classes: the exponential of the entropy of the mean
        prediction.
    confidence : float
        Mean probability of the predicted class.
    """

    network: object
    features: torch.Tensor
    agreement: torch.Tensor
    n_predicted: float
    confidence: float

    @classmethod
    @torch.no_grad()
    def of(cls, network, features):
        """Return the state of a network by the inputs of its output layer."""
        probabilities = network.head[-1](features).softmax(2)
        mean = probabilities.mean(1)
        agreement = (probabilities.argmax(2) == mean.argmax(1)[:, None]).float().mean(1)
        n_predicted = float(torch.special.entr(mean.mean(0)).sum().exp())
        return cls(network, features, agreement.cpu(), n_predicted, float(mean.amax(1).mean()))


def adapt_without_labels(network, cells, shares):
    """Return the adapted network, its steps, the reason and no scores.

    Parameters
    ----------
    network : CellNetwork
        Not changed.
    cells : TargetCells
    shares : torch.Tensor of shape (n_classes,)
        Share of each class in the training set.
    """
    n_cells = len(cells.unlabelled)
    if n_cells < _MIN_UNLABELLED:
        reason = f"{n_cells} cells without labels are too few; give {_MIN_UNLABELLED} or more"
        return network, (), reason, {}
    state = State.of(network, cells.features(network, cells.unlabelled))
    steps, notes = (), []
    for step in ("statistics", "self-training"):
        if step == "statistics":
            moved, refusal = _try_statistics(state, cells, shares)
        else:
            moved, refusal = _try_self_training(state)
        if refusal:
            notes.append(f"{step} refused: {refusal}")
        else:
            state, steps = moved, (*steps, step)
            notes.append(f"{step} taken: views agree in {float(state.agreement.mean()):.1%}")
    return state.network, steps, "; ".join(notes), {}


def _try_statistics(state, cells, shares):
    """Return the state with target statistics, and why it is refused or an empty string."""
    if not has_statistics(state.network):
        return None, "the network has no batch normalization"
    distance = distance_of_statistics(
        state.network, cells.prepare(state.network, sample_rows(cells))
    )
    network = with_target_statistics(state.network, cells, shares)
    moved = State.of(network, cells.features(network, cells.unlabelled))
    return moved, refuse_statistics(state, moved, distance)


def _try_self_training(state):
    """Return the state after self-training, and why it is refused or an empty string."""
    network = copy.deepcopy(state.network)
    no_codes = torch.zeros(0, dtype=torch.int64)
    layer = self_train(network, network.head[-1], state.features[:0], no_codes, state.features)
    if layer is None:
        return None, "no prediction is confident"
    network.head[-1] = layer
    moved = State.of(network, state.features)
    return moved, refuse_self_training(state, moved)


def refuse_statistics(before, after, distance):
    """Return why target statistics are refused, or an empty string.

    They lower the confidence in wrong predictions, but also in right ones. So they are refused if
    they lower it and the cells are near the training images.
    """
    if distance < _FAR and after.confidence <= before.confidence:
        return (
            f"the cells are only {distance:.2f} variances away from the training images, and the "
            f"mean confidence would be {after.confidence:.1%}, not {before.confidence:.1%}"
        )
    return _refuse_lost_classes(before, after)


def refuse_self_training(before, after):
    """Return why self-training is refused, or an empty string."""
    if after.confidence < MIN_CONFIDENCE:
        return f"the mean confidence would be {after.confidence:.1%}, below {MIN_CONFIDENCE:.0%}"
    weights = torch.full_like(before.agreement, 1 / len(before.agreement))
    if is_clearly_better(before.agreement, after.agreement, weights):
        old, new = (float(state.agreement.mean()) for state in (before, after))
        return f"views of a cell would agree in {new:.1%}, not {old:.1%}"
    return _refuse_lost_classes(before, after)


def _refuse_lost_classes(before, after):
    if after.n_predicted < (1 - _MAX_CLASS_LOSS) * before.n_predicted:
        return (
            f"predictions would spread over {after.n_predicted:.1f} classes, not "
            f"{before.n_predicted:.1f}"
        )
    return ""
