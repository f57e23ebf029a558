"""Settings of the interlayer physics beyond the networks: heterostrain and long range."""

from typing import Annotated

from pydantic import Field

from moirepol.workflow.settings.base import ABSENT, Family, Name, Section, SystemName, setting

Width = Annotated[float, Field(ge=0, le=10, json_schema_extra={"x-unit": "Å"})]
Reach = Annotated[list[Width], Field(min_length=2, max_length=2)]


class InterlayerSettings(Section):
    """Settings of predictions. `Settings` contains them at the top level."""

    heterostrain: dict[Family, Name] = setting(
        "Label set of uniaxial heterostrain cells of a family. With it, the prediction of a "
        "mismatched cell includes the effect of relative strain of the layers to first order "
        "(moirepol.physics.heterostrain)."
    )
    long_range: dict[Family, SystemName] = setting(
        "Slide of a family that represents its in-plane polarizability, from linear response. With "
        "it, predictions include the long-range electrostatics of the moiré pattern "
        "(moirepol.physics.long_range)."
    )
    interlayer_reach_A: Reach = setting(
        "Gaussian smearing widths of the long-range electrostatics, for the mean of the dipoles of "
        "both layers and for their in-plane difference (moirepol.physics.long_range); 0 = none.",
        "Å",
    )


class StudiedInterlayer(Section):
    """Settings of a study, which may differ from those of predictions."""

    long_range: SystemName = setting(
        "Slide that represents the in-plane polarizability for the long-range electrostatics.",
        default=ABSENT,
        otherwise="no long range",
    )
    reach_A: Reach = setting("As interlayer_reach_A.", "Å", default=ABSENT, otherwise="no smearing")
    heterostrain: Name = setting(
        "Label set of uniaxial heterostrain cells.", default=ABSENT, otherwise="no heterostrain"
    )
