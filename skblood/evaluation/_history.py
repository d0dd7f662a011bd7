"""Learning curves of a fitted classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Self

import numpy as np
import pandas as pd

from skblood._plotting import (
    COLORS,
    DASHES,
    MARKERS,
    REFERENCE,
    add_legend,
    count_axis,
    draws,
    dress,
    import_pyplot,
    wrap,
)
from skblood._typing import Axes, Classifier

# Losses and scores, without the entries that skorch adds to the history.
_FIGURES = r"^(?:train|valid)_(?!.*(?:_best|batch_count)$)"


class HistoryDisplay:
    """Losses and scores by epoch of training.

    Use :meth:`from_estimator` to create a display.

    Parameters
    ----------
    epochs : array-like of int of shape (n_epochs,)
        Epochs, counted from 1.
    train_loss : array-like of float of shape (n_epochs,)
        Mean loss on the training images.
    valid_loss : array-like of float of shape (n_epochs,), default=None
        Mean loss on the validation images, if there were any.
    scores : dict of str to array-like of shape (n_epochs,), default=None
        Scores by name, such as ``{"valid_f1_macro": [...]}``.
    best_epoch : int, default=None
        Epoch whose weights were kept; it is marked.
    phases : array-like of str of shape (n_epochs,), default=None
        Phase of training of each epoch, if there are several. Each has lines of its own, and a
        panel for its losses, which differ in kind.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure, after :meth:`plot`.
    axes_ : ndarray of matplotlib Axes of shape (n_panels,)
        Axes of the losses, one for each phase unless `ax` was given, and, if there are scores, of
        the scores.

    See Also
    --------
    CellGridDisplay : Cells with their true and predicted labels.

    Examples
    --------
    >>> from skblood.evaluation import HistoryDisplay
    >>> display = HistoryDisplay(
    ...     [1, 2, 3], [2.0, 1.1, 0.7], valid_loss=[1.8, 1.2, 1.3], best_epoch=2
    ... ).plot()
    >>> display.axes_[0].get_ylabel()
    'loss'
    """

    def __init__(
        self,
        epochs: Any,
        train_loss: Any,
        *,
        valid_loss: Any = None,
        scores: Mapping[str, Any] | None = None,
        best_epoch: int | None = None,
        phases: Any = None,
    ) -> None:
        self.epochs = epochs
        self.train_loss = train_loss
        self.valid_loss = valid_loss
        self.scores = scores
        self.best_epoch = best_epoch
        self.phases = phases

    @classmethod
    def from_estimator(
        cls, estimator: Classifier, *, ax: Axes | Sequence[Axes] | None = None
    ) -> Self:
        """Plot the learning curves of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier of skblood
            Has the attribute ``history_``. For a search give ``search.best_estimator_``, for a
            Pipeline its last step, ``pipeline[-1]``.
        ax : matplotlib Axes or sequence of two, default=None
            Axes for the losses of all phases and for the scores. A single one shows the losses
            only; None creates a figure.

        Returns
        -------
        display : HistoryDisplay
            The display, plotted.

        Raises
        ------
        TypeError
            If `estimator` has no ``history_``.
        """
        history = getattr(estimator, "history_", None)
        if history is None:
            raise TypeError(
                f"{type(estimator).__name__} has no `history_`. Give a fitted classifier of "
                "skblood: of a search its `best_estimator_`, of a Pipeline its last step."
            )
        # Without early stopping the last epoch is kept, which need not be the best.
        stopped_early = estimator.fit_settings_["early_stopping"] != "False"
        # Epochs without an entry, e.g. without validation, get NaN.
        table = pd.DataFrame(list(history))
        figures = table.filter(regex=_FIGURES).sort_index(axis=1).astype(float)
        figures = {name: column.to_numpy() for name, column in figures.items()}
        return cls(
            table["epoch"].to_numpy(),
            figures.pop("train_loss"),
            valid_loss=figures.pop("valid_loss", None),
            scores=figures,
            best_epoch=estimator.best_epoch_ if stopped_early else None,
            phases=table["phase"].fillna("other").to_numpy() if "phase" in table else None,
        ).plot(ax=ax)

    @draws
    def plot(self, *, ax: Axes | Sequence[Axes] | None = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two, default=None
            Axes for the losses of all phases and for the scores. A single one shows the losses
            only; None creates a figure.

        Returns
        -------
        display : HistoryDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot("HistoryDisplay")
        phases = [""] if self.phases is None else list(dict.fromkeys(self.phases))
        losses = {"train_loss": self.train_loss, "valid_loss": self.valid_loss}
        of_losses = [phases] if ax is not None else [[phase] for phase in phases]
        panels = [("loss", losses, some) for some in of_losses]
        if self.scores:
            panels.append(("score", self.scores, phases))
        if ax is None:
            size = 5 * len(panels), 3.8
            _, ax = plt.subplots(1, len(panels), figsize=size, layout="constrained")
        self.axes_ = np.ravel(ax)
        self.figure_ = self.axes_[0].figure
        for axis, panel in zip(self.axes_, panels, strict=False):
            self._draw(axis, *panel)
        return self

    def _draw(self, ax, ylabel, curves, phases):
        epochs = np.asarray(self.epochs)
        of_epochs = np.asarray(self.phases if self.phases is not None else [""] * len(epochs))
        scores = list(dict.fromkeys(name.partition("_")[2] for name in curves))
        for phase, line in zip(phases, cycle(DASHES), strict=False):
            for name, values in curves.items():
                values = np.where(of_epochs == phase, np.asarray(values, float), np.nan)
                if not np.isnan(values).all():
                    where, _, what = name.partition("_")
                    label = f"{what} ({where})" + (f", {phase}" if phase else "")
                    place = (2 * scores.index(what) + (where == "valid")) % len(COLORS)
                    style = {"color": COLORS[place], "marker": MARKERS[place], "markersize": 3}
                    ax.plot(epochs, values, linestyle=line, label=wrap(label, 40), **style)
        if self.best_epoch in epochs[np.isin(of_epochs, phases)]:
            label = f"best epoch ({self.best_epoch})"
            ax.axvline(self.best_epoch, label=label, **REFERENCE)
        count_axis(ax.xaxis)
        ax.set(xlabel="epoch", ylabel=ylabel)
        dress(ax)
        add_legend(ax, title=phases[0] if len(phases) == 1 else "")
