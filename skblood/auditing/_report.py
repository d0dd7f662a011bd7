"""What the audit found, to be read, tabled, drawn, and to stop a run."""

import os

from skblood.auditing._finding import COPIES, KINDS
from skblood.auditing._plot import plot_pairs

# A screen.
_WIDTH, _HEIGHT = 80, 24
# Pairs that an error names.
_MAX_NAMED = 10


class AuditReport:
    """What :func:`skblood.audit` found; ``print`` it for a summary.

    Each finding has `kind`, `positions` (in X), `similarity` (of copies) and `detail`. Pairs of
    copies connect all copies of an image, but are not all of their pairs.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), or list of length n
        What was looked at; :meth:`plot` reads the pairs from it.
    findings : list of Finding
        Of all kinds, without the pairs that are found among the copies.
    groups_ : ndarray of int of shape (n,)
        As below.
    y, split, groups : list of length n, default=None
        As :func:`skblood.audit` takes them.

    Attributes
    ----------
    groups_ : ndarray of int of shape (n,)
        The same for copies, copies of copies, and images of the same group: to be given to
        ``StratifiedGroupKFold`` or :func:`skblood.datasets.train_val_test_split`.
    findings : list of Finding
        All, each once, copies as pairs.
    identical_files, identical_pixels, near_identical : list of Finding
        Pairs of copies: byte for byte; of the same pixels otherwise; turned, mirrored, compressed,
        resized, shifted or brighter.
    crossing_split, contradictory_labels : list of Finding
        Those pairs of copies that are in two parts of the split, or have two labels.
    crossing_groups : list of Finding
        Groups in two parts of the split.
    seen : list of Finding
        Images that the ready model, `skblood.load_pretrained`, was trained on.
    unreadable, blank, odd_size : list of Finding
        Images that cannot be read, show hardly anything, or have another size than most.
    rare_classes, similar_labels : list of Finding
        Classes with fewer images than folds, and labels that differ only by case or blanks.

    Examples
    --------
    >>> import skblood
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(40, image_size=48, random_state=0)
    >>> X[39] = X[0]
    >>> print(skblood.audit(X, split=["train"] * 30 + ["test"] * 10))
    40 images: 30 train, 10 test
    1 pair of copies crosses the split
      X[0] = X[39] (train, test)
    1 pair of other files or arrays with identical pixels
      X[0] = X[39] (train, test)
    """

    def __init__(self, images, findings, groups_, *, y=None, split=None, groups=None):
        self.images, self.findings, self.groups_ = images, findings, groups_
        self.y, self.split, self.groups = y, split, groups
        for kind in KINDS:
            setattr(self, kind, [each for each in findings if each.kind == kind])
        pairs = [each for each in findings if each.kind in COPIES]
        self.crossing_split = [each for each in pairs if _differ(split, each)]
        self.contradictory_labels = [each for each in pairs if _differ(y, each)]

    def __repr__(self):
        counts = ", ".join(f"{kind}={len(getattr(self, kind))}" for kind in self._found())
        return f"AuditReport({counts or 'nothing found'})"

    def __str__(self):
        found = self._found()
        lines = [_cut(f"{len(self.groups_):,} images{self._parts()}")]
        if not found:
            return f"{lines[0]}\nNothing found."
        # As many examples of each kind as fit on a screen.
        room = (_HEIGHT - 1 - len(found)) // len(found)
        for kind in found:
            findings = getattr(self, kind)
            lines.append(f"{len(findings):,} {KINDS[kind][len(findings) > 1]}")
            lines += [_cut(f"  {self._describe(each)}") for each in findings[:room]]
            if len(findings) > room:
                more = f", and {len(findings) - room:,} more"
                lines[-1] = _cut(lines[-1], _WIDTH - len(more)) + more
        return "\n".join(lines)

    def to_frame(self):
        """Return a table of the findings.

        Returns
        -------
        pandas.DataFrame
            One row for each finding, the most serious kinds first, with the columns kind,
            positions, names (paths, or places in X), labels, splits, similarity and detail. Copies
            that cross the split, or have two labels, are in it once, as copies.
        """
        import pandas as pd

        order = list(KINDS)
        rows = [
            {
                "kind": each.kind,
                "positions": each.positions,
                "names": tuple(map(self._name, each.positions)),
                "labels": _pick(self.y, each),
                "splits": _pick(self.split, each),
                "similarity": each.similarity,
                "detail": each.detail,
            }
            for each in sorted(self.findings, key=lambda each: order.index(each.kind))
        ]
        columns = ["kind", "positions", "names", "labels", "splits", "similarity", "detail"]
        return pd.DataFrame(rows, columns=columns)

    def raise_if_leaky(self):
        """Raise an error if copies, or groups, cross the split.

        Raises
        ------
        ValueError
            If there are such; it names them. Also if the audit was not given a split.
        """
        if self.split is None:
            raise ValueError("The audit knows no split: call audit(X, y, split=...).")
        leaks = self.crossing_split + self.crossing_groups
        if leaks:
            named = "\n".join(f"  {self._describe(each)}" for each in leaks[:_MAX_NAMED])
            more = f"\n  ... and {len(leaks) - _MAX_NAMED} more" if len(leaks) > _MAX_NAMED else ""
            raise ValueError(
                f"The split leaks: {len(self.crossing_split)} pairs of copies and "
                f"{len(self.crossing_groups)} groups cross it:\n{named}{more}\n"
                "Split anew, with groups=report.groups_, or leave one of each pair out."
            )

    def plot(self, kind=None, *, n_pairs=8, figure=None):
        """Show pairs of copies side by side, with names, labels and parts of the split.

        Parameters
        ----------
        kind : str, default=None
            "crossing_split", "contradictory_labels", "identical_files", "identical_pixels" or
            "near_identical". None takes all copies, those that cross the split first, then those
            with two labels, then the least similar.
        n_pairs : int, default=8
            Pairs to show at most.
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        figure : matplotlib Figure or SubFigure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no such pair, or `kind` or `n_pairs` is none of these.
        """
        kinds = ("crossing_split", "contradictory_labels", *COPIES)
        if kind is not None and kind not in kinds:
            raise ValueError(f"`kind` must be None or one of {', '.join(kinds)}, not {kind!r}.")
        if n_pairs < 1:
            raise ValueError(f"`n_pairs` must be at least 1, got {n_pairs}.")
        pairs = [each for each in self.findings if each.kind in COPIES]
        pairs.sort(key=lambda e: (not _differ(self.split, e), not _differ(self.y, e), e.similarity))
        pairs = pairs if kind is None else getattr(self, kind)
        if not pairs:
            raise ValueError(f"There is no pair to draw: the audit found no {kind or 'copies'}.")
        shown = [each.positions for each in pairs[:n_pairs]]
        return plot_pairs(self.images, shown, self._caption, figure)

    def _found(self):
        return [kind for kind in KINDS if getattr(self, kind)]

    def _parts(self):
        if self.split is None:
            return ""
        counts = {part: self.split.count(part) for part in dict.fromkeys(self.split)}
        return ": " + ", ".join(f"{count:,} {part}" for part, count in counts.items())

    def _name(self, position):
        item = self.images[position]
        return os.fspath(item) if isinstance(item, (str, os.PathLike)) else f"X[{position}]"

    def _caption(self, position):
        about = [str(c[position]) for c in (self.y, self.split) if c is not None]
        return "\n".join([os.path.basename(self._name(position)), ", ".join(about)])

    def _describe(self, finding):
        """Return a finding in a line: who, and what about them."""
        names = [os.path.basename(self._name(i)) for i in finding.positions[:2]]
        if finding.kind not in COPIES:
            is_one = len(finding.positions) == 1
            return f"{names[0]}: {finding.detail}" if is_one else finding.detail
        sign = "~" if finding.kind == "near_identical" else "="
        about = [" / ".join(map(str, dict.fromkeys(_pick(self.y, finding))))]
        about.append(", ".join(map(str, _pick(self.split, finding))))
        about = "; ".join(filter(None, about))
        return f"{names[0]} {sign} {names[1]}" + (f" ({about})" if about else "")


def _pick(column, finding):
    return () if column is None else tuple(column[i] for i in finding.positions)


def _differ(column, finding):
    return len(set(_pick(column, finding))) > 1


def _cut(line, width=_WIDTH):
    return line if len(line) <= width else line[: width - 3] + "..."
