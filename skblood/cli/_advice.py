"""Messages of the library, which name Python arguments, in the words of the command line."""

import re

# Arguments of the library whose option has another name.
_ALIASES = {"groups": "group_column"}
# What has no equal in the shell, and what to say instead.
_PHRASES = {
    r'"blood", "equal", "training", a dict of shares or counts by class, or an array in the order '
    r"of the classes": "blood, equal, training, or class=share,class=share for the classes",
    r"if names = (\{.*?\}) mean the same, use \[names\.get\(.*?\]\.": (
        r"\1 may mean the same: rename the folders, or the labels of the table."
    ),
}


def in_shell(message, command):
    """Return a message of the library with the options of a command for its arguments.

    Parameters
    ----------
    message : str
    command : click.Command or None
    """
    flags = {each.name: each.opts[0] for each in command.params} if command else {}
    flags |= {name: flags[other] for name, other in _ALIASES.items() if other in flags}
    for name, flag in flags.items():
        if not flag.startswith("--") or name == "bit_depth":
            continue
        argument = rf"`{name}`|The '{name}' parameter of reconfigure"
        message = re.sub(argument, flag, message)
        value = r"'([^']*)'|(-?[\d.]+(?![\w.])|None)"
        message = re.sub(rf"(?<![\w/'\"-]){name}=(?:{value})", rf"{flag} \1\2", message)
    if "on_error" in flags:
        message = re.sub(r"and their labels out \(.*?\)", "out by --on-error skip", message)
    for phrase, words in _PHRASES.items():
        message = re.sub(phrase, words, message)
    if "bit_depth" not in message or "--bit-depth" in message:
        return message
    # The files may be opened from Python, too.
    stated = re.search(r"bit_depth=(\d+)", message)
    return f"{message} In the shell it is --bit-depth {stated[1] if stated else 'BITS'}."
