"""Every setting of the workflow: one field of one section, `Settings` is the whole."""

from moirepol.structure.material import load_material
from moirepol.workflow.settings.base import Family, Name, setting
from moirepol.workflow.settings.figures import Page, Panel
from moirepol.workflow.settings.interlayer import InterlayerSettings
from moirepol.workflow.settings.labels import Labels
from moirepol.workflow.settings.maps import Maps, Sweep
from moirepol.workflow.settings.potential import Potential
from moirepol.workflow.settings.predictions import Extrapolation, Plans, Predictor, Study
from moirepol.workflow.settings.training import Model, Protocol

_material = load_material()
_low, _high = _material.lattice_constant_range_A


class Settings(InterlayerSettings):
    """Settings of moirepol."""

    lattice_constant_A: float = setting(
        "In-plane lattice constant of the unstrained monolayer. Default and limits are those of "
        "the material.",
        "Å",
        default=_material.lattice_constant_A,
        ge=_low,
        le=_high,
    )
    layer_distance_A: float = setting(
        "Distance of the two flat layers. The option d in a name replaces this value. The default "
        "is that of the material.",
        "Å",
        default=_material.layer_distance_A,
        ge=2,
        le=6,
    )
    labels: Labels = setting("Dipoles from first principles.")
    protocols: dict[Name, Protocol] = setting("Training protocols, by name.", min_length=1)
    models: dict[Name, Model] = setting("Models, by name.", min_length=1)
    predictors: dict[Family, Predictor] = setting(
        "Models used for prediction, by stacking family.", min_length=1
    )
    studies: dict[Name, Study] = setting(
        "Comparisons of models with labels (`./run accuracy`), by name. A member of a committee "
        "does not predict frames that it was trained on. Label sets that are not in the repository "
        "are skipped, except with `labels: {source: compute}`."
    )
    extrapolation: Extrapolation = setting(
        "Largest differences between a predicted system and the labels of its models."
    )
    plans: Plans = setting("Labels that are proposed for a system.")
    maps: Maps = setting("Polarization maps of moiré cells.")
    potential: Potential = setting("Electrostatic potential above moiré cells.")
    structures: dict[Name, str] = setting(
        "Files with bilayers of your own, by name, in any format that ASE reads. The names of "
        "result files contain the name, for example results/maps/mine.nc.",
        default={},
    )
    sweeps: dict[Name, Sweep] = setting("Sweeps, by name.")
    figures: dict[Name, Panel] = setting("Panels, by name.")
    page: Page = setting("Page of a whole figure.")
