"""What comes of odd input: each public estimator, and the audit, on what hypothesis draws."""

import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
    audit,
)
from tests.robustness._odd_images import odd_images
from tests.robustness._odd_labels import N, odd_labels
from tests.robustness._odd_tables import odd_sources, outcome_of_source
from tests.robustness._outcome import (
    ANSWER,
    check_features,
    check_probabilities,
    judge,
)

_TINY = {"max_epochs": 1, "random_state": 0, "device": "cpu"}
MODELS = {
    "mlp": lambda: MLPCellClassifier((8,), **_TINY),
    "transfer": lambda: TransferCellClassifier("cellnet_t", hidden_layer_sizes=(8,), **_TINY),
    "hybrid": lambda: HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"), hidden_layer_sizes=(8,), refine_epochs=0, **_TINY
    ),
    "contrastive": lambda: ContrastiveCellClassifier(
        "cellnet_t", projection_dim=8, pretrain_epochs=1, **_TINY
    ),
    "embedder": lambda: CellEmbedder("cellnet_t", random_state=0, device="cpu"),
}
SHAPE = (16, 16, 3)


@dataclass
class Tally:
    """What came of many calls.

    Attributes
    ----------
    counts : Counter of str
        Outcomes by kind.
    defects : list of str
        What was not allowed, in words.
    """

    counts: Counter = field(default_factory=Counter)
    defects: list = field(default_factory=list)

    def add(self, outcome):
        """Count an outcome."""
        self.counts[outcome.kind] += 1
        if not outcome.is_allowed:
            self.defects.append(f"{outcome.kind}: {outcome.detail}")

    def add_all(self, other):
        """Add another tally to this one."""
        self.counts += other.counts
        self.defects += other.defects


def cells():
    """Return 12 images of noise and labels of two classes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, *SHAPE)).astype(np.uint8), ["a", "b"] * (N // 2)


def fitted(name):
    """Return a model that was fitted on images of `SHAPE`."""
    return MODELS[name]().fit(*cells())


def outcomes_of_images(name, model, case):
    """Fit a model on a case, apply it to the same, and apply a fitted one to the case.

    Parameters
    ----------
    name : str
        Of `MODELS`.
    model : object
        What :func:`fitted` returns.
    case : Case

    Returns
    -------
    outcomes : list of Outcome
    """
    is_embedder = name == "embedder"
    fresh, y = MODELS[name](), (["a", "b"] * case.n)[: case.n or 6]
    verdict = case.verdict_of(features=name == "mlp", n_least=1 if is_embedder else 2)
    what, given_ = f"{name}, {case.what}", (case.value,)
    fit = judge(lambda: fresh.fit(case.value, y), f"fit {what}", verdict, given=given_)
    outcomes = [fit]
    if fit.kind == ANSWER:
        outcomes.append(_apply(fresh, case, len(y), f"predict {what}", "good"))
    verdict = case.verdict_to_predict(SHAPE)
    outcomes.append(_apply(model, case, case.n or None, f"predict others {what}", verdict))
    return outcomes


def _apply(model, case, n, what, verdict):
    if hasattr(model, "transform"):
        call, check = model.transform, check_features
    else:
        call, check = model.predict_proba, lambda n: check_probabilities(n, 2)
    check = None if n is None else check(n)
    return judge(lambda: call(case.value), what, verdict, check, given=(case.value,))


def outcome_of_labels(name, arguments, partial):
    """Fit a model on right images and odd labels, weights or validation images."""
    X, _ = cells()
    model = MODELS[name]()
    fit = model.partial_fit if partial else model.fit
    n_classes = arguments.n_classes

    def call():
        fit(X, **arguments.values)
        return model.predict_proba(X)

    check = check_probabilities(N, n_classes) if n_classes else None
    what = f"{'partial_fit' if partial else 'fit'} {name}, {arguments.what}"
    return judge(call, what, arguments.verdict, check, given=tuple(arguments.values.values()))


def outcome_of_audit(case):
    """Audit a case; images of any sizes may be audited, and a few that cannot be read."""
    call = partial(_audit, case.value)
    return judge(call, f"audit {case.what}", check=_check_report, given=(case.value,))


def outcome_of_audit_of(column, arguments):
    """Audit right images with odd labels, splits or groups."""
    y = arguments.values["y"]
    call = partial(_audit, cells()[0], **{column: y})
    return judge(call, f"audit, {column} as {arguments.what}", check=_check_report, given=(y,))


def _audit(X, **columns):
    report = audit(X, **columns)
    return report, str(report)


def _check_report(answer):
    report, text = answer
    return None if len(report.groups_) and text else "an empty report"


def tally(function, strategy, n, seed_):
    """Call a function, which returns outcomes, on n draws of a strategy.

    Parameters
    ----------
    function : callable
    strategy : hypothesis.strategies.SearchStrategy
    n : int
    seed_ : int

    Returns
    -------
    tally : Tally
    """
    found = Tally()

    @seed(seed_)
    @settings(
        max_examples=n,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(drawn):
        for outcome in function(drawn):
            found.add(outcome)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of leaks, copies, odd tensors: no part of the question
        run()
    return found


def tally_of_model(name, n, seed_):
    """Return the tally of a model: n draws of X, and half as many of labels, if it takes any."""
    model = fitted(name)
    n_labels = 0 if name == "embedder" else n // 2
    images = tally(lambda case: outcomes_of_images(name, model, case), odd_images(), n, seed_)
    if n_labels:
        ways = [False, True] if hasattr(model, "partial_fit") else [False]
        drawn = st.sampled_from(ways).flatmap(lambda p: st.tuples(st.just(p), odd_labels(p)))
        labels = tally(lambda d: [outcome_of_labels(name, d[1], d[0])], drawn, n_labels, seed_)
        images.add_all(labels)
    return images


def tally_of_audit(n, seed_):
    """Return the tally of the audit: n draws of X, and half as many of labels or groups."""
    images = tally(lambda case: [outcome_of_audit(case)], odd_images(), n, seed_)
    drawn = st.tuples(st.sampled_from(["y", "split", "groups"]), odd_labels())
    images.add_all(tally(lambda d: [outcome_of_audit_of(*d)], drawn, n // 2, seed_))
    return images


def tally_of_loaders(n, seed_):
    """Return the tally of the loaders on n damaged tables, archives and folders."""
    with tempfile.TemporaryDirectory() as folder:
        return tally(lambda source: [outcome_of_source(source, folder)], odd_sources(), n, seed_)
