"""The page of results: each row's published number, ours, and what lies between them."""

import re
from itertools import groupby
from pathlib import Path

import numpy as np

from benchmarks._command import REPOSITORY
from benchmarks._report import origins, replace_text, table

from ._catalogue import OF_PAPERS, RECIPES, REFERENCES
from ._recipe import SCALES
from .comparisons import GROUP, PAIRS, differences

PAGE = REPOSITORY / "docs" / "papers.md"
_BEGIN, _END = "<!-- table: begin -->", "<!-- table: end -->"
_SHORT = {"accuracy": "accuracy", "f1_macro": "macro-F1"}
_PUBLISHED = _SHORT | {"precision": "precision", "recall": "recall", "f1": "F1"}


def render(results):
    """Return the tables of all results as Markdown."""
    found = {}
    for result in results:
        found.setdefault((result["name"], result["scale"]), {})[result["seed"]] = result
    lines = []
    for paper, recipes in groupby(OF_PAPERS.values(), key=lambda recipe: recipe.paper):
        lines += [f"### {paper}", "", *_paper(list(recipes), found), ""]
    lines += ["### Higher references of the field", "", "Not run here.", ""]
    lines += [*table(["system", "published", "measured on"], REFERENCES), ""]
    if compared := _comparisons(found):
        lines += [f"### {GROUP}", "", *compared, ""]
    lines += _provenance(results)
    return "\n".join(lines)


def _paper(recipes, found):
    header = ["system", "published", "ours", "setting", "difference"]
    rows = []
    for recipe in recipes:
        scale, runs = _largest(recipe, found)
        weights = _short_weights(runs)
        short = ", ".join(filter(None, [weights, recipe.short]))
        rows.append([recipe.system, _published(recipe), _scores(runs), _what(scale, runs), short])
    lines = [*table(header, rows), "", *_once(recipes, lambda r: [r.difference])]
    lines += _once(recipes, lambda r: [r.contradiction])
    lines += _once(recipes, lambda r: [r.display])
    lines += ["", "<details><summary>Names, sources and settings of the rows</summary>", ""]
    lines += [f"- `{recipe.name}`: {recipe.system}" for recipe in recipes]
    lines += _once(recipes, lambda r: _setting(r, found), lambda r: f"`{r.name}`")
    return [*lines, "", "</details>"]


def _largest(recipe, found):
    """Return the largest scale that was run, and its runs."""
    runs = {scale: list(found.get((recipe.name, scale), {}).values()) for scale in SCALES}
    return next(((scale, runs[scale]) for scale in reversed(SCALES) if runs[scale]), ("", []))


def _what(scale, runs):
    return f"{scale}, {len(runs)} seeds" if len(runs) > 1 else scale


def _short_weights(runs):
    """Say in a word which other network took the place of that of the paper."""
    used, _, instead_of = runs[0]["weights"].partition(" in place of ") if runs else ("", "", "")
    names = used.replace("ImageNet ", "").replace(" and a random ", " and ")
    return f"{names} for {instead_of}" if instead_of else ""


def _once(recipes, facts_of, name_of=lambda recipe: recipe.system):
    """Return a line for each different text, with the rows that it belongs to."""
    notes = {}
    for recipe in recipes:
        if text := " ".join(facts_of(recipe)):
            notes.setdefault(text, []).append(name_of(recipe))
    whole = list(map(name_of, recipes))
    return [
        f"- {note}" if names == whole else f"- {'; '.join(names)}: {note}"
        for note, names in notes.items()
    ]


def _setting(recipe, found):
    facts = [f"Published score: {recipe.place}.", f"Split: {recipe.split}."]
    facts += [f"Chosen by us: {recipe.assumed}."] if recipe.assumed else []
    facts += [f"Cut down: {cuts}." for cuts in _cuts(recipe, found)]
    scale, _ = _largest(recipe, found)
    runs = {each: found.get((recipe.name, each)) for each in SCALES if each != scale}
    return facts + [f"{k}: {_scores(list(v.values()))}." for k, v in runs.items() if v]


def _published(recipe):
    return ", ".join(f"{_PUBLISHED[k]} {100 * v:.5g}" for k, v in recipe.published.items()) or "-"


def _scores(runs):
    """Return accuracy and macro-F1 in percent: of one run with the interval, of several spread."""
    if not runs:
        return "not run"
    cells = []
    for key, name in _SHORT.items():
        each = [run["scores"]["scores"][key] for run in runs]
        values = [100 * score["value"] for score in each]
        if len(runs) == 1:
            low, high = 100 * each[0]["low"], 100 * each[0]["high"]
            cells.append(f"{name} {values[0]:.1f} [{low:.1f}, {high:.1f}]")
        else:
            cells.append(f"{name} {np.mean(values):.1f} ({min(values):.1f}..{max(values):.1f})")
    on_all = [
        run["scores_on_all"]["scores"]["accuracy"]["value"] for run in runs if run["scores_on_all"]
    ]
    if on_all:
        cells.append(f"accuracy on all images {100 * np.mean(on_all):.2f}")
    return ", ".join(cells)


def _runs(recipe, found):
    return [run for scale in SCALES for run in found.get((recipe.name, scale), {}).values()]


def _weights(recipe, found):
    used = dict.fromkeys(run["weights"] for run in _runs(recipe, found))
    return "; ".join(used) or ("pretrained, not run" if recipe.pretrained else "random")


def _cuts(recipe, found):
    return dict.fromkeys(run["cuts"] for run in _runs(recipe, found) if run["cuts"])


def _comparisons(found):
    lines = []
    for scale in SCALES:
        runs = {name: found[name, scale] for name in RECIPES if (name, scale) in found}
        runs = {name: each for name, each in runs.items() if name not in OF_PAPERS}
        if not runs:
            continue
        lines += [f"Scale: {scale}.", ""]
        rows = [
            [
                f"`{name}`",
                RECIPES[name].system,
                _scores(list(each.values())),
                str(len(each)),
                _weights(RECIPES[name], found),
                f"{_minutes(each):.1f}",
            ]
            for name, each in runs.items()
        ]
        lines += [*table(["row", "system", "ours", "seeds", "weights", "minutes to fit"], rows), ""]
        found_pairs = {
            (a, b): differences(runs[a], runs[b]) for a, b in PAIRS if a in runs and b in runs
        }
        rows = [
            [f"`{a}` - `{b}`", *map(_difference, scores.values())]
            for (a, b), scores in found_pairs.items()
            if scores
        ]
        lines += table(["difference, in percentage points", *_SHORT.values()], rows)
        lines += ["", "In brackets, the 95% interval over test images; then the seeds' spread.", ""]
    return lines[:-1]


def _difference(d):
    mean, low, high, least, most = (100 * d[k] for k in ("mean", "low", "high", "least", "most"))
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}], {least:+.2f}..{most:+.2f}, {d['n_seeds']} seeds"


def _minutes(runs):
    return np.mean([run["fit_seconds"] for run in runs.values()]) / 60


def _provenance(results):
    if not results:
        return ["Nothing was run yet."]
    sources = dict.fromkeys(
        "{source} ({} x {} px)".format(*r["data"]["image_shape"], source=r["data"]["source"])
        for r in results
    )
    return [
        f"Images: {', '.join(sources)}. PBC is that of Acevedo et al. 2020, Data in Brief "
        "30:105474, CC BY 4.0.",
        "",
        *origins({f"{r['name']}-{r['scale']}-seed{r['seed']}": r for r in results}),
    ]


def write_tables(results, folder, page=None):
    """Write the tables into ``papers.md`` in the folder of results, and into a page.

    Parameters
    ----------
    results : list of dict
    folder : path-like
    page : Path, default=None
        Has two marks, and the tables between them.

    Raises
    ------
    ValueError
        If the page has lost the marks between which the tables stand.
    """
    text = render(results)
    file = Path(folder) / "papers.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, f"# The systems of the papers\n\n{text}\n")
    if page is None:
        return file
    before = page.read_text("utf-8")
    if not re.search(f"{_BEGIN}.*{_END}", before, re.DOTALL):
        raise ValueError(f"{page.name} must hold {_BEGIN} and {_END}, in this order.")
    between = f"{_BEGIN}\n\n{text}\n\n{_END}"
    after = re.sub(f"{_BEGIN}.*{_END}", lambda _: between, before, flags=re.DOTALL)
    replace_text(page, after)
    return file
