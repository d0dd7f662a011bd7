"""Account of an adaptation: steps, reason, scores and numbers of cells."""

from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Adaptation:
    """Account of an adaptation by `skblood.adapt`: steps, reason and scores.

    Attributes
    ----------
    steps : tuple of str
        Steps taken, in order: "crop", "statistics", "output", "self-training", "network". Empty if
        the model was left unchanged.
    reason : str
        Why these steps were taken.
    scores : dict of str to float
        Balanced accuracy on the labelled cells of each candidate, named by its steps joined by
        " + ". "unchanged" is the model as it was given, at its own crop; "crop" is the same
        network at the new crop. The others are cross-validated. Each cell is scored on several
        random views. Empty if nothing could be validated.
    n_labelled : dict
        Number of labelled cells of each class of the model.
    n_unlabelled : int
        Number of cells without a label.
    """

    steps: tuple
    reason: str
    scores: dict
    n_labelled: dict
    n_unlabelled: int

    def __repr__(self):
        labelled = ", ".join(f"{label} {n}" for label, n in self.n_labelled.items() if n)
        counted = f"labelled cells: {labelled or 'none'}; unlabelled: {self.n_unlabelled}"
        lines = [f"Adaptation: {join_steps(self.steps)}", f"reason: {self.reason}", counted]
        if self.scores:
            lines.append("balanced accuracy in cross-validation:")
            lines += [f"  {score:.3f}  {name}" for name, score in self.scores.items()]
        return "\n  ".join(lines)


def join_steps(steps):
    """Return the name of a candidate."""
    return " + ".join(steps) or "unchanged"
