"""Measure what cells of other laboratories bring to one that is left out.

    python -m benchmarks.leave_one_out [--only LABORATORY ...] [--model NAME] [--data FOLDER]

Heads are fitted to a frozen network: fine-tuned networks are compared by `benchmarks.next_lab`,
whose `--trained-on` names the laboratories of their training.
"""

import sys
from functools import cache, partial

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks._command import Benchmark, Row, run
from benchmarks._labs import SOURCES, load_model, read_laboratory
from benchmarks.query import LABS
from skblood import measured_crop, reconfigure

TEXT = """\
Balanced accuracy (mean recall of the classes that are there, the others ruled out) in a laboratory
that is left out of the training, by recipe: the model as it is; or a logistic regression on its
standardized inputs of the output layer, fitted to the validation cells of PBC (Acevedo et al. 2020,
Data in Brief 30:105474, CC BY 4.0; own split), to these and all cells of the three other
laboratories, or to the latter alone, which lack ig and erythroblast where `jhu` is left out, and
platelet where `bionet` is. Each class of each source counts alike. Laboratories are in the frame of
`measured_crop`."""


@cache
def read(name, model, data):
    """Return the inputs of the output layer, the probabilities and the labels of a laboratory."""
    model = load_model(model)
    place = name if name in LABS else f"{name}={data / '128px' / 'val'}"
    laboratory = read_laboratory(place, data.parent, model.classes_.tolist(), 250)
    if name in LABS:
        model = reconfigure(model, crop=measured_crop(model, laboratory.X))
    images = model.read_images(laboratory.X)
    inputs = model.predictor_.penultimate(images)
    return inputs, model.predict_proba(images), laboratory.y, model.classes_


def measure(name, options):
    """Return the balanced accuracy of each recipe in a laboratory."""
    of = partial(read, model=options.model, data=options.data.parent)
    inputs, proba, y, classes = of(name)
    others = [of(each) for each in LABS if each != name]
    recipes = {"home": [of("PBC")], "all": [of("PBC"), *others], "others": others}
    figures = {"model": _score(proba, classes, y)}
    for recipe, sources in recipes.items():
        head, scaler = fit_head(sources)
        scores = head.predict_proba(scaler.transform(inputs))
        figures[recipe] = _score(scores, head.classes_, y)
    return figures


def fit_head(sources):
    """Fit a head to cells of some sources, each class of each of which counts alike."""
    inputs = np.concatenate([each[0] for each in sources])
    y = np.concatenate([each[2] for each in sources])
    counts = [np.unique(each[2], return_inverse=True, return_counts=True)[1:] for each in sources]
    weights = np.concatenate([1 / count[codes] for codes, count in counts])
    scaler = StandardScaler().fit(inputs)
    head = LogisticRegression(C=0.01, max_iter=1000)
    return head.fit(scaler.transform(inputs), y, weights / weights.mean()), scaler


def _score(scores, classes, y):
    present = np.isin(classes, y)
    predicted = classes[np.where(present, scores, -np.inf).argmax(axis=1)]
    return float(np.mean([np.mean(predicted[y == label] == label) for label in np.unique(y)]))


BENCHMARK = Benchmark(
    name="leave_one_out",
    title="A laboratory left out",
    text=f"{TEXT}\n\n{SOURCES}",
    rows={name: Row(what, partial(measure, name), needs_data=True) for name, what in LABS.items()},
    columns={
        "model": ("the model", ".3f"),
        "home": ("head: PBC", ".3f"),
        "all": ("head: PBC and three others", ".3f"),
        "others": ("head: three others", ".3f"),
    },
    add_options=lambda parser: parser.add_argument("--model", default="pbc8"),
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
