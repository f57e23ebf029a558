# Shared by all rule files.
#
# Conventions: A rule and its script scripts/<rule>.py have the same name, which starts with a verb.
# Inputs, outputs and params have the names of the arguments of the script's function. Every setting
# is a param. The log is logs/<rule>/{wildcards}.log, and the benchmark is
# benchmarks/<rule>/{wildcards}.tsv.

from functools import cache
from types import SimpleNamespace

from moirepol.console import say
from moirepol.dft.engine import engine_of
from moirepol.errors import ConfigError, JobError
from moirepol.structure.material import DEFAULT_MATERIAL, known_materials
from moirepol.structure.names import ANY_FAMILY, FAMILIES, OTHER_NAMES
from moirepol.structure.names import PATTERN as SYSTEM
from moirepol.structure.names import System, material_of, nearest, stacking_of
from moirepol.structure.symmetry import distinct_slides
from moirepol.workflow import coverage, figure_plan, label_plan, model_plan, own_structures
from moirepol.workflow.coverage import beyond_labels
from moirepol.workflow.digest import code_digest
from moirepol.workflow.configuration_checks import studies_used_for
from moirepol.workflow.provenance import sha256
from moirepol.workflow.label_cost import announcement
from moirepol.workflow.label_sets import (
    STANDARD,
    changes_of,
    geometries_of_sweep,
    lengths_of,
    recipe_of,
    settings_of,
    shipped_frames,
    systems_of_sweep,
)

BILAYER = "|".join(filter(None, [SYSTEM, own_structures.names_pattern(config)]))
OTHER_BILAYER = "|".join(filter(None, [OTHER_NAMES, own_structures.other_names_pattern(config)]))
#: Name of a map in any spelling.
ANY_MAP = f"configuration_{ANY_FAMILY}|{BILAYER}|{OTHER_BILAYER}"


wildcard_constraints:
    family=ANY_FAMILY,
    set="[a-z][a-z0-9_]*",
    model="[a-z][a-z0-9_]*",
    seed="[0-9]+",
    system=BILAYER,
    other_name=OTHER_BILAYER,
    map=f"configuration_{ANY_FAMILY}|{BILAYER}",
    frame=SYSTEM,
    panel="[a-z][a-z0-9_]*",
    sweep="[a-z][a-z0-9_]*",
    material="[A-Za-z0-9]+",


LABEL_SETS = config["labels"]["sets"]
# The shipped files are in the folder of the repository. The results may be in another folder.
SHIPPED_LABELS = shipped_path(ROOT, "resources/labels")
SHIPPED_POLARIZABILITIES = shipped_path(ROOT, "resources/polarizability")
SHIPPED_MONOLAYERS = shipped_path(ROOT, "resources/monolayer")
CLAIMS_TABLE = shipped_path(ROOT, "resources/claims.yaml")
SHIPPED_FRAMES = shipped_frames(SHIPPED_LABELS)
MODELS = config["models"]
VALIDATED_MODELS = [name for name, model in MODELS.items() if not model.get("study")]
SWEEPS = config["sweeps"]
CHECKS = config["labels"]["checks"]


# The functions below pass the settings and the wildcards to functions of the package (`label_plan`,
# `model_plan`, `figure_plan`). The functions of the package have docstrings.


def planned(function, *arguments):
    """Return the result of a function of the package. Its errors end the run in one line."""
    try:
        return function(config, *arguments)
    except (ConfigError, JobError) as error:
        sys.exit(f"error: {error}")


def growing(first):
    """Return a resource that is proportional to the attempt, for profiles with retries."""
    return lambda wildcards, attempt: attempt * first


def of_material(key: str, asked=lambda wildcards: wildcards.system):
    """Return a param: a length (`label_sets.LENGTHS`) of the material of a system."""
    return lambda wildcards: lengths_of(config, material_of(asked(wildcards)))[key]


#: Params of a rule that builds a system.
LENGTHS = {key: of_material(key) for key in ("lattice_constant_A", "layer_distance_A")}


# Labels


def set_recipe(name: str) -> str:
    return label_plan.set_recipe(config, name)


def set_settings(name: str) -> dict:
    return planned(label_plan.set_settings, name)


def family_settings(name: str) -> dict:
    """Return the settings of the labels that the predictions of a system's family use."""
    recipe = planned(label_plan.family_recipe, System.parse(name).family)
    return settings_for(recipe, name)


def settings_for(recipe: str, name: str) -> dict:
    """Return the settings of a recipe for the material of a system."""
    return planned(settings_of, recipe, material_of(name))


def frames(name: str) -> list[str]:
    return label_plan.frames(config, name)


@cache
def missing_frames(name: str) -> list[str]:
    return planned(label_plan.missing_frames, name, SHIPPED_FRAMES)


def label_inputs(wildcards) -> dict[str, str | list[str]]:
    missing = missing_frames(wildcards.set)
    return planned(label_plan.label_inputs, wildcards.set, missing, SHIPPED_LABELS)


def label_file(name: str) -> str:
    return f"results/labels/{name}.nc"


def relaxed_structure(wildcards) -> str | list:
    found = label_plan.relaxed_structure(
        config, wildcards.recipe, wildcards.frame, SHIPPED_FRAMES, SHIPPED_LABELS
    )
    return found[0] if found else []


def of_predicted_structure(file):
    """Return an input function: a file for a relaxed moire cell; empty for others."""

    def found(wildcards):
        system = System.parse(wildcards.frame)
        return file(system) if system.relaxed and system.n_periods else []

    return found


def audited_file(name: str) -> str:
    return label_plan.audited_file(config, name, SHIPPED_LABELS)


def own_sets() -> list[str]:
    return label_plan.own_sets(config)


def audited_sets() -> list[str]:
    return label_plan.audited_sets(config, SHIPPED_LABELS)


def recheckable(name: str) -> bool:
    return label_plan.is_recheckable(config, name)


def direct_labels(*geometries: str) -> list[str]:
    return label_plan.direct_labels(config, SHIPPED_LABELS, *geometries)


def start_labels() -> None:
    """Print, before the start, which labels are computed and how long this takes.

    If programs of these labels are missing or unsuitable, the run ends with one line. On a cluster
    and in a conda environment, the jobs have other programs than this process. Each job then checks
    its own programs.
    """
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "label_frame"]
    labels = [(job.wildcards.frame, job.params.settings["recipe"]) for job in jobs]
    if words := announcement(labels, SHIPPED_LABELS):
        say(words)
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        for engine in {engine_of(job.params.settings["recipe"]) for job in jobs}:
            planned(lambda config: engine.require_programs())


def label_group(wildcards) -> str | None:
    """Return the group of small labels. A profile may run several of them in one job."""
    return "small_labels" if System.parse(wildcards.frame).geometry == "slide" else None


def polarizability_file(slide: str) -> str:
    return planned(label_plan.polarizability_file, slide, SHIPPED_POLARIZABILITIES)


def slides_of(family: str, recipe: str | None = None) -> tuple[str, int]:
    return planned(label_plan.finest_slides, family, recipe)


def slides_beside(name: str) -> tuple[str, int]:
    return planned(label_plan.slides_beside, name)


# Models


def members(model: str, ending: str = "dp") -> list[str]:
    return model_plan.members(config, model, ending)


def protocol_of(model: str) -> dict:
    return model_plan.protocol_of(config, model)


def label_files(model: str, key: str = "labels") -> list[str]:
    return model_plan.label_files(config, model, key)


def models_of(kind: str, asked=lambda wildcards: wildcards.system):
    """Return an input function: the members that predict `kind` for a system."""
    return lambda wildcards: planned(model_plan.members_for, kind, asked(wildcards))


def first_relaxed_cell(wildcards) -> str:
    return planned(model_plan.relaxed_cells, wildcards.family)[0]


def strongest_field(wildcards) -> str:
    return model_plan.in_strongest_field(config, wildcards.sweep, wildcards.system)


def long_range_of(family: str) -> tuple[list[str], str | list]:
    """Return the members of the response model and the polarizability for the long range of a
    family. Both are empty if the family has no long range."""
    response = planned(model_plan.response_model, family)
    if response is None:
        return [], []
    return members(response), polarizability_file(config["long_range"][family])


def structure_of(wildcards) -> str | list:
    """Input function: the file of a structure of the user's own; empty for a system."""
    return planned(model_plan.structure_file, wildcards.system)


def labels_with_centres(wildcards) -> str:
    """Input function: the label set with the Wannier centres of a system."""
    return planned(label_plan.labels_with, wildcards.system)


def mapped_structure(wildcards) -> str | list:
    """Input function as `structure_of`. The cell of the structure must contain all stackings."""
    return planned(figure_plan.mapped_structure, wildcards.system)


def family_of(wildcards) -> str:
    return planned(model_plan.family_of, wildcards.system)


def gradient_of(wildcards) -> str | list:
    """Input function: the displacement gradient of a system's family; empty if there is none."""
    family = family_of(wildcards)
    return f"results/gradient/{family}.nc" if family in config["gradient"] else []


def errors_of(wildcards) -> str | list:
    """Input function: the calibration of the error of a system's family; empty if no study
    calibrates this error."""
    family = family_of(wildcards)
    if family not in ERROR_STUDIES:
        return []
    is_relaxed = structure_of(wildcards) or System.parse(wildcards.system).relaxed
    return planned(model_plan.errors_file, family, bool(is_relaxed))


def polarizability_of(wildcards) -> str | list:
    """Input function: the polarizability for the long range of a system; empty if none."""
    slide = config["long_range"].get(family_of(wildcards))
    return [] if slide is None else polarizability_file(slide)


def heights_of(wildcards) -> str | list:
    """Input function: the change of dipoles with the heights; empty if the heights are those of the
    models' labels."""
    return planned(model_plan.heights_of, wildcards.system)


def of_relaxed(file):
    """Return an input function: a file for a relaxed system; empty for others."""

    def found(wildcards):
        own = structure_of(wildcards)
        system = None if own else System.parse(wildcards.system)
        return file(system) if system and system.relaxed else []

    return found


stackings_of = of_relaxed(lambda system: f"results/stackings/{system.family}.nc")
relaxation_of = of_relaxed(
    lambda system: f"results/relaxation/{system.name}.nc" if system.n_periods else []
)


def monolayer_of(wildcards) -> str | list:
    """Input function: the constants of a layer, for relaxed bilayers and own structures."""
    material = material_of(family_of(wildcards))
    shaped = structure_of(wildcards) or System.parse(wildcards.system).relaxed
    return monolayer_file(material) if shaped else []


#: Inputs of a rule that predicts a system, by field of `moirepol.prediction.Prediction`.
PREDICTION = {
    "zero_field": models_of("zero_field"),
    "response": models_of("response"),
    "curvature": models_of("curvature"),
    "polarizability": polarizability_of,
    "gradient": gradient_of,
    "heights": heights_of,
    "stackings": stackings_of,
    "monolayer": monolayer_of,
    "relaxation": relaxation_of,
}


def stackings_of_heights(wildcards) -> int:
    """Return the number of stackings per axis in the labels of a family at other heights."""
    family = System.parse(wildcards.system).family
    return planned(label_plan.stackings_of_heights, family)


def translated_atoms(wildcards) -> list[str]:
    """Input function: relaxed atoms of every distinct stacking of the grid of heights."""
    family, n = System.parse(wildcards.system).family, stackings_of_heights(wildcards)
    slides = [System.parse(f"{family}_slide-{i}-{j}-{n}") for i, j in distinct_slides(n, family)]
    return [f"results/atoms/{slide.name}.nc" for slide in slides]


def monolayer_file(material: str) -> str:
    return planned(label_plan.monolayer_file, material, SHIPPED_MONOLAYERS)


def on_page(folder: str):
    """Return an input function: files of the maps on a page, in a folder of results."""
    return lambda wildcards: [
        f"results/{folder}/{name}.nc" for name in planned(figure_plan.maps_on_page, wildcards.map)
    ]


def compared(folder: str):
    """Return an input function: files of the two maps of a comparison, in a folder of results."""

    def files(wildcards):
        names = wildcards.one, wildcards.other
        return [planned(figure_plan.canonical_file, folder, name, ".nc") for name in names]

    return files


def of_bilayer(function, otherwise=()):
    """Return an input function of a page, made from an input function of a system.

    If the page shows a configuration map, the input is `otherwise`.
    """

    def files(wildcards):
        if wildcards.map.startswith("configuration"):
            return otherwise
        return function(SimpleNamespace(system=wildcards.map, map=wildcards.map))

    return files


def relaxed_page(wildcards) -> str:
    """Page that contains a rigid bilayer and its relaxed counterpart; empty if there is none."""
    return planned(figure_plan.relaxed_page, wildcards.system)


def planned_models(wildcards) -> dict[str, dict]:
    return planned(model_plan.planned_models, wildcards.system)


def kept_at_distance(wildcards) -> str:
    return planned(coverage.kept_at_distance, wildcards.system)


# Studies


def shipping(name: str) -> list[bool]:
    return label_plan.shipping(config, name, SHIPPED_FRAMES)


def ready(name: str) -> bool:
    return label_plan.is_ready(config, name, SHIPPED_FRAMES)


def validation_labels(name: str) -> str:
    return label_plan.validation_file(config, name, SHIPPED_FRAMES, SHIPPED_LABELS)


def studies() -> dict[str, dict]:
    """Return the studies whose labels are available."""
    possible = {}
    for name, study in config["studies"].items():
        learned = {s for model in study["models"].values() for s in MODELS[model]["labels"]}
        family = MODELS[study["models"]["zero_field"]]["family"]
        learned |= set(config["gradient"][family]) if study.get("gradient") else set()
        validating = [s for s in study["labels"] if ready(s) or any(shipping(s))]
        if validating and all(map(ready, learned)):
            possible[name] = study | {"labels": validating}
    return possible


STUDIES = studies()


def family_of_study(name: str) -> str:
    return MODELS[STUDIES[name]["models"]["zero_field"]]["family"]


def terms_of_study(name: str) -> str:
    """Return the terms of the physics that a study contains, for a legend."""
    study = STUDIES[name]
    terms = ["displacement gradient"] if study.get("gradient") else []
    terms += ["long range"] if "long_range" in study else []
    return " + ".join(["local stacking", *terms])


#: Family -> studies with which the errors of this family are calibrated.
ERROR_STUDIES = {
    family: [s for s in studies_used_for("errors", STUDIES) if family_of_study(s) == family]
    for family in map(family_of_study, studies_used_for("errors", STUDIES))
}


def studied(kind: str):
    """Input function: the members that predict `kind` in a study."""

    def files(wildcards):
        model = STUDIES[wildcards.study]["models"].get(kind)
        return members(model) if model else []

    return files


# Maps and figures


def one_period(wildcards) -> str:
    return planned(figure_plan.map_of_one_period, wildcards.map)


def file_by_name(wildcards) -> str:
    names = wildcards.stage, wildcards.other_name, wildcards.ending
    return planned(figure_plan.canonical_file, *names)


def figure_files(*figures: str) -> list[str]:
    return figure_plan.figure_files(config, *figures)


def panels_of_figure(figure: str) -> list[str]:
    return [f"results/figures/{name}.pdf" for name in figure_plan.panels_in(config, figure)]


def systems_shown(*plots: str) -> list[str]:
    return figure_plan.systems_shown(config, *plots)


def relaxed_systems(systems: list[str]) -> list[str]:
    return figure_plan.relaxed_systems(config, systems)


def panel_inputs(plot: str) -> dict:
    """Input functions of a kind of plot, by argument of its script."""

    def files(argument):
        return lambda wildcards: planned(
            figure_plan.panel_input, argument, wildcards.panel, SHIPPED_LABELS
        )

    return {argument: files(argument) for argument in figure_plan.PLOTS[plot].inputs}


def panel_params(plot: str) -> dict:
    """Functions of the wildcards for the params of a kind of plot, by argument of its script."""

    def value(argument):
        return lambda wildcards: planned(figure_plan.panel_param, argument, wildcards.panel)

    kind = figure_plan.PLOTS[plot]
    return {argument: value(argument) for argument in (*kind.params, *kind.options)}


def any_panel_of(plot: str) -> str:
    """Regular expression of the panels of a kind of plot."""
    return "|".join(figure_plan.panels_of(config, plot))


# Materials

#: Stackings N, A and G.
PAGE_SLIDES = ["slide-1-1-3", "slide-0-1-2", "slide-0-0-1"]


def parallel_family(material: str) -> str:
    return "AA" if material == DEFAULT_MATERIAL else f"{material}-AA"


def page_slides(material: str) -> list[str]:
    return planned(label_plan.page_slides, parallel_family(material), PAGE_SLIDES)


def finer_recipes(material: str) -> dict[str, dict]:
    return planned(label_plan.finer_recipes, parallel_family(material))
