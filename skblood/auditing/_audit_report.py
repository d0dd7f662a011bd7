"""The report of an audit: printed, as a table, as a figure, or as an error."""

from __future__ import annotations

import os
from collections import Counter
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.utils import check_scalar

from skblood._deprecation import former_attribute
from skblood._plotting import draws, import_pyplot, read_some, show_cell, wrap
from skblood._typing import Figure, Ints, StrPath
from skblood._writing import printable
from skblood.images import EncodedImage
from skblood.pages import render, write

from ._audit_page import list_findings
from ._finding import COPIES, KINDS, Finding

# Size of a terminal, in characters.
_WIDTH, _HEIGHT = 80, 24
_COLUMNS = ["kind", "positions", "names", "labels", "splits", "similarity", "suggested", "detail"]
# Leaks that an error lists.
_MAX_LISTED = 10
# Findings of a kind that a notebook shows.
_IN_NOTEBOOK = 4
# Pairs in a row of a figure.
_PAIRS_PER_ROW = 4
_NAME_WIDTH = 28  # characters above an image


class AuditReport:
    """The findings of :func:`skblood.audit`; ``print`` gives a summary.

    Each finding has `kind`, `positions` (in X), `similarity` (of copies) and `detail`. Pairs of
    copies connect all copies of an image, but are not all of their pairs.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), or list of length n
        The images; :meth:`plot` reads those that it draws.
    findings : list of Finding
        All kinds but `crossing_split` and `contradictory_labels`, which are found among the copies.
    groups_ : ndarray of int of shape (n,)
        See below.
    y, split : list of length n, default=None
        As for :func:`skblood.audit`.

    Attributes
    ----------
    groups_ : ndarray of int of shape (n,)
        Equal for copies, copies of copies, and images of one group. For
        ``StratifiedGroupKFold`` or :func:`skblood.datasets.train_val_test_split`.
    findings : list of Finding
        All findings, copies as pairs.
    identical_files, identical_pixels, near_identical : list of Finding
        Pairs of copies: files of identical bytes; other images of identical pixels; images rotated,
        mirrored, cropped, blurred, compressed, resized, shifted or brightened.
    crossing_split, contradictory_labels : list of Finding
        Pairs of copies in two parts of the split, or with two labels.
    crossing_groups : list of Finding
        Groups in several parts of the split.
    training_overlap : list of Finding
        Training images of the pretrained model, :func:`skblood.load_pretrained`; ``print`` gives
        their number only, :meth:`to_frame` all of them.
    label_errors : list of Finding
        Images whose label is probably wrong, the most doubtful first, with the `suggested` class;
        if they were looked for (parameter `probabilities` of :func:`skblood.audit`).
    unreadable, blank, odd_size : list of Finding
        Images that cannot be read, are almost uniform, or differ in size from most.
    cell_size : list of Finding
        Parts whose cells are larger or smaller than those of the first part, and all images if
        their cells do not suit the size that a model expects. `positions` is empty.
    rare_classes, similar_labels : list of Finding
        Classes with fewer images than folds, and labels that differ only by case or spaces.

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
    1 other pair of identical images
      X[0] = X[39] (train, test)
    """

    crossing_split: list[Finding]
    crossing_groups: list[Finding]
    contradictory_labels: list[Finding]
    label_errors: list[Finding]
    unreadable: list[Finding]
    identical_files: list[Finding]
    identical_pixels: list[Finding]
    near_identical: list[Finding]
    training_overlap: list[Finding]
    blank: list[Finding]
    odd_size: list[Finding]
    cell_size: list[Finding]
    rare_classes: list[Finding]
    similar_labels: list[Finding]

    seen = former_attribute("seen", "training_overlap", since="0.1")

    def __init__(
        self,
        images: Any,
        findings: list[Finding],
        groups_: Ints,
        *,
        y: list[Any] | None = None,
        split: list[Any] | None = None,
    ) -> None:
        self.images, self.findings, self.groups_ = images, findings, groups_
        self.y, self.split = y, split
        for kind in KINDS:
            setattr(self, kind, [each for each in findings if each.kind == kind])
        pairs = [each for each in findings if each.kind in COPIES]
        self.crossing_split = [each for each in pairs if _differ(split, each)]
        self.contradictory_labels = [each for each in pairs if _differ(y, each)]
        pairs.sort(key=lambda pair: pair.similarity)  # type: ignore[return-value]
        self._copies = [*dict.fromkeys(self.crossing_split + self.contradictory_labels + pairs)]

    def __repr__(self) -> str:
        counts = {kind: len(getattr(self, kind)) for kind in KINDS}
        found = ", ".join(f"{kind}={n}" for kind, n in counts.items() if n)
        return f"AuditReport({found or 'nothing found'})"

    def __str__(self) -> str:
        found = {kind: getattr(self, kind) for kind in KINDS if getattr(self, kind)}
        lines = [_truncate(self._headline()), *filter(None, [self._say_nothing_found()])]
        # As many examples of each kind as fit on a screen.
        n_shown = (_HEIGHT - 1 - len(found)) // max(1, len(found))
        for kind, findings in found.items():
            lines.append(f"{len(findings):,} {KINDS[kind][len(findings) > 1]}")
            if kind == "training_overlap":  # often all images
                lines.append("  Scores of these models on them, fine-tuned or not, are too high.")
                continue
            lines += [_truncate(f"  {self._format_finding(each)}") for each in findings[:n_shown]]
            if len(findings) > n_shown:
                more = f", and {len(findings) - n_shown:,} more"
                lines[-1] = _truncate(lines[-1], _WIDTH - len(more)) + more
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return the findings with pictures, for a notebook."""
        return render("fragment.html", **self._page_context(_IN_NOTEBOOK))

    def to_html(
        self, path: StrPath | None = None, *, n_examples: int = 12, title: str = "Audit of images"
    ) -> str | Path:
        """Return or write the findings with pictures, as an HTML page in one file.

        Parameters
        ----------
        path : str or path-like, default=None
            File to write; an existing one is replaced. None writes nothing.
        n_examples : int, default=12
            Findings of each kind that are shown at most, at least 0. Their images are read again.
        title : str, default="Audit of images"
            Heading of the page.

        Returns
        -------
        page or path : str or pathlib.Path
            The page if `path` is None, else the path.

        Raises
        ------
        OSError
            If the file cannot be written, or an image cannot be read any more.
        """
        check_scalar(n_examples, "n_examples", Integral, min_val=0)
        return write(render("page.html", title=title, **self._page_context(n_examples)), path)

    def _page_context(self, n_examples):
        kinds = list_findings(self, self._format_finding, self._short_name, n_examples)
        texts = {"headline": self._headline(), "nothing": self._say_nothing_found()}
        return {"content": "_audit.html", "kinds": kinds, **texts}

    def _headline(self):
        """Return the number of images, in all and in each part."""
        parts = ", ".join(f"{n:,} {part}" for part, n in Counter(self.split or ()).items())
        return f"{len(self.groups_):,} images" + (f": {parts}" if parts else "")

    def _say_nothing_found(self):
        """Return what was looked for without finding any, or "" if there are findings."""
        if {each.kind for each in self.findings} - {"training_overlap"}:
            return ""
        checked = ["copies", "bad images"]
        checked += ["doubtful labels"] * (self.y is not None)
        checked += ["leaks"] * (self.split is not None)
        return f"No {', no '.join(checked)} found."

    def to_frame(self) -> pd.DataFrame:
        """Return the findings as a table.

        Returns
        -------
        pandas.DataFrame
            One row for each finding, the most serious kinds first, with the columns kind,
            positions, names (paths, or places in X), labels, splits, similarity, suggested (class)
            and detail. Copies that cross the split, or have two labels, are listed once, as copies.
        """
        ordered = sorted(self.findings, key=lambda each: list(KINDS).index(each.kind))
        frame = pd.DataFrame(map(vars, ordered), columns=_COLUMNS)
        frame["names"] = [tuple(map(self._name, each.positions)) for each in ordered]
        frame["labels"] = [_values(self.y, each) for each in ordered]
        frame["splits"] = [_values(self.split, each) for each in ordered]
        return frame

    def raise_if_leaky(self) -> None:
        """Raise an error if copies or groups cross the split.

        Raises
        ------
        ValueError
            If copies or groups cross the split; the first ten are listed. Also if the audit had no
            split.
        """
        if self.split is None:
            raise ValueError("The audit was made without a split. Call audit(X, y, split=...).")
        leaks = self.crossing_split + self.crossing_groups
        if leaks:
            examples = "\n  ".join(map(self._format_finding, leaks[:_MAX_LISTED]))
            n_pairs, n_groups = len(self.crossing_split), len(self.crossing_groups)
            raise ValueError(
                f"The split leaks: {n_pairs} pairs of copies and {n_groups} groups cross it. Split "
                f"again with groups=report.groups_. Examples:\n  {examples}"
            )

    @draws
    def plot(
        self, kind: str | None = None, *, n_pairs: int = 8, figure: Figure | None = None
    ) -> Figure:
        """Draw pairs of copies side by side, with names, labels and parts of the split.

        Parameters
        ----------
        kind : str, default=None
            "crossing_split", "contradictory_labels", "identical_files", "identical_pixels" or
            "near_identical". None takes all copies: first those that cross the split, then those
            with two labels, then the least similar.
        n_pairs : int, default=8
            Largest number of pairs.
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
            If there is no such pair, or `kind` or `n_pairs` is not as described.
        """
        plt = import_pyplot("AuditReport.plot")
        kinds = ("crossing_split", "contradictory_labels", *COPIES)
        if kind is not None and kind not in kinds:
            raise ValueError(f"`kind` must be None or one of {', '.join(kinds)}, not {kind!r}.")
        pairs = getattr(self, kind or "_copies")[:n_pairs]
        if not pairs:
            raise ValueError(f"There is no pair to draw with kind={kind!r} and n_pairs={n_pairs}.")
        n_columns = min(len(pairs), _PAIRS_PER_ROW)
        n_rows = -(-len(pairs) // n_columns)
        if figure is None:
            figure = plt.figure(figsize=(3.6 * n_columns, 2.3 * n_rows), layout="constrained")
        # After the two cells of each pair there is a gap.
        grid = figure.add_gridspec(n_rows, 3 * n_columns, width_ratios=[1, 1, 0.1] * n_columns)
        places = [divmod(2 * i + j, 2 * n_columns) for i in range(len(pairs)) for j in (0, 1)]
        axes = [
            figure.add_subplot(grid[row, 3 * (column // 2) + column % 2]) for row, column in places
        ]
        positions = [position for pair in pairs for position in pair.positions]
        cells = read_some(self.images, positions)
        for ax, position, cell in zip(axes, positions, cells, strict=True):
            show_cell(ax, cell)
            ax.set_axis_off()
            facts = [str(each[position]) for each in (self.y, self.split) if each is not None]
            lines = [self._short_name(position), ", ".join(facts)]
            ax.set_title("\n".join(wrap(line, _NAME_WIDTH, 3) for line in lines), fontsize=7)
        return figure

    def _name(self, position):
        item = self.images[position]
        is_file = isinstance(item, (str, os.PathLike, EncodedImage))
        return str(item) if is_file else f"X[{position}]"

    def _short_name(self, position):
        """Return the name of an image with its folder: numbers repeat from class to class."""
        return os.path.join(*Path(self._name(position)).parts[-2:])

    def _format_finding(self, finding):
        """Return a finding in one line: names, labels and parts of the split, or the detail."""
        names = [self._short_name(i) for i in finding.positions[:2]]
        if finding.kind not in COPIES:
            is_one = len(names) == 1 and finding.kind != "rare_classes"
            detail = f"{names[0]}: {finding.detail}" if is_one else finding.detail
            return printable(detail, keep="")
        sign = "~" if finding.kind == "near_identical" else "="
        labels = " / ".join(map(str, dict.fromkeys(_values(self.y, finding))))
        parts = ", ".join(map(str, _values(self.split, finding)))
        facts = "; ".join(filter(None, [labels, parts]))
        line = f"{names[0]} {sign} {names[1]}" + (f" ({facts})" if facts else "")
        return printable(line, keep="")


def _values(column, finding):
    """Return the entries of a column for the images of a finding."""
    return () if column is None else tuple(column[i] for i in finding.positions)


def _differ(column, finding):
    return len(set(_values(column, finding))) > 1


def _truncate(line, width=_WIDTH):
    return line if len(line) <= width else line[: width - 3] + "..."
