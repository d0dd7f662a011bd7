"""`skblood explain`."""

from dataclasses import asdict
from pathlib import Path

import typer

from skblood._writing import printable, shorten, track
from skblood.cli import _classifier, _data, _output

# Cells in one picture.
_MOST = 50


def explain(
    words: list[str],
    *,
    out: Path,
    reference: str | None = None,
    neighbors: int = 5,
    options: _classifier.Model,
    files: _data.Files,
    label_column: str = "label",
    split_column: str = "split",
    output: _output.Output,
):
    """Draw where in each image the model finds evidence for its prediction (Grad-CAM).

    A map shows where the network found evidence for the predicted class, not whether that is right.
    With --reference, the most similar known cells are drawn beside it, with their labels.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file; by default, the pretrained model. Then image files, folders (with all
        subfolders), patterns such as 'new/**/*.png', tables with the column path, or one npz
        file in the MedMNIST format.
    out : FILE.png or FOLDER
        One picture of up to 50 cells; or a folder, in which each image gets a picture, named by its
        position and name: 0001-cell.png.
    reference : DATA
        Labeled cells among which the most similar ones are looked up, such as those of the
        training (the train part, if there are parts).
    neighbors : int
        Number of similar cells, with --reference.

    Examples
    --------
    skblood explain cells.skblood cell.png --out why.png
    skblood explain cells.skblood doubtful.csv --reference cells/ --out why/
    """
    is_file = out.suffix.lower() == ".png"
    columns = {"label_column": label_column, "split_column": split_column}
    table = _data.Table(**asdict(files), **columns)
    _data.check_words(words, options.on_error, files.list_columns())
    if reference is not None:
        _data.check_source(reference, table)
    output.reserve_folder(out, ("",) if is_file else ())
    found = _classifier.open_words(words, options, files, is_network=True)
    classifier, cells, unreadable = found
    names = _data.name_images(cells)
    if is_file and len(names) > _MOST:
        message = f"{len(names)} images are too many for one picture; name a folder by --out."
        raise typer.BadParameter(message)
    X = classifier.read_images(cells.X)
    pictures = [out / f"{i:04}-{Path(name).stem}.png" for i, name in enumerate(names, start=1)]
    pictures = [out] if is_file else pictures
    output.check_new(pictures)
    known = {} if reference is None else _read_reference(reference, neighbors, table)
    from skblood.explain import ExplanationDisplay

    display = ExplanationDisplay.from_estimator(classifier, X, **known, plot=False)
    with track(len(pictures), "draw", "picture") as update:
        for i, picture in enumerate(pictures):
            part = display if is_file else display.select([i])
            figure = part.plot().figure_
            for ax, name in zip(part.axes_[:, 0], names if is_file else names[i:], strict=False):
                name = shorten(printable(Path(name).name, keep=""), 24)
                ax.set_ylabel(name, fontsize=6, parse_math=False)
            output.write_picture(picture, figure)
            update()
    done = f"{len(names)} image{'s' * (len(names) != 1)} explained"
    _output.say(f"{out}: {done}; {len(unreadable)} cannot be read.")
    counts = {"n_images": len(names) + len(unreadable), "n_unreadable": len(unreadable)}
    output.show({**counts, "pictures": pictures})


def _read_reference(source, neighbors, table):
    """Return the cells to look up similar ones in, as options of the display."""
    cells = _data.select_part(_data.read_cells(source, table), "train")
    if not 1 <= neighbors <= len(cells.X):
        most = f"the number of cells in --reference, {len(cells.X)}"
        raise typer.BadParameter(f"--neighbors: {neighbors} must be from 1 to {most}.")
    return {"X_train": cells.X, "y_train": cells.y, "n_neighbors": neighbors}
