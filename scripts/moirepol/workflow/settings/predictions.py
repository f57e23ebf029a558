"""Settings of predictions: which models, how far, and how they are validated."""

from typing import Annotated, Literal

from pydantic import Field

from moirepol.workflow.settings.base import (
    ABSENT,
    ElectricField,
    Name,
    Section,
    Some,
    SomeDistinct,
    setting,
)
from moirepol.workflow.settings.interlayer import StudiedInterlayer

LegendText = Annotated[
    str,
    Field(
        pattern=r"^[^$\n]{1,40}$",
        json_schema_extra={"x-allowed": "one line of at most 40 characters without $"},
    ),
]


class Predictor(Section):
    """Models of one family, by the kind of dipoles that they predict."""

    zero_field: Name = setting("Model of the dipoles without a field.")
    response: Name = setting(
        "Model of the response to a field. It is needed for predictions in a field and for the "
        "long range.",
        default=ABSENT,
        otherwise="none",
    )
    curvature: Name = setting(
        "Model of the second-order response.", default=ABSENT, otherwise="none"
    )


class Study(StudiedInterlayer):
    """Models that are validated with labels."""

    label: LegendText = setting(
        "Name of the study in the legend of the calibration figure. The figure shows the studies "
        "that have a label.",
        default=ABSENT,
        otherwise="none",
    )
    used_for: SomeDistinct[Literal["claims", "errors", "cells", "uniaxial"]] = setting(
        "Further uses of the study. The accuracy tables contain every study. claims = the claim "
        "F2-mae contains the error of the study for the 6.01° cell. errors = the error of "
        "predictions is calibrated on the moiré cells of the study. Such a study must not contain "
        "uniaxial cells. cells = the figure of moiré "
        "cells shows the study. uniaxial = the figure of uniaxial cells shows the study.",
        default=ABSENT,
        otherwise="none",
    )
    models: Predictor = setting("The models that predict.")
    labels: SomeDistinct[Name] = setting("Label sets.")
    fields_V_per_A: Some[ElectricField] = setting(
        "Only frames in these electric fields.", default=ABSENT, otherwise="all"
    )


class Extrapolation(Section):
    """How far beyond the labels of its models a system may be predicted.

    A system beyond the labels is reported in one line, a system beyond these limits is rejected.
    """

    strain_percent: float = setting(
        "Largest difference from the strains of labelled layers. A lattice mismatch also strains a "
        "layer.",
        "%",
        ge=0,
        le=100,
    )
    layer_distance_A: float = setting(
        "Largest difference from the layer distances of the labels.", "Å", ge=0, le=4
    )
    field_V_per_A: float = setting(
        "Largest difference from the electric fields of the labels of the response.",
        "V/Å",
        ge=0,
        le=1,
    )


class Plans(Section):
    """Labels that are proposed for a system, results/plans/<system>.yaml."""

    labels: int = setting("Largest number of proposed labels.", ge=1, le=1000)
    slides_per_axis: int = setting(
        "Number n of candidate stackings along each primitive vector: tau = (i a1 + j a2) / n.",
        ge=1,
        le=100,
    )
    maximum_atoms: int = setting(
        "Largest candidate among twisted or mismatched cells.", "atoms", ge=4, le=1000
    )
