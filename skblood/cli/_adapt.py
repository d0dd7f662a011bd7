"""`skblood adapt`."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

from skblood.cli import _classifier, _data, _output, _settings


def adapt(
    words: list[str],
    *,
    out: Path,
    no_labels: bool = False,
    classes: str | None = None,
    prior: str | None = None,
    seed: int = 0,
    on_error: _data.ErrorMode = _data.ErrorMode.RAISE,
    device: str = "auto",
    output: _output.Output,
    table: _data.Table,
):
    """Adapt a model to the cells of another laboratory; write it, and print what was done.

    A few labeled cells, or many without a label, are enough. In a table, a row without a label
    is a cell without a label; the file may have no column of labels. If CELLS have the parts train,
    val and test, the train part is used. Cells of one slide or patient (--group-column) are
    validated together.

    Parameters
    ----------
    words : [MODEL] CELLS
        A model file; by default, the pretrained model. Then a folder with one subfolder per class;
        a table, such as the corrections of `skblood review`; an npz file; or, without labels,
        image files, folders of images, and patterns such as 'new/**/*.png'.
    out : MODEL
        The model file to write.
    no_labels : bool
        Take no labels: neither subfolders nor a column are labels.

    Examples
    --------
    skblood adapt cells.skblood corrections.csv --out ours.skblood --group-column slide
    skblood adapt blood8-2 labeled/ --out ours.skblood --prior blood
    skblood adapt blood8-2 new/ --no-labels --out ours.skblood
    """
    output.reserve(out)
    settings = _settings.parse_prior(classes, prior)
    _data.check_words(words, on_error, table.list_columns())
    model, images = _classifier.split_words(words)
    classifier = _classifier.load_network(model, _classifier.Model(device=device))
    from skblood import adaptation, io

    cells = _data.select_part(read_partly_labelled(images, table, not no_labels), "train")
    cells, unreadable = _data.leave_out_unreadable(cells, on_error)
    options = {"groups": cells.groups, "random_state": seed, "verbose": 1, **settings}
    adapted = adaptation.adapt(classifier, cells.X, cells.y, **options)
    output.write(out, partial(io.save, adapted))
    document = {"path": str(out), "unreadable": unreadable, **asdict(adapted.adaptation_)}
    output.show(document, adapted.adaptation_)


def read_partly_labelled(words, table, labels=True):
    """Read images, or their paths, with the labels and groups that there are.

    Parameters
    ----------
    words : list of str
        What `read_cells` or `find_images` takes.
    table : Table
    labels : bool, default=True
        Whether names of folders and a column are labels.

    Returns
    -------
    cells : Bunch
        As of `read_cells`. y is None without labels, and holds None for a cell without one.
    """
    source, path = words[0], Path(words[0]).expanduser()
    is_file = path.suffix.lower() == ".npz" or _data.is_named(source)
    is_tree = labels and path.is_dir() and not _data.is_table(path)
    if len(words) == 1 and (is_file or (is_tree and _data.has_labels(source, table))):
        cells = _data.read_cells(source, table)
        cells.y = cells.y if labels else None
        return cells
    column = table.label_column if labels else None
    cells = _data.find_images(words, table, column)
    cells.y = get_column(cells.columns, column)
    cells.groups = get_column(cells.columns, table.group_column)
    if table.split_column in cells.columns:
        cells.split = _data.normalize_split(cells.columns[table.split_column], source)
    return _data.leave_out_no_class(cells)


def get_column(columns, name):
    """Return a column of tables as an array, with None where it is empty; None without it."""
    if name not in columns:
        return None
    return columns[name].astype(object).where(columns[name] != "", None).to_numpy()
