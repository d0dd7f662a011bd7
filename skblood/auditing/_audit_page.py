"""What the HTML page of an audit shows of its findings."""

from skblood._plotting import read_some
from skblood.pages import thumbnail

from ._finding import KINDS

# Of these the text says all: there is no picture, or the images are too many.
_WITHOUT_PICTURES = {"unreadable", "crossing_groups", "rare_classes", "similar_labels"}
# Height and width of a picture in pixels, for screens of two pixels a point.
_SIDE = 192


def list_findings(report, format_finding, name, n_examples):
    """Return the kinds of findings that there are, most serious first, for the template.

    Parameters
    ----------
    report : AuditReport
    format_finding : callable
        Takes a Finding and returns it in one line.
    name : callable
        Takes a position and returns the name of the image.
    n_examples : int
        Findings of a kind that are shown at most. Pairs that were shown already are not repeated.

    Returns
    -------
    kinds : list of dict
        With title, n, n_more (not shown) and examples: dicts of text, detail and images, each with
        source, name and facts.
    """
    kinds, seen = [], set()
    for kind, words in KINDS.items():
        found = getattr(report, kind)
        # Those of the pretrained model are often all images; their number says enough.
        fresh = [] if kind == "training_overlap" else [f for f in found if f not in seen]
        seen.update(fresh)
        if found:
            examples = [_example(report, each, format_finding, name) for each in fresh[:n_examples]]
            title = f"{len(found):,} {words[len(found) > 1]}"
            more = len(fresh) - len(examples)
            kinds.append(dict(kind=kind, title=title, examples=examples, n_more=more))
    return kinds


def _example(report, finding, format_finding, name):
    positions = finding.positions if finding.kind not in _WITHOUT_PICTURES else ()
    pixels = read_some(report.images, list(positions)) if 0 < len(positions) <= 2 else []
    columns = [each for each in (report.y, report.split) if each is not None]
    images = [
        {
            "source": thumbnail(image, _SIDE),
            "name": name(position),
            "facts": [column[position] for column in columns],
        }
        for position, image in zip(positions, pixels, strict=False)
    ]
    similarity = finding.similarity
    likeness = "" if similarity in (None, 1) else f"correlation {similarity:.3f}"
    detail = finding.detail or likeness
    return {"text": format_finding(finding), "images": images, "detail": detail}
