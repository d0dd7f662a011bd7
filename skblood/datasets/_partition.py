"""Which part each group of images goes to, such that each part has its share of each class.

Groups of two or more images come first: dealt out greedily, then improved by moving one group or
exchanging two. Single images come last, and fill up what the groups have left open.
"""

import numpy as np

PARTS = ("train", "val", "test")

# Groups among which all exchanges are tried, from several starts; among more, moves are enough.
_FEW = 100
_N_STARTS = 10


def partition(codes, groups, shares, rng):
    """Return the part of each image.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Classes, 0 .. n_classes - 1.
    groups : ndarray of int of shape (n,)
        Groups, 0 .. n_groups - 1.
    shares : ndarray of shape (n_parts,)
        Shares of the parts, which sum to 1.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int of shape (n,)
        A class may be missing from a part, if no partition was found in which it is not.
    """
    is_single = (np.bincount(groups) == 1)[groups]
    part = np.empty(len(codes), dtype=int)
    placed = np.zeros((len(shares), codes.max() + 1))
    singles = np.bincount(codes[is_single], minlength=placed.shape[1])
    if not is_single.all():
        compact = np.unique(groups[~is_single], return_inverse=True)[1]
        counts = np.zeros((compact.max() + 1, placed.shape[1]))
        np.add.at(counts, (compact, codes[~is_single]), 1)
        part_of_group = _Placement(counts, shares, singles).search(rng)
        part[~is_single] = part_of_group[compact]
        np.add.at(placed, part_of_group, counts)
    carry = np.zeros(len(shares))
    for code in np.flatnonzero(singles):
        open_ = np.maximum(shares * (singles[code] + placed[:, code].sum()) - placed[:, code], 0)
        ideal = open_ * (singles[code] / open_.sum()) + carry
        quota = _round(ideal, singles[code], placed[:, code] == 0)
        carry = ideal - quota  # so that the parts' sizes come out right as well
        rows = np.flatnonzero(is_single & (codes == code))
        part[rng.permutation(rows)] = np.repeat(np.arange(len(shares)), quota)
    return part


def _round(ideal, total, is_empty):
    """Round to integers with the given sum; an empty part gets one at least, if that can be."""
    least = is_empty if is_empty.sum() <= total else np.zeros_like(is_empty)
    quota = np.maximum(np.floor(ideal), least).astype(int)
    while quota.sum() < total:
        quota[np.argmax(ideal - quota)] += 1
    while quota.sum() > total:
        quota[np.argmin(np.where(quota > least, ideal - quota, np.inf))] -= 1
    return quota


class _Placement:
    """The search for a good part of each group.

    Parameters
    ----------
    counts : ndarray of shape (n_groups, n_classes)
        Images of each class in each group.
    shares : ndarray of shape (n_parts,)
    singles : ndarray of shape (n_classes,)
        Images of each class that follow; each can give a part a class that it lacks.
    """

    def __init__(self, counts, shares, singles):
        self.counts, self.shares, self.singles = counts, shares, singles
        self.targets = np.outer(shares, counts.sum(0))
        self.weights = 1 / np.maximum(self.targets, 1)
        self.missing_weight = 10 * counts.sum()  # above the cost of any sizes

    def search(self, rng):
        """Return the best partition of some starts."""
        n = len(self.counts)
        found = []
        for start in range(_N_STARTS if n <= _FEW else 1):
            order = rng.permutation(n)
            if start == 0:  # the largest first, so that small ones can even out
                order = order[np.argsort(-self.counts[order].sum(1), kind="stable")]
            found.append(self._improve(self._deal(order)))
        return min(found, key=self._cost)

    def _placed(self, part):
        placed = np.zeros_like(self.targets)
        np.add.at(placed, part, self.counts)
        return placed

    def _cost(self, part):
        placed = self._placed(part)
        missing = np.maximum((placed == 0).sum(0) - self.singles, 0).sum()
        return (self.weights * (placed - self.targets) ** 2).sum() + self.missing_weight * missing

    def _deal(self, order):
        """Give one group after the other to the part that it suits best."""
        part = np.empty(len(order), dtype=int)
        excess = -self.targets
        for group in order:
            counts = self.counts[group]
            part[group] = np.argmin((self.weights * counts * (2 * excess + counts)).sum(1))
            excess[part[group]] += counts
        return part

    def _improve(self, part):
        """Move and exchange groups, the best change first, until none makes it better."""
        while True:
            group, other, target = self._changes(part)
            gain = self._gains(part[group], target, self._carried(group, other), part)
            best = np.argmax(gain)
            if gain[best] <= 1e-9:
                return part
            if other[best] >= 0:
                part[other[best]] = part[group[best]]
            part[group[best]] = target[best]

    def _changes(self, part):
        """List a group, the group that it is exchanged for (-1: none), and its new part."""
        n, n_parts = len(part), len(self.shares)
        group, target = (each.ravel() for each in np.indices((n, n_parts)))
        other = np.full(len(group), -1)
        if n <= _FEW:
            first, second = np.triu_indices(n, 1)
            group, other = np.append(group, first), np.append(other, second)
            target = np.append(target, part[second])
        changes = target != part[group]
        return group[changes], other[changes], target[changes]

    def _carried(self, group, other):
        """Return the images, by class, that a change takes to the new part."""
        return self.counts[group] - np.where(other[:, np.newaxis] >= 0, self.counts[other], 0)

    def _gains(self, source, target, carried, part):
        """Return by how much each change lowers the cost."""
        placed = self._placed(part)
        excess = placed - self.targets
        empty = (placed == 0).astype(int)
        now_empty = empty.sum(0) - empty[source] - empty[target]
        now_empty += (placed[source] == carried).astype(int) + (placed[target] == -carried)
        missing = np.maximum(now_empty - self.singles, 0).sum(1)
        missing_before = np.maximum(empty.sum(0) - self.singles, 0).sum()
        change = self.weights[source] * carried * (carried - 2 * excess[source])
        change += self.weights[target] * carried * (carried + 2 * excess[target])
        return self.missing_weight * (missing_before - missing) - change.sum(1)
