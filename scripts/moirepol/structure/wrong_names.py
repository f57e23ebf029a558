"""Reasons why a name is the name of no bilayer: the part that is wrong, and what is allowed."""

import difflib
import re
import string
from itertools import pairwise

from moirepol.structure.names import FAMILIES, NUMBER

#: An example of each geometry, and its form.
GEOMETRIES = {
    "angle": ("angle-2.00", rf"angle-{NUMBER}"),
    "eta": ("eta+0.0100", rf"eta[+-]{NUMBER}"),
    "twist": ("twist-21-22", r"twist(-[0-9]{1,6}){2}"),
    "mismatch": ("mismatch-9-10", r"mismatch(-[0-9]{1,6}){2}"),
    "moire": ("moire-5-6-5-5", r"moire(-[0-9]{1,6}){4}"),
    "strip": ("strip-9-10", r"strip(-[0-9]{1,6}){2}"),
    "shear": ("shear-9", r"shear-[0-9]{1,6}"),
    "slide": ("slide-1-1-3", r"slide(-[0-9]{1,6}){3}"),
}
#: The same for the options, in the order of a name.
OPTIONS = {
    "shift": ("shift-1-0-2", r"shift(-[0-9]{1,6}){3}"),
    "strain": ("strain+1.00", rf"strain[+-]{NUMBER}"),
    "d": ("d3.400", rf"d{NUMBER}"),
    "relaxed": ("relaxed", "relaxed"),
    "field": ("field+0.0200", rf"field[+-]{NUMBER}"),
}


def wrong_part(name: str) -> str:
    """Find the first part of a name that the grammar of names does not allow.

    Parameters
    ----------
    name
        Any text.

    Returns
    -------
    str
        The part and what is allowed, in one line; empty if every part has an allowed form.
    """
    family, *parts = name.split("_")
    if family not in FAMILIES:
        return f"the family {family!r} is wrong; allowed is {', '.join(FAMILIES)}"
    if not parts:
        return f"the geometry is missing; allowed is {_examples(GEOMETRIES)}"
    geometry, *options = parts
    if reason := _wrong(geometry, GEOMETRIES, "geometry"):
        return reason
    both = _word(geometry) == "angle" and options and _word(options[0]) == "eta"
    reasons = [_wrong(options.pop(0), GEOMETRIES, "geometry")] if both else []
    reasons += [_wrong(option, OPTIONS, "option") for option in options]
    if reason := next(filter(None, reasons), ""):
        return reason
    order = [list(OPTIONS).index(_word(option)) for option in options]
    if any(second <= first for first, second in pairwise(order)):
        given = "_".join(options)
        return f"the order {given!r} is wrong; each option once, in the order {', '.join(OPTIONS)}"
    return ""


def _word(part):
    """Letters at the start of a part."""
    return part[: len(part) - len(part.lstrip(string.ascii_letters))]


def _examples(forms):
    return ", ".join(example for example, _ in forms.values())


def _wrong(part, forms, kind):
    """Why a part has none of the forms."""
    word = _word(part)
    if word not in forms:
        near = difflib.get_close_matches(word, forms, 1)
        hint = f"similar is {forms[near[0]][0]}" if near else f"allowed is {_examples(forms)}"
        return f"the {kind} {part!r} is wrong; {hint}"
    example, form = forms[word]
    if re.fullmatch(form, part):
        return ""
    if word == "angle" and re.fullmatch(rf"angle-[+-]{NUMBER}", part):
        return (
            f"the angle of {part!r} has a sign; allowed is {example}. The opposite rotation has "
            "its numbers exchanged, as twist-22-21"
        )
    if re.fullmatch(rf"{word}{NUMBER}", part) and "[+-]" in form:
        return f"{part!r} needs a sign, as {word}+{part.removeprefix(word)}"
    return f"the {kind} {part!r} is wrong; allowed is the form {example}"
