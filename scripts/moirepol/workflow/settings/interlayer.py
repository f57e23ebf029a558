"""Settings of the interlayer physics beyond the networks: displacement gradient and long range."""

from moirepol.workflow.settings.base import (
    ABSENT,
    Family,
    Name,
    Section,
    SomeDistinct,
    SystemName,
    setting,
)


class HeightLabels(Section):
    """Label sets of translated bilayers whose atoms have other heights, for one family."""

    distance: SomeDistinct[Name] = setting(
        "Sets of flat bilayers at further layer distances, without and in a field."
    )
    relaxed: SomeDistinct[Name] = setting(
        "Sets of bilayers with relaxed heights, without and in a field."
    )
    validation: Name = setting(
        "Set of relaxed moiré cells. The error of relaxation is calibrated on these cells. They "
        "are held out of every fit.",
        default=ABSENT,
        otherwise="none; the error then does not contain the relaxation, and pages contain a note",
    )


class Relaxation(Section):
    """Mesh of the in-plane relaxation of moiré bilayers, results/relaxation/<system>.nc."""

    mesh_spacing_A: float = setting("Largest spacing of the mesh.", "Å", ge=0.5, le=20)
    mesh_points: int = setting(
        "Smallest number of points of the mesh along each vector of a period.",
        ge=12,
        le=600,
        multiple_of=6,
    )


class InterlayerSettings(Section):
    """Settings of predictions. `Settings` contains them at the top level."""

    gradient: dict[Family, SomeDistinct[Name]] = setting(
        "Label sets of uniaxial cells and small moiré cells of a family, all of one recipe. With "
        "uniaxial cells, predictions include the displacement gradient to first order. With moiré "
        "cells, they also include its second order (moirepol.physics.gradient)."
    )
    long_range: dict[Family, SystemName] = setting(
        "Untwisted bilayer whose in-plane polarizability is used for a family. The polarizability "
        "is computed by linear response. With this setting, predictions include the long-range "
        "electrostatics of the moiré pattern (moirepol.physics.long_range)."
    )
    heights: dict[Family, HeightLabels] = setting(
        "Label sets of translated bilayers at other layer distances and at relaxed heights. They "
        "are needed for the options d and relaxed of a name (moirepol.physics.heights)."
    )
    relaxation: Relaxation = setting("Relaxation of moiré bilayers.")


class StudiedInterlayer(Section):
    """Settings of a study, which may differ from those of predictions."""

    long_range: SystemName = setting(
        "Untwisted bilayer whose in-plane polarizability is used for the long range.",
        default=ABSENT,
        otherwise="no long range",
    )
    gradient: bool = setting(
        "Whether the predictions include the displacement gradient, with the label sets of "
        "`gradient` for the family.",
        default=False,
    )
