# Shared by all rule files.
#
# Conventions: a rule and its script share one verb-first name, scripts/<rule>.py; inputs, outputs
# and params carry the names of the script function's arguments; every setting goes through
# params; log and benchmark are logs/<rule>/{wildcards}.log and benchmarks/<rule>/{wildcards}.tsv.

from functools import cache

from moirepol.code import code_digest
from moirepol.config import SWEEP_PANELS, predictors_of
from moirepol.provenance import read_netcdf
from moirepol.sets import (
    STANDARD,
    digest,
    frames_of,
    geometries_of_sweep,
    recipe_of,
    settings_of,
    shipped_frames,
    systems_of_sweep,
)
from moirepol.systems import PATTERN as SYSTEM
from moirepol.systems import System


wildcard_constraints:
    set="[a-z][a-z0-9_]*",
    model="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    system=SYSTEM,
    frame=SYSTEM,
    panel="fig[1-4][a-j]",
    sweep="[a-z][a-z0-9_]*",


LABEL_SETS = config["labels"]["sets"]
SHIPPED_LABELS = "resources/labels"
SHIPPED_POLARIZABILITIES = "resources/polarizability"
SHIPPED_FRAMES = shipped_frames(SHIPPED_LABELS)
MODELS = config["models"]
SWEEPS = config["sweeps"]
CHECKS = config["labels"]["checks"]


def figure_files(figure: str) -> list[str]:
    """The files of a figure's panels; the data of each panel lies beside them as NetCDF."""
    panels = config["figures"][figure]
    return expand("results/figures/{panel}.{ending}", panel=panels, ending=["pdf", "png"])


# Labels


def set_recipe(name):
    """Name of the recipe that a label set is made by."""
    return LABEL_SETS[name].get("recipe", STANDARD)


@cache
def frames(name):
    """Names of a set's frames."""
    return frames_of(LABEL_SETS[name])


@cache
def missing_frames(name):
    """Frames of a set that must be computed: those that do not ship, or all of them."""
    if config["labels"]["source"] == "compute":
        return frames(name)
    wanted = digest(settings_of(config, set_recipe(name)))
    missing = [frame for frame in frames(name) if (name, frame, wanted) not in SHIPPED_FRAMES]
    if missing and config["labels"]["source"] == "shipped":
        raise WorkflowError(
            f"labels.source = 'shipped': set {name} has {len(missing)} frames that do not ship with "
            f"these settings, the first is {missing[0]}; use 'complete' to compute them"
        )
    return missing


def label_inputs(wildcards):
    """What a set is collected from: its shipped file, its computed frames, or both."""
    missing = missing_frames(wildcards.set)
    files = {
        "computed": expand(
            f"results/labels/{set_recipe(wildcards.set)}/{{frame}}.nc", frame=missing
        )
    }
    if len(missing) < len(frames(wildcards.set)):
        files["shipped"] = f"{SHIPPED_LABELS}/{wildcards.set}.nc"
    return files


def audited_file(name: str) -> str:
    """The file of a label set: as far as it ships, otherwise the whole set."""
    shipped = f"{SHIPPED_LABELS}/{name}.nc"
    if config["labels"]["source"] != "compute" and Path(shipped).is_file():
        return shipped
    return f"results/labels/{name}.nc"


def own_sets() -> list[str]:
    """Label sets by the engine of the standard recipe; those by another are comparisons."""
    engines = {name: recipe_of(config, set_recipe(name)).get("engine") for name in LABEL_SETS}
    return [
        name for name in LABEL_SETS if engines[name] == config["labels"]["recipe"].get("engine")
    ]


def audited_sets() -> list[str]:
    """Label sets that ship, in part at least; all of our own where labels are to be computed."""
    if config["labels"]["source"] == "compute":
        return own_sets()
    return [name for name in LABEL_SETS if audited_file(name).startswith(SHIPPED_LABELS)]


def direct_labels(*geometries: str) -> list[str]:
    """Files of label sets with moire cells of these geometries, direct first principles."""
    return [
        audited_file(name)
        for name in audited_sets()
        if any(System.parse(frame).geometry in geometries for frame in frames(name))
    ]


def label_of_panel(wildcards) -> list[str]:
    """The file of a label set that holds a panel's system, where there is one."""
    (system,) = systems_of(wildcards.panel)
    return [audited_file(name) for name in audited_sets() if system in frames(name)][:1]


def growing(first):
    """A resource that grows with every attempt, for profiles with retries."""
    return lambda wildcards, attempt: attempt * first


def label_group(wildcards):
    """Group of the labels that a cluster's profile may put several of into one job."""
    return "small_labels" if System.parse(wildcards.frame).n_atoms == 4 else None


# Models


def members(model: str, ending: str = "dp") -> list[str]:
    """One file of every member of a model's committee."""
    return expand(
        "results/models/{model}/{seed}.{ending}",
        model=model,
        seed=MODELS[model]["seeds"],
        ending=ending,
    )


def label_files(model: str, key: str) -> list[str]:
    """Files of the label sets that a model names under `labels` or `tests`."""
    return expand("results/labels/{set}.nc", set=MODELS[model].get(key, []))


def models_of(kind: str, asked=lambda wildcards: wildcards.system):
    """Input function: the members that predict `kind` for a system of its family and field.

    asked: gives the system's name.
    """

    def files(wildcards):
        try:
            model = predictors_of(config, asked(wildcards)).get(kind)
        except ConfigError as error:
            raise WorkflowError(f"{wildcards.system}: {error}")
        return members(model) if model else []

    return files


def strongest_field(wildcards) -> str:
    """A sweep's bilayer in the strongest of its fields."""
    field = max(SWEEPS[wildcards.sweep].get("fields_V_per_A", [0]), key=abs)
    return System.parse(wildcards.system).model_copy(update={"field_V_per_A": field}).name


def polarizability_of(wildcards):
    """Input function: what answers to the long-range field of a system's family, where asked for."""
    slide = config["long_range"].get(System.parse(wildcards.system).family)
    if slide is None:
        return []
    shipped = Path(SHIPPED_POLARIZABILITIES) / f"{slide}.nc"
    if config["labels"]["source"] != "compute" and shipped.is_file():
        wanted = digest(settings_of(config, STANDARD))
        if read_netcdf(shipped).attrs["settings_digest"] == wanted:
            return str(shipped)
    return f"results/polarizability/{slide}.nc"


def trained_percent(family: str) -> float:
    """Largest strain (%) of both layers in the labels of a family's zero-field model."""
    model = MODELS[config["predictors"][family]["zero_field"]]
    return max(
        abs(System.parse(frame).strain_percent)
        for name in model["labels"]
        for frame in frames(name)
    )


# Maps


def slides_of(family: str) -> tuple[str, int]:
    """The label set with the finest plain slides of a family, and its slides per axis."""
    found = [
        (grid["slides_per_axis"], name)
        for name, label_set in LABEL_SETS.items()
        for grid in label_set.get("grids", [])
        if grid["family"] == family
        and 0 in grid.get("strains_percent", [0])
        and 0 in grid.get("fields_V_per_A", [0])
        and "layer_distances_A" not in grid
        and set_recipe(name) == STANDARD
    ]
    if not found:
        raise WorkflowError(
            f"labels.sets: no grid of plain {family} slides for a configuration map"
        )
    slides, name = max(found)
    return f"results/labels/{name}.nc", slides


# Figures


PANEL_FAMILY = {"fig1a": "AA", "fig1d": "AAp"}
CHARGE_PANELS = ("fig2f", "fig3e", "fig3f", "fig4e", "fig4f")


def systems_of(panel: str) -> list[str]:
    """The systems that a panel shows, in the order of config.yaml."""
    return config["figures"][panel[:4]][panel]


def systems_shown(wanted=lambda panel: panel not in SWEEP_PANELS) -> list[str]:
    """All systems of the panels that are wanted."""
    panels = [panel for figure in config["figures"].values() for panel in figure if wanted(panel)]
    return sorted({system for panel in panels for system in systems_of(panel)})


def shown(kind: str):
    """Input function: a panel's only file of a kind (maps, charge, dipoles, sweeps); by default of
    AA's configuration space."""

    def file(wildcards):
        systems = systems_of(wildcards.panel)
        return f"results/{kind}/{systems[0] if systems else 'configuration_AA'}.nc"

    return file


def all_shown(kind: str):
    """Input function: a panel's files of a kind, one for every system."""
    return lambda wildcards: expand(f"results/{kind}/{{s}}.nc", s=systems_of(wildcards.panel))
