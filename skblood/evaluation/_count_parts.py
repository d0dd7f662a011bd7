"""Parts and sums of differential counts: some classes or slides, white cells, patients."""

from dataclasses import replace

import numpy as np

from skblood._labels import encode_groups
from skblood.evaluation._cell_types import order_classes


def select(count, rows, columns):
    """Return a count with these slides and classes, in this order, with the same shares."""
    grid = np.ix_(rows, columns)
    names = ("counts", "shares", "low", "high", "reviewed")
    confusion, classes = count.confusion, [count.classes[j] for j in columns]
    return replace(
        count,
        classes=classes,
        groups=[count.groups[i] for i in rows],
        n_rejected=count.n_rejected[list(rows)],
        absent_classes=[label for label in count.absent_classes if label in classes],
        confusion=None if confusion is None else confusion[np.ix_(columns, columns)],
        patients=None if count.patients is None else [count.patients[i] for i in rows],
        **{name: getattr(count, name)[grid] for name in names},
    )


def take_white(count):
    """Return the classes of white cells in clinical order, with shares among the white cells."""
    columns = order_classes(count.classes, True)
    part = select(count, range(len(count.groups)), columns)
    if len(columns) in (0, len(count.classes)):
        return part
    if not count.corrected:
        return part.as_counted
    totals = part.shares.sum(axis=1, keepdims=True)
    totals = np.where(totals > 0, totals, np.nan)
    values = {name: getattr(part, name) / totals for name in ("shares", "low", "high")}
    return replace(part, **{name: np.minimum(each, 1) for name, each in values.items()})


def add_patients(count):
    """Return the count of each patient: the sum of its slides."""
    if count.patients is None:
        raise ValueError("There are no patients. Give `patients`, the patient of each slide.")
    names, codes = encode_groups(count.patients, len(count.groups), "patients")
    sums = {}
    for name in ("counts", "n_rejected", "reviewed"):
        values = getattr(count, name)
        sums[name] = np.zeros((len(names), *values.shape[1:]), int)
        np.add.at(sums[name], codes, values)
    kept = ("classes", "confidence_level", "confusion", "rules", "note")
    settings = {name: getattr(count, name) for name in kept}
    return count.from_counts(**sums, **settings, groups=names, patients=names)
