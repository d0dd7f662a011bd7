"""The picture of all laboratories: what putting cells aside and labelling cells bring."""

from benchmarks.next_lab._figures import CURVE, LABELLED

COLORS = {"zero-shot": "C0", "unlabelled": "C1", "10 labelled": "C2"}
_LABELLED_COLORS = {"": "C2", ", rest unlabelled": "C3"}
_STYLES = {"model": "-", "plain": ":"}
_ROW, _WIDTH = 2.6, 9  # inches
_SHARES = (0, 1.03)  # one scale: so that laboratories can be compared
_FIGURE = "balanced_accuracy_often"


def draw_picture(results, path):
    """Draw a row for each laboratory, and write the picture.

    Parameters
    ----------
    results : dict of str to dict
        As they are stored.
    path : path-like

    Returns
    -------
    figure : matplotlib Figure
        None where there is no laboratory but home, and nothing is written.
    """
    from matplotlib.figure import Figure

    laboratories = {name: each["figures"] for name, each in results.items() if name != "home"}
    if not laboratories:
        return None
    figure = Figure(figsize=(_WIDTH, _ROW * len(laboratories) + 0.4), layout="constrained")
    axes = figure.subplots(len(laboratories), 2, squeeze=False)
    for (left, right), (name, groups) in zip(axes, laboratories.items(), strict=True):
        for group, states in groups.items():
            _draw_curves(left, group, states)
            _draw_labelled(right, group, states)
        left.set(title=name, ylabel="accuracy", xlim=(1, 0), ylim=_SHARES)
        right.set(title=name, ylabel="balanced accuracy", ylim=_SHARES)
        right.set_xticks(range(len(LABELLED) + 1), [0, *LABELLED])
    axes[-1, 0].set_xlabel("share of the cells that is kept, the surest")
    axes[-1, 1].set_xlabel("labelled cells a class (band: draws)")
    for ax in axes[0]:
        ax.legend(fontsize="x-small", loc="lower right")
    figure.savefig(path, dpi=100)
    return figure


def _draw_curves(ax, group, states):
    for state, color in COLORS.items():
        if state in states:
            label = f"{group}, {state}"
            ax.plot(CURVE, states[state]["curve"], _STYLES[group], color=color, label=label)


def _draw_labelled(ax, group, states):
    for beside, color in _LABELLED_COLORS.items():
        named = ["zero-shot", *(f"{k} labelled{beside}" for k in LABELLED)]
        there = [(x, states[s]) for x, s in enumerate(named) if _FIGURE in states.get(s, {})]
        # None without 20 cells of a class; zero-shot alone where no cell is labelled.
        if len(there) < (2 if beside else 1):
            continue
        x = [each for each, _ in there]
        spreads = [figures["spread"] for _, figures in there]
        values, lows, highs = ([each[end] for each in spreads] for end in ("value", "low", "high"))
        label = f"{group}, labelled{beside}"
        ax.plot(x, values, _STYLES[group], marker="o", color=color, label=label)
        ax.fill_between(x, lows, highs, color=color, alpha=0.15, linewidth=0)
    if _FIGURE in states["unlabelled"]:
        unlabelled = states["unlabelled"][_FIGURE]["value"]
        color = COLORS["unlabelled"]
        ax.axhline(unlabelled, linestyle=_STYLES[group], color=color, label=f"{group}, unlabelled")
