"""Draw the results of `benchmarks.transfer`: accuracy by number of training cells.

Run: ``python -m benchmarks._transfer_picture FILE``.
"""

import sys

from benchmarks._report import RESULTS, read_rows
from benchmarks.transfer import CELLS, ROWS
from skblood._plotting import COLORS, DASHES, MARKERS, STYLE, dress, import_pyplot


def draw(rows, file):
    """Write a picture of the medians, with bars from the least to the most of the seeds."""
    plt = import_pyplot("The picture")
    with plt.rc_context(STYLE):
        figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
        names = [name for name in ROWS if name in rows]
        for i, name in enumerate(names):
            figures = rows[name]["figures"]
            found = [(x, figures[f"accuracy_{n}"]) for x, n in enumerate(CELLS) if _has(figures, n)]
            x, scores = zip(*found, strict=True)
            middle = [score["median"] for score in scores]
            ends = [
                [m - score["min"] for m, score in zip(middle, scores, strict=True)],
                [score["max"] - m for m, score in zip(middle, scores, strict=True)],
            ]
            style = {"color": (*COLORS, "0.3")[i], "marker": (*MARKERS, "X")[i]}
            x = [each + 0.03 * (i - len(names) / 2) for each in x]
            dash = DASHES[i % len(DASHES)]
            ax.errorbar(x, middle, ends, label=ROWS[name][0].replace("`", ""), ls=dash, **style)
        counts = [f"{n} cells" if n != "all" else "all 10,766 cells" for n in CELLS]
        ax.set_xticks(range(len(CELLS)), counts)
        ax.set(ylabel="Accuracy on PBC test cells", xlabel="Training cells")
        ax.legend(loc="lower right")
        dress(ax)
        figure.savefig(file, dpi=150)


def _has(figures, n):
    return f"accuracy_{n}" in figures


if __name__ == "__main__":
    draw(read_rows(RESULTS / "transfer.json"), sys.argv[1])
