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


class InterlayerSettings(Section):
    """Settings of predictions. `Settings` contains them at the top level."""

    gradient: dict[Family, SomeDistinct[Name]] = setting(
        "Label sets of uniaxial cells of a family, all of one recipe. With them, predictions "
        "include the displacement gradient to first order (moirepol.physics.gradient)."
    )
    long_range: dict[Family, SystemName] = setting(
        "Untwisted bilayer (slide) of a family that represents its in-plane polarizability, from "
        "linear response. With it, predictions include the long-range electrostatics of the moiré "
        "pattern (moirepol.physics.long_range)."
    )


class StudiedInterlayer(Section):
    """Settings of a study, which may differ from those of predictions."""

    long_range: SystemName = setting(
        "Untwisted bilayer that represents the in-plane polarizability of the long range.",
        default=ABSENT,
        otherwise="no long range",
    )
    gradient: bool = setting(
        "Whether the predictions include the displacement gradient, with the label sets of "
        "`gradient` for the family.",
        default=False,
    )
