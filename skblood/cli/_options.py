"""Commands made of functions, and the options that several of them share.

Parameters
----------
data : DATA
    A folder with one subfolder per class, optionally within train, val and test; a table with
    the columns path, label and optionally split; an npz file in the MedMNIST format; tar files in
    the WebDataset form, such as 'train-*.tar' or 'train-{0000..0041}.tar'; or a name:
    bloodmnist and pbc (downloaded), or synthetic (drawn cells, to try things out). A table is a
    .csv, .tsv, .txt or .parquet file, or a folder that `skblood predict` has written.
model : MODEL
    A file written by `skblood train` or skblood.save, or the name of a pretrained model.
image_size : PIXELS
    Height and width that images are resized to.
crop : SHARE
    Share of each side to keep, around the center, instead of that of the model (above 1: the image
    continues as its mirror image). Cells must fill the image as they did in training: 0.556 for
    the originals of PBC, if that was on BloodMNIST.
frame : auto
    Measure the sizes of the cells, and take the crop at which they are as large as those that the
    model was trained on: one crop for all images, which should be of one laboratory.
classes : NAMES
    Classes that can occur, separated by commas, such as lymphocyte,monocyte,neutrophil. The others
    get probability 0.
leave_out : NAMES
    Classes whose images are left out, separated by commas, such as those that the model does not
    know. Their numbers are told.
prior : SHARES
    Shares of the classes that can occur, such as lymphocyte=.3,monocyte=.1,neutrophil=.6; blood: a
    normal differential count; or equal. Probabilities are multiplied by them, divided by the shares
    in the training.
bit_depth : BITS
    Bits of the values in image files of more than 8 bits, e.g. 12 for 0..4095. A trained model
    remembers it.
device : NAME
    cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.
seed : int
    Seed; the same seed gives the same result.
on_error : raise or skip
    raise: name unreadable images, and fail. skip: leave them out.
workers : N
    Processes that write a folder, each of which computes by one thread, or on a GPU of its own. By
    default, one for each CPU core, 8 at most, or one on a GPU.
dask : ADDRESS
    Write a folder by the workers of this Dask scheduler, such as tcp://10.0.0.1:8786.
partition_size : N
    Images of each file of a folder; of a tar file, all.
as_json : bool
    Print one JSON document as the only result.
overwrite : bool
    Replace existing files.
path_column : NAME
    Column of a table: image files.
label_column : NAME
    Column of a table: labels.
split_column : NAME
    Column of a table: part of each image, if present.
group_column : NAME
    Column of a table: slide or patient of each image.
"""

import inspect
import re
from dataclasses import is_dataclass
from functools import wraps
from textwrap import indent
from typing import Annotated

from typer import Argument, Option

# Names of options that are not those of the parameter.
_NAMES = {"as_json": "--json", "settings": "--set", "k": "-k"}


def add_command(app, function, name=None):
    """Add a function to an application as a command.

    Positional parameters become arguments, keyword-only parameters become options; one whose type
    is a dataclass stands for an option for each of its fields. Help is taken from the numpydoc
    docstring: the "Parameters" section gives metavar (unless in lower case) and text of each
    parameter; what is missing there is in the docstring of this module.

    Parameters
    ----------
    app : typer.Typer
    function : callable
    name : str, default=None
        Name of the command; None is that of the function.
    """
    text, sections = _split_docstring(inspect.getdoc(function))
    described = _describe_parameters(__doc__)
    described |= _describe_parameters(inspect.getdoc(function))
    parameters, groups = {}, {}
    for each in inspect.signature(function).parameters.values():
        if is_dataclass(each.annotation):
            groups[each.name] = each.annotation
            parameters |= inspect.signature(each.annotation).parameters
        else:
            parameters[each.name] = each
    for each in parameters.values():
        metavar, description = described[each.name]
        help_text = {"metavar": None if metavar.islower() else metavar, "help": description}
        if each.kind is each.KEYWORD_ONLY:
            flag = _NAMES.get(each.name, f"--{each.name.replace('_', '-')}")
            info = Option(flag, **help_text)
        else:
            info = Argument(**help_text)
        parameters[each.name] = each.replace(annotation=Annotated[each.annotation, info])

    @wraps(function)
    def command(**given):
        for name, group in groups.items():
            names = inspect.signature(group).parameters
            given[name] = group(**{each: given.pop(each) for each in names})
        return function(**given)

    command.__signature__ = inspect.Signature(list(parameters.values()))
    if "Examples" in sections:
        # click keeps the lines of a paragraph that begins with \b.
        text += "\n\n\b\nExamples:\n" + indent(sections["Examples"], "  ")
    app.command(name, help=text)(command)


def _describe_parameters(docstring):
    """Return {name: (metavar, text)} of the "Parameters" section of a docstring."""
    section = _split_docstring(docstring)[1].get("Parameters", "")
    found = re.findall(r"^(\w+) : (.*)\n((?:    .*\n?)+)", section, re.MULTILINE)
    return {name: (metavar, " ".join(text.split())) for name, metavar, text in found}


def _split_docstring(docstring):
    """Return the text above the sections of a docstring, and the sections by title."""
    text, *sections = re.split(r"\n\n(\w+)\n-+\n", docstring)
    return text, dict(zip(sections[::2], sections[1::2], strict=True))
