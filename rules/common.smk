# Shared by all rule files.
#
# Conventions: a rule and its script share one verb-first name, scripts/<rule>.py; inputs, outputs
# and params carry the names of the script function's arguments; every setting goes through
# params; log and benchmark are logs/<rule>/{wildcards}.log and benchmarks/<rule>/{wildcards}.tsv.

from functools import cache

from moirepol.workflow.digest import code_digest
from moirepol.workflow.configuration import (
    PAPER,
    SWEEP_PANELS,
    beyond_labels,
    parse_name,
    predictors_of,
    studies_used_for,
)
from moirepol.workflow.provenance import read_netcdf
from moirepol.workflow.label_sets import (
    STANDARD,
    digest,
    frames_of,
    geometries_of_sweep,
    recipe_of,
    settings_of,
    shipped_frames,
    systems_of_sweep,
)
from moirepol.structure.names import OTHER_NAMES
from moirepol.structure.names import PATTERN as SYSTEM
from moirepol.structure.names import System


wildcard_constraints:
    set="[a-z][a-z0-9_]*",
    model="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    system=SYSTEM,
    other_name=OTHER_NAMES,
    map=f"configuration_AAp?|{SYSTEM}",
    frame=SYSTEM,
    panel="fig[1-4][a-j]",
    sweep="[a-z][a-z0-9_]*",


LABEL_SETS = config["labels"]["sets"]
SHIPPED_LABELS = "resources/labels"
SHIPPED_POLARIZABILITIES = "resources/polarizability"
SHIPPED_FRAMES = shipped_frames(SHIPPED_LABELS)
MODELS = config["models"]
JUDGED_MODELS = [name for name, model in MODELS.items() if not model.get("study")]
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


def recheckable(name: str) -> bool:
    """Whether a set is our own and has a frame that is small enough to be labelled once more."""
    return name in own_sets() and any(
        System.parse(frame).n_atoms <= CHECKS["maximum_atoms"] for frame in frames(name)
    )


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


def system_of(name: str, maximum_atoms: int | None = None) -> System:
    """The system of a name (see `moirepol.workflow.configuration.parse_name`), or an error in one line."""
    try:
        return parse_name(name, maximum_atoms)
    except ConfigError as error:
        raise WorkflowError(f"{name}: {error}")


# Models


def members(model: str, ending: str = "dp") -> list[str]:
    """One file of every member of a model's committee."""
    return expand(
        "results/models/{model}/{seed}.{ending}",
        model=model,
        seed=MODELS[model]["seeds"],
        ending=ending,
    )


def protocol_of(model: str) -> dict:
    """The settings of a model's training; those of the paper where it names none."""
    return config["protocols"][MODELS[model].get("protocol", PAPER)]


def label_files(model: str, key: str) -> list[str]:
    """Files of the label sets that a model names under `labels` or `tests`."""
    return expand("results/labels/{set}.nc", set=MODELS[model].get(key, []))


def models_of(kind: str, asked=lambda wildcards: wildcards.system):
    """Input function: the members that predict `kind` for a system of its family and field.

    asked: gives the system's name.
    """

    def files(wildcards):
        name = asked(wildcards)
        canonical = system_of(name).name
        if name != canonical:
            raise WorkflowError(f"{name}: files are named by the one spelling {canonical}")
        try:
            model = predictors_of(config, name).get(kind)
        except ConfigError as error:
            raise WorkflowError(f"{name}: {error}")
        return members(model) if model else []

    return files


def strongest_field(wildcards) -> str:
    """A sweep's bilayer in the strongest of its fields."""
    field = max(SWEEPS[wildcards.sweep].get("fields_V_per_A", [0]), key=abs)
    return System.parse(wildcards.system).model_copy(update={"field_V_per_A": field}).name


def polarizability_file(slide: str) -> str:
    """The polarizability of a slide: as it ships, if with these settings, or to be computed."""
    shipped = Path(SHIPPED_POLARIZABILITIES) / f"{slide}.nc"
    if config["labels"]["source"] != "compute" and shipped.is_file():
        wanted = digest(settings_of(config, STANDARD))
        if read_netcdf(shipped, "in_plane").attrs["settings_digest"] == wanted:
            return str(shipped)
    return f"results/polarizability/{slide}.nc"


def fields_of_strips(name: str) -> tuple[list[str], str | list]:
    """Members of the response model and the polarizability that make the strips' long range."""
    family = System.parse(frames(name)[0]).family
    slide = config["long_range"].get(family)
    if slide is None:
        return [], []
    response = config["predictors"].get(family, {}).get("response")
    if response is None:
        raise WorkflowError(f"set {name}: predictors.{family} names no response model")
    return members(response), polarizability_file(slide)


def heterostrain_file(name: str | None) -> str | list:
    """What a set of strips says of strain of the layers against each other, if one is named."""
    return [] if name is None else f"results/heterostrain/{name}.nc"


def heterostrain_of(wildcards):
    """Input function: what strain of a system's layers against each other adds, where known."""
    system = System.parse(wildcards.system)
    return heterostrain_file(config["heterostrain"].get(system.family) if system.eta else None)


def polarizability_of(wildcards):
    """Input function: what answers to the long-range field of a system's family, where asked for."""
    slide = config["long_range"].get(System.parse(wildcards.system).family)
    return [] if slide is None else polarizability_file(slide)


# Studies


def shipping(name: str) -> list[bool]:
    """Of every frame of a label set, whether it ships with these settings."""
    wanted = digest(settings_of(config, set_recipe(name)))
    return [(name, frame, wanted) in SHIPPED_FRAMES for frame in frames(name)]


def ready(name: str) -> bool:
    """Whether a label set is at hand: all of it ships, or all labels are to be computed."""
    return config["labels"]["source"] == "compute" or all(shipping(name))


def judging_file(name: str) -> str:
    """The file of a label set to judge by: what ships of it, or the whole set."""
    return f"results/labels/{name}.nc" if ready(name) else f"{SHIPPED_LABELS}/{name}.nc"


def studies() -> dict[str, dict]:
    """The studies that can be made without labels beyond those at hand."""
    possible = {}
    for name, study in config["studies"].items():
        learned = {s for model in study["models"].values() for s in MODELS[model]["labels"]}
        learned |= {study["heterostrain"]} if "heterostrain" in study else set()
        judging = [s for s in study["labels"] if ready(s) or any(shipping(s))]
        if judging and all(map(ready, learned)):
            possible[name] = study | {"labels": judging}
    return possible


STUDIES = studies()


def studied(kind: str):
    """Input function: the members that predict `kind` in a study."""

    def files(wildcards):
        model = STUDIES[wildcards.study]["models"].get(kind)
        return members(model) if model else []

    return files


def trained_eta(family: str) -> list[float]:
    """Mismatches eta of which a family's labels know: none, and those of strips."""
    name = config["heterostrain"].get(family)
    return sorted({0.0, *(System.parse(frame).eta for frame in (frames(name) if name else []))})


# Maps


def one_period(wildcards):
    """Input function: a map whose cell holds one period of the pattern, as its charge needs."""
    if not wildcards.map.startswith("configuration"):
        system = system_of(wildcards.map)
        if system.n_periods == 0:
            raise WorkflowError(
                f"{system.name}: a {system.geometry} does not hold all stackings and has no map"
            )
        if system.n_periods > 1:
            raise WorkflowError(
                f"{system.name}: its cell holds {system.n_periods} periods of the pattern; a charge "
                "needs one, as twist-m-(m+1) and mismatch-n-(n+1) have"
            )
    return f"results/maps/{wildcards.map}.nc"


def file_by_name(wildcards):
    """Input function: the file of a system that is asked for in other words."""
    system = system_of(wildcards.other_name, config["maps"]["maximum_atoms"])
    return f"results/{wildcards.stage}/{system.name}.{wildcards.ending}"


def planned_models(wildcards):
    """The models of a system's family, by name, the zero-field model first."""
    system = system_of(wildcards.system)
    kinds = config["predictors"].get(system.family, {})
    if "zero_field" not in kinds:
        raise WorkflowError(f"{system.name}: predictors.{system.family} names no zero_field model")
    names = sorted(kinds.values(), key=lambda name: name != kinds["zero_field"])
    return {name: MODELS[name] for name in names}


def slides_of(family: str, recipe: str = STANDARD) -> tuple[str, int]:
    """The label set with the finest plain slides of a family, and its slides per axis."""
    found = [
        (grid["slides_per_axis"], name)
        for name, label_set in LABEL_SETS.items()
        for grid in label_set.get("grids", [])
        if grid["family"] == family
        and 0 in grid.get("strains_percent", [0])
        and 0 in grid.get("fields_V_per_A", [0])
        and "layer_distances_A" not in grid
        and set_recipe(name) == recipe
    ]
    if not found:
        raise WorkflowError(f"labels.sets: no grid of plain {family} slides by recipe {recipe}")
    slides, name = max(found)
    return f"results/labels/{name}.nc", slides


def slides_beside(name: str) -> tuple[str, int]:
    """`slides_of` the family and recipe of a set of strips."""
    return slides_of(System.parse(frames(name)[0]).family, set_recipe(name))


# Figures


#: Models whose dipoles fig1f shows: AA, its response to a field, and AA'.
PARITY_MODELS = [
    config["predictors"][family][kind]
    for family, kind in (("AA", "zero_field"), ("AA", "response"), ("AAp", "zero_field"))
    if kind in config["predictors"].get(family, {})
]
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
