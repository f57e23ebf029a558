"""Rules between settings that the schema cannot state."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from moirepol.errors import ConfigError
from moirepol.structure.names import System
from moirepol.workflow.coverage import parse_name, predictors_of
from moirepol.workflow.figure_plan import PLOTS, SPACE
from moirepol.workflow.label_sets import (
    STANDARD,
    frames_of,
    material_of_set,
    recipe_of,
    settings_of,
    systems_of_sweep,
)
from moirepol.workflow.model_plan import PAPER

#: Digits after the point that names of systems have room for.
DIGITS = {"strains_percent": 2, "layer_distances_A": 3, "fields_V_per_A": 4}


def check_relations(config: Mapping[str, Any]) -> None:
    """Check the rules between settings.

    Parameters
    ----------
    config
        Settings that the schema allows.

    Raises
    ------
    ConfigError
        If a setting contradicts another one. The line gives key, value and what is allowed.
    """
    _check_recipes(config)
    _check_label_sets(config)
    _check_models(config)
    _check_predictors(config)
    _check_heights(config)
    _check_sweeps(config)
    _check_figures(config)
    _check_protocols(config)
    _check_studies(config)
    _check_long_range(config)


def _check_recipes(config: Mapping[str, Any]) -> None:
    """Check that the density's cut-off is at least four times that of the wave functions."""
    for name in (STANDARD, *config["labels"]["variants"]):
        recipe = recipe_of(config, name)
        if recipe["ecutrho_Ry"] < 4 * recipe["ecutwfc_Ry"]:
            raise ConfigError(
                f"recipe {name}, ecutrho_Ry = {recipe['ecutrho_Ry']}: allowed is at least "
                f"4 x ecutwfc_Ry = {4 * recipe['ecutwfc_Ry']}"
            )


def _check_label_sets(config: Mapping[str, Any]) -> None:
    """Label sets contain known systems, values that names have digits for, and a known recipe."""
    for name, label_set in config["labels"]["sets"].items():
        _systems(f"labels.sets.{name}.systems", label_set.get("systems", []))
        for number, grid in enumerate(label_set.get("grids", [])):
            for key, digits in DIGITS.items():
                for value in grid.get(key, []):
                    if round(value, digits) != value:
                        raise ConfigError(
                            f"labels.sets.{name}.grids.{number}.{key} = {value}: allowed is a "
                            f"multiple of {10**-digits}"
                        )
        recipe = label_set.get("recipe", STANDARD)
        _known(f"labels.sets.{name}.recipe", recipe, {STANDARD, *config["labels"]["variants"]})
        try:
            settings_of(config, recipe, material_of_set(label_set))
        except ConfigError as error:
            raise ConfigError(f"labels.sets.{name}: {error}") from None


def _check_models(config: Mapping[str, Any]) -> None:
    """Models learn from known sets that are not held out, by a known protocol."""
    for name, model in config["models"].items():
        for label_set in model["labels"]:
            _known(f"models.{name}.labels", label_set, config["labels"]["sets"])
            if config["labels"]["sets"][label_set].get("use") == "validation":
                raise ConfigError(
                    f"models.{name}.labels = {label_set!r}: allowed is a set for training, this "
                    "one is held out (use: validation)"
                )
        _known(f"models.{name}.protocol", model.get("protocol", PAPER), config["protocols"])


def _check_predictors(config: Mapping[str, Any]) -> None:
    """Predictors are models of their kind and family, uniaxial cells are of their family."""
    for family, kinds in config["predictors"].items():
        for kind, name in kinds.items():
            _predictor(config, f"predictors.{family}.{kind}", family, kind, name)
    for family, names in config["gradient"].items():
        for name in names:
            _gradient_cells(f"gradient.{family}", name, family, config)
        recipes = {config["labels"]["sets"][name].get("recipe", STANDARD) for name in names}
        if len(recipes) > 1:
            raise ConfigError(
                f"gradient.{family} = {names}: allowed are label sets of one recipe, "
                f"found are {' and '.join(sorted(recipes))}"
            )


def _check_heights(config: Mapping[str, Any]) -> None:
    """Label sets of other heights are known, of their family and not held out."""
    for family, kinds in config["heights"].items():
        for kind in ("distance", "relaxed"):
            key, in_field = f"heights.{family}.{kind}", []
            for name in kinds[kind]:
                _known(key, name, config["labels"]["sets"])
                label_set = config["labels"]["sets"][name]
                systems = [System.parse(frame) for frame in frames_of(label_set)]
                if label_set.get("use") == "validation" or any(
                    (system.family, system.geometry) != (family, "slide")
                    or (system.relaxed if kind == "distance" else not system.relaxed)
                    for system in systems
                ):
                    raise ConfigError(
                        f"{key} = {name!r}: allowed is a set of "
                        f"{'flat' if kind == 'distance' else 'relaxed'} translated bilayers of "
                        f"{family}, not held out"
                    )
                in_field.append(any(system.field_V_per_A for system in systems))
            if in_field[:2] != [False, True]:
                raise ConfigError(
                    f"{key} = {', '.join(kinds[kind])}: allowed are at least two sets, the first "
                    "without a field, the second in a field"
                )
        if name := kinds.get("validation"):
            key = f"heights.{family}.validation"
            _known(key, name, config["labels"]["sets"])
            label_set = config["labels"]["sets"][name]
            systems = [System.parse(frame) for frame in frames_of(label_set)]
            if label_set.get("use") != "validation" or not all(
                system.family == family and system.relaxed and system.n_periods
                for system in systems
            ):
                raise ConfigError(
                    f"{key} = {name!r}: allowed is a set of relaxed moiré cells of {family}, with "
                    "use: validation"
                )


def _check_sweeps(config: Mapping[str, Any]) -> None:
    """Sweeps contain systems that the models predict."""
    for name, sweep in config["sweeps"].items():
        _sweep(f"sweeps.{name}", sweep, config)


def _check_figures(config: Mapping[str, Any]) -> None:
    """Panels have a known kind of plot and show what this kind needs."""
    for name, panel in config["figures"].items():
        _check_panel(f"figures.{name}", panel, config)


def _check_panel(key: str, panel: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Check a panel against its kind of plot."""
    _known(f"{key}.plot", panel["plot"], PLOTS)
    plot = PLOTS[panel["plot"]]
    entry = {"sweep": "sweep", "nothing": None}.get(plot.shows, "systems")
    needed = [*([entry] if entry else []), *plot.options]
    for option in needed:
        if option not in panel and option not in plot.optional:
            raise ConfigError(f"{key}: key {option!r} is missing, plot {panel['plot']!r} needs it")
    for option in panel:
        if option not in ("plot", "caption", *needed):
            allowed = ", ".join(("plot", *needed, "caption"))
            raise ConfigError(
                f"{key}.{option} = {panel[option]!r}: allowed keys with plot {panel['plot']!r} are "
                f"{allowed}"
            )
    if entry == "sweep":
        _known(f"{key}.sweep", panel["sweep"], config["sweeps"])
    elif entry == "systems":
        _check_systems_of_panel(f"{key}.systems", panel, config)
    elif panel["plot"] == "parity" and "AA" not in config["predictors"]:
        raise ConfigError(f"{key}: predictors.AA names no zero_field model")


def _check_systems_of_panel(key: str, panel: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Check the number of systems of a panel and that the models predict them."""
    names, plot = panel["systems"], PLOTS[panel["plot"]]
    allowed = {
        "system": "one system",
        "map": "one system or configuration space",
        "space": "one configuration space, such as configuration_AA or configuration_AAp",
        "systems": "at least 1 system",
    }[plot.shows]
    if not names or (plot.shows != "systems" and len(names) > 1):
        raise ConfigError(f"{key} = {names}: allowed is {allowed}")
    for name in names:
        is_space = bool(SPACE.fullmatch(name))
        if is_space and plot.shows in ("map", "space"):
            continue
        if is_space or plot.shows == "space":
            raise ConfigError(f"{key} = {name!r}: allowed is {allowed}")
        _systems(key, [name])
        if plot.inputs:
            try:
                predictors_of(config, name)
            except ConfigError as error:
                raise ConfigError(f"{key} = {name!r}: {error}") from None


def _check_protocols(config: Mapping[str, Any]) -> None:
    """Lengths and widths of a network fit together."""
    for name, protocol in config["protocols"].items():
        _at_most(f"protocols.{name}", protocol, "rcut_smooth_A", protocol["rcut_A"])
        _at_most(f"protocols.{name}", protocol, "axis_neurons", protocol["descriptor_neurons"][-1])


def _check_studies(config: Mapping[str, Any]) -> None:
    """Studies name known models, label sets and slides."""
    for name, study in config["studies"].items():
        for label_set in study["labels"]:
            _known(f"studies.{name}.labels", label_set, config["labels"]["sets"])
        key = f"studies.{name}.models"
        _known(f"{key}.zero_field", study["models"]["zero_field"], config["models"])
        family = config["models"][study["models"]["zero_field"]]["family"]
        for kind, model in study["models"].items():
            _predictor(config, f"{key}.{kind}", family, kind, model)
        if study.get("gradient"):
            _known(f"studies.{name}.gradient, family", family, config["gradient"])
        if "long_range" in study:
            _slide(f"studies.{name}.long_range", study["long_range"], family)
            if "response" not in study["models"]:
                raise ConfigError(f"{key}: key 'response' is missing, the long range needs it")
        if "errors" in study.get("used_for", []):
            _errors(name, study)
    _check_labels_of_studies(config["studies"])


def _check_labels_of_studies(studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that no two studies have the same label in the figure."""
    owners: dict[str, str] = {}
    for name, study in studies.items():
        if "label" in study and owners.setdefault(study["label"], name) != name:
            raise ConfigError(
                f"studies.{name}.label = {study['label']!r}: allowed is another label, "
                f"{owners[study['label']]} has the same"
            )


def studies_used_for(use: str, studies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of the studies whose `used_for` contains a use.

    Parameters
    ----------
    use
        Entry of `used_for`.
    studies
        The settings ``studies``.

    Returns
    -------
    list of str
        Names in the order of the configuration.
    """
    return [name for name, study in studies.items() if use in study.get("used_for", [])]


def _check_long_range(config: Mapping[str, Any]) -> None:
    """Check that the long range of a family comes from one of its slides."""
    for family, slide in config["long_range"].items():
        _slide(f"long_range.{family}", slide, family)


def _sweep(key: str, sweep: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Check that a sweep has bilayers, all of them moiré cells that the models can predict."""
    for name in sweep.get("systems", []):
        try:
            parse_name(name, sys.maxsize)
        except ConfigError as error:
            raise ConfigError(f"{key}.systems = {name!r}: {error}") from None
    names = systems_of_sweep(sweep)
    if not names:
        raise ConfigError(f"{key}: allowed is at least 1 entry of systems or twist_angles_deg")
    field = max(sweep.get("fields_V_per_A", [0]), key=abs)
    for name in names:
        system = System.parse(name)
        if not system.n_periods or system.strain_percent or system.field_V_per_A:
            raise ConfigError(
                f"{key}.systems = {name!r}: allowed is a moire cell without strain and field"
            )
        try:
            predictors_of(config, system.model_copy(update={"field_V_per_A": field}).name)
        except ConfigError as error:
            raise ConfigError(f"{key}, {name}: {error}") from None


def _systems(key: str, names: list[str]) -> None:
    """Every name must be a system's, in the one spelling that files are named by."""
    for name in names:
        try:
            canonical = parse_name(name).name
        except ConfigError as error:
            raise ConfigError(f"{key} = {name!r}: allowed is a system's name, {error}") from None
        if name != canonical:
            raise ConfigError(f"{key} = {name!r}: allowed is {canonical!r}")


def _slide(key: str, name: str, family: str) -> None:
    """Check that a name is that of a slide of the family without a field."""
    _systems(key, [name])
    system = System.parse(name)
    if (system.family, system.geometry, system.field_V_per_A) != (family, "slide", 0):
        raise ConfigError(f"{key} = {name!r}: allowed is a slide of {family} without a field")


def _errors(name: str, study: Mapping[str, Any]) -> None:
    """Check that a study can calibrate the error of predictions."""
    if not study.get("gradient"):
        raise ConfigError(f"studies.{name}.gradient = False: used_for: [errors] needs True")


def _gradient_cells(key: str, name: str, family: str, config: Mapping[str, Any]) -> None:
    """Check that a name is that of a set of fitted cells with a gradient, without a field."""
    _known(key, name, config["labels"]["sets"])
    label_set = config["labels"]["sets"][name]
    systems = [System.parse(frame) for frame in frames_of(label_set)]
    if label_set.get("use") == "validation" or any(
        (system.family, system.field_V_per_A) != (family, 0)
        or system.geometry == "slide"
        or system.relaxed
        for system in systems
    ):
        raise ConfigError(
            f"{key} = {name!r}: allowed is a set of uniaxial cells (strip, shear) or rigid moiré "
            f"cells of {family}, without a field and not held out"
        )


def _predictor(config: Mapping[str, Any], key: str, family: str, kind: str, name: str) -> None:
    """Check that a name is that of a model of this kind and family."""
    _known(key, name, config["models"])
    model = config["models"][name]
    if (model["family"], model["kind"]) != (family, kind):
        raise ConfigError(
            f"{key} = {name!r}: a {model['kind']} model of {model['family']}, "
            f"wanted is a {kind} model of {family}"
        )


def _at_most(section: str, settings: Mapping[str, Any], key: str, limit: float) -> None:
    if settings[key] > limit:
        raise ConfigError(f"{section}.{key} = {settings[key]}: allowed is a number <= {limit}")


def _known(key: str, value: str, names: Iterable[str]) -> None:
    if value not in names:
        raise ConfigError(f"{key} = {value!r}: allowed is one of {', '.join(sorted(names))}")
