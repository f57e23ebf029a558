"""Training targets of the models.

A model of any kind maps the surroundings of a dipole site onto a polar vector in e.angstrom:

``zero_field``    p0, the dipole without a field
``response``      s [p(+E) - p(-E)] / 2, with s = +1 in the upper and -1 in the lower layer
``curvature``     [p(+E) + p(-E)] / 2 - p(0), the second-order response

E is the field of the labels. The mirror that exchanges the layers reverses E. The sign s therefore
makes the response a polar vector. With this sign, one type per species keeps every symmetry of the
bilayer exactly.

The exchange of the layers of a translated bilayer gives its label in the opposite field.
"""

from collections.abc import Iterable

import numpy as np

from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import UPPER
from moirepol.structure.symmetry import symmetry_copies

#: Kinds of models, in the order of the power of the field that they contribute to.
KINDS = ("zero_field", "response", "curvature")


def targets(
    frames: Iterable[Bilayer], family: str, kind: str, field_V_per_A: float
) -> list[Bilayer]:
    """Return the frames of a family with the target of a model as their dipoles.

    Frames of the same structure in different fields are matched by their names. Each structure
    appears once, under its name without a field.

    Parameters
    ----------
    frames
        Labelled frames.
    family
        Stacking family.
    kind
        Kind of the model, one of `KINDS`.
    field_V_per_A
        Field of the labels in V/angstrom.

    Returns
    -------
    list of Bilayer
        Copies of the frames without a field, with the target as array ``dipole``, (n, 3) in
        e.angstrom.

    Raises
    ------
    JobError
        If no structure has all the labels that the target needs.
    """
    found = _by_field([frame for frame in frames if frame.system.family == family])
    needed = {
        "zero_field": [0.0],
        "response": [field_V_per_A, -field_V_per_A],
        "curvature": [0.0, field_V_per_A, -field_V_per_A],
    }[kind]
    learned = []
    for name, by_field in sorted(found.items()):
        if not all(field in by_field for field in needed):
            continue
        frame = by_field[needed[0]].copy()
        p = {field: by_field[field].arrays["dipole"] for field in needed}
        if kind == "zero_field":
            dipole = p[0.0]
        elif kind == "response":
            sign = np.where(frame.layer == UPPER, 1.0, -1.0)[:, None]
            dipole = sign * (p[field_V_per_A] - p[-field_V_per_A]) / 2
        else:
            dipole = (p[field_V_per_A] + p[-field_V_per_A]) / 2 - p[0.0]
        frame.set_array("dipole", dipole)
        frame.name, frame.field_V_per_A = name, 0.0
        learned.append(frame)
    if not learned:
        raise JobError(f"no labels to learn the {kind} of {family} from")
    return learned


def _by_field(frames: list[Bilayer]) -> dict[str, dict[float, Bilayer]]:
    """Group frames by name and field; an exchange of the layers adds those without a label."""
    found: dict[str, dict[float, Bilayer]] = {}
    for frame in frames:
        found.setdefault(_without_field(frame), {}).setdefault(frame.field_V_per_A, frame)
    for frame in frames:
        if frame.system.geometry == "slide" and not frame.system.relaxed and frame.field_V_per_A:
            for copy in symmetry_copies(frame, reverse_field=True):
                if (name := _without_field(copy)) in found:
                    found[name].setdefault(copy.field_V_per_A, copy)
    return found


def _without_field(frame: Bilayer) -> str:
    return frame.system.model_copy(update={"field_V_per_A": 0.0}).name
