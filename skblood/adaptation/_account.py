"""Account of an adaptation: steps, reason, scores and numbers of cells."""

from dataclasses import dataclass
from typing import Any

from skblood._writing import printable


@dataclass(frozen=True, repr=False)
class Adaptation:
    """Account of an adaptation by `skblood.adapt`: steps, reason and scores.

    Attributes
    ----------
    steps : tuple of str
        Steps taken, in order: "crop", "prior" (classes or prior as given), "statistics", "bias" or
        "output"; see the notes of `skblood.adapt`. Empty if the model was left unchanged. The steps
        of earlier adaptations of the model come before. Those of earlier versions may include
        "self-training" and "network".
    reason : str
        Why steps were taken or refused.
    scores : dict of str to float
        Balanced accuracy on the labeled cells of each candidate, named by its steps joined by
        " + ". "unchanged" is the model exactly as it was given, with its own crop, classes and
        prior. Candidates with "bias" or "output" are cross-validated. Empty without labels.
    n_labelled : dict
        Number of labeled cells of each class of the model.
    n_unlabelled : int
        Number of cells without a label.
    """

    steps: tuple[Any, ...]
    reason: str
    scores: dict[str, Any]
    n_labelled: dict[str, Any]
    n_unlabelled: int

    def __repr__(self) -> str:
        counts = [f"{printable(label, keep='')} {n}" for label, n in self.n_labelled.items() if n]
        labeled = ", ".join(counts)
        reason = self.reason.replace("; ", ";\n          ")
        counted = f"labeled cells: {labeled or 'none'}; unlabeled: {self.n_unlabelled}"
        lines = [f"Adaptation: {join_steps(self.steps)}", f"reason: {reason}", counted]
        if self.scores:
            lines.append("balanced accuracy on the labeled cells:")
            lines += [f"  {score:.3f}  {name}" for name, score in self.scores.items()]
        return "\n  ".join(lines)


def join_steps(steps):
    """Return the name of a candidate."""
    return " + ".join(steps) or "unchanged"
