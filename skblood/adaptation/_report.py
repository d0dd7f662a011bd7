"""What an adaptation did, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Adaptation:
    """What `skblood.adapt` tried, what it took, and why.

    Attributes
    ----------
    steps : tuple of str
        The steps taken, in their order: "statistics", "output", "self-training", "network". Empty
        if the model was left as it was.
    reason : str
        Why these.
    scores : dict of str to float
        Balanced accuracy of each candidate, its steps joined by " + ", in the cross-validation
        over the labelled cells; "unchanged" is the model as it was. Empty where nothing could be
        validated.
    n_labelled : dict
        Label to number of labelled cells, for all classes of the model.
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
        lines = [
            f"Adaptation: {join_steps(self.steps)}",
            f"  why: {self.reason}",
            f"  labelled cells: {labelled or 'none'}; unlabelled: {self.n_unlabelled}",
        ]
        if self.scores:
            lines.append("  balanced accuracy in cross-validation:")
            lines += [f"    {score:.3f}  {name}" for name, score in self.scores.items()]
        return "\n".join(lines)


def join_steps(steps):
    """Return the name of a candidate."""
    return " + ".join(steps) or "unchanged"
