"""Which files the panels of figures are drawn from, and the maps behind them.

The section `figures` of the settings is the table of panels, `PLOTS` that of the kinds of plot.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from moirepol.errors import ConfigError
from moirepol.structure.names import ANY_FAMILY, System, material_of
from moirepol.workflow import label_plan, own_structures
from moirepol.workflow.coverage import predictors_of, system_of
from moirepol.workflow.label_sets import lengths_of, systems_of_sweep

Config = Mapping[str, Any]
Panel = Mapping[str, Any]
#: Files of an input: from the settings, those of the panel, and the folder of shipped labels.
Files = Callable[[Config, Panel, str], str | list[str]]

#: Name of a map of configuration space; it may replace a system's name.
SPACE = re.compile(f"configuration_({ANY_FAMILY})")
#: Name of a panel of a numbered figure, e.g. fig2d.
NUMBERED = re.compile("(fig[0-9]+)([a-z])")


@dataclass(frozen=True)
class Plot:
    """A kind of plot, drawn by the script ``plot_<kind>``.

    Parameters
    ----------
    shows
        What a panel of this kind names: one system, one map (of a system or a configuration space),
        one configuration space, several systems, one sweep, or nothing.
    inputs
        Files by argument of the script.
    params
        Values by argument of the script, each a function of the settings and those of the panel.
    required, optional
        Further settings of a panel that the script takes as arguments.
    """

    shows: Literal["system", "map", "space", "systems", "sweep", "nothing"]
    inputs: Mapping[str, Files] = field(default_factory=dict)
    params: Mapping[str, Callable[[Config, Panel], Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """Settings of a panel that the script takes as arguments."""
        return *self.required, *self.optional


def _one(folder: str) -> Files:
    """Return the file of the panel's system or sweep in a folder of results."""
    return lambda config, panel, labels: f"results/{folder}/{_names(panel)[0]}.nc"


def _each(folder: str) -> Files:
    """Return the files of the panel's systems in a folder of results."""
    return lambda config, panel, labels: [f"results/{folder}/{name}.nc" for name in _names(panel)]


def _names(panel: Panel) -> list[str]:
    return [panel["sweep"]] if "sweep" in panel else panel["systems"]


def _direct(*geometries: str) -> Files:
    """Return the audited label sets that contain cells of some geometries."""

    def files(config: Config, panel: Panel, labels: str) -> list[str]:
        named = panel if "systems" in panel else config["sweeps"][panel["sweep"]]
        material = material_of(systems_of_sweep(named)[0])
        return label_plan.direct_labels(config, labels, *geometries, material=material)

    return files


def _slides(family: str) -> Files:
    """Return the label set with the finest grid of untwisted bilayers of a family."""
    return lambda config, panel, labels: label_plan.finest_slides(config, family)[0]


def _label(config: Config, panel: Panel, labels: str) -> list[str]:
    return label_plan.label_of_system(config, labels, panel["systems"][0])


def _space(config: Config, panel: Panel, labels: str) -> str:
    return f"results/maps/configuration_{System.parse(panel['systems'][0]).family}.nc"


def _parities(config: Config, panel: Panel, labels: str) -> list[str]:
    return [f"results/models/{model}/parity.nc" for model in parity_models(config)]


def _family(config: Config, panel: Panel) -> str:
    return panel["systems"][0].removeprefix("configuration_")


def _trained_eta(config: Config, panel: Panel) -> list[float]:
    (first, *_) = systems_of_sweep(config["sweeps"][panel["sweep"]])
    return label_plan.trained_eta(config, System.parse(first).family)


def _length(config: Config, panel: Panel, key: str) -> float:
    return lengths_of(config, material_of(panel["systems"][0]))[key]


#: Lengths that structures are built with.
_LENGTHS: dict[str, Callable[[Config, Panel], Any]] = {
    "lattice_constant_A": lambda config, panel: _length(config, panel, "lattice_constant_A"),
    "layer_distance_A": lambda config, panel: _length(config, panel, "layer_distance_A"),
}

#: Kind of plot: what it shows and what its script gets.
PLOTS: dict[str, Plot] = {
    "stackings": Plot(
        "space", {"configuration_map": _one("maps")}, {"family": _family, **_LENGTHS}
    ),
    "out_of_plane": Plot("map", {"polarization_map": _one("maps")}, optional=("largest_eA",)),
    "in_plane": Plot("map", {"polarization_map": _one("maps")}),
    "pattern": Plot("map", {"polarization_map": _one("maps")}),
    "charge": Plot("map", {"charge": _one("charge")}),
    "wannier_centres": Plot("nothing", {"parallel": _slides("AA"), "antiparallel": _slides("AAp")}),
    "parity": Plot("nothing", {"parities": _parities}),
    "structure": Plot("system", {}, {"system": lambda _, panel: panel["systems"][0], **_LENGTHS}),
    "site_dipoles": Plot("system", {"dipoles": _one("dipoles")}),
    "comparison": Plot("system", {"dipoles": _one("dipoles"), "labels": _label}),
    "relaxed_maps": Plot("systems", {"polarization_maps": _each("maps")}),
    "domains": Plot("systems", {"polarization_maps": _each("maps"), "charges": _each("charge")}),
    "switching": Plot("systems", {"polarization_maps": _each("maps")}),
    "walls": Plot("systems", {"terms": _each("terms")}),
    "paths": Plot("systems", {"polarization_maps": _each("maps")}, required=("quantity",)),
    "angles": Plot("systems", {"polarization_maps": _each("maps"), "labels": _direct("twist")}),
    "amplitudes": Plot(
        "systems",
        {"dipoles": _each("dipoles"), "configuration_map": _space, "labels": _direct("twist")},
    ),
    "mismatch": Plot(
        "sweep",
        {"sweep": _one("sweeps"), "labels": _direct("mismatch")},
        {"trained_eta": _trained_eta},
    ),
    "phases": Plot("sweep", {"sweep": _one("sweeps")}),
    "charges": Plot("sweep", {"sweep": _one("sweeps")}),
}


def figure_of(panel: str) -> str:
    """Return the figure that a panel belongs to.

    Parameters
    ----------
    panel
        Name of the panel.

    Returns
    -------
    str
        `fig2` for `fig2d`; the panel's own name if it has no number.
    """
    numbered = NUMBERED.fullmatch(panel)
    return numbered[1] if numbered else panel


def numbered_figures(config: Config) -> list[str]:
    """Return the figures that are targets.

    Parameters
    ----------
    config
        The settings.

    Returns
    -------
    list of str
        Sorted names of the figures with a number, e.g. `fig1`.
    """
    return sorted({figure_of(panel) for panel in config["figures"] if NUMBERED.fullmatch(panel)})


def panels_in(config: Config, figure: str) -> list[str]:
    """Return the panels of a figure, sorted by their letters."""
    return sorted(panel for panel in config["figures"] if figure_of(panel) == figure)


def letters_of(config: Config, figure: str) -> list[str]:
    """Return the letters of the panels of a numbered figure, sorted."""
    return [panel.removeprefix(figure) for panel in panels_in(config, figure)]


def figure_files(config: Config, *figures: str) -> list[str]:
    """Return the pictures of figures.

    Parameters
    ----------
    config
        The settings.
    *figures
        Names of figures; all of them and all panels if none is given.

    Returns
    -------
    list of str
        PDF and PNG of each panel, and the PDF of each numbered figure. The data of a panel are
        in the same folder.
    """
    panels = [name for name in config["figures"] if not figures or figure_of(name) in figures]
    whole = [name for name in numbered_figures(config) if not figures or name in figures]
    return [
        *(f"results/figures/{panel}.{ending}" for panel in panels for ending in ("pdf", "png")),
        *(f"results/figures/{figure}.pdf" for figure in whole),
    ]


def report_category(panel: str) -> str:
    """Return the category of the report that lists a panel.

    Parameters
    ----------
    panel
        Name of the panel.

    Returns
    -------
    str
        `Fig. 2` for `fig2d`; `Further panels` if the panel has no number.
    """
    numbered = NUMBERED.fullmatch(panel)
    return f"Fig. {numbered[1].removeprefix('fig')}" if numbered else "Further panels"


def first_sentence(config: Config, panel: str) -> str:
    """Return what a panel shows, from its caption, with the system if there is one."""
    sentences = config["figures"][panel]["caption"].split(". ")
    told = [sentence for sentence in sentences if not sentence.startswith("No panel of the paper")]
    systems = config["figures"][panel].get("systems", [])
    shown = f" ({systems[0]})" if len(systems) == 1 else ""
    return f"{told[0].strip().rstrip('.')}{shown}"


def plots_in_use(config: Config) -> list[str]:
    """Return the kinds of plot that some panel has.

    Parameters
    ----------
    config
        The settings.

    Returns
    -------
    list of str
        Keys of `PLOTS`, in its order.
    """
    return [plot for plot in PLOTS if panels_of(config, plot)]


def panels_of(config: Config, plot: str) -> list[str]:
    """Return the panels of a kind of plot.

    Parameters
    ----------
    config
        The settings.
    plot
        Key of `PLOTS`.

    Returns
    -------
    list of str
        Names of panels in the order of the settings.
    """
    return [name for name, panel in config["figures"].items() if panel["plot"] == plot]


def panel_input(config: Config, argument: str, name: str, labels: str) -> str | list[str]:
    """Return the files of an argument of a panel's script.

    Parameters
    ----------
    config
        The settings.
    argument
        Argument of the script.
    name
        Name of the panel.
    labels
        The folder of shipped labels.

    Returns
    -------
    str or list of str
        One file, or files in the order of the panel's systems.

    Raises
    ------
    ConfigError
        If the settings define no such file.
    """
    panel = config["figures"][name]
    return PLOTS[panel["plot"]].inputs[argument](config, panel, labels)


def panel_param(config: Config, argument: str, name: str) -> Any:
    """Return the value of an argument of a panel's script.

    Parameters
    ----------
    config
        The settings.
    argument
        Argument of the script.
    name
        Name of the panel.

    Returns
    -------
    object
        The panel's own setting, or what follows from the settings.
    """
    panel = config["figures"][name]
    plot = PLOTS[panel["plot"]]
    return panel.get(argument) if argument in plot.options else plot.params[argument](config, panel)


def systems_shown(config: Config, *plots: str) -> list[str]:
    """Return the systems of all panels that show predictions.

    Parameters
    ----------
    config
        The settings.
    *plots
        Keys of `PLOTS`; only panels of these kinds count. All count if none is given.

    Returns
    -------
    list of str
        Sorted names, each once, without configuration spaces.
    """
    return sorted(
        {
            system
            for panel in config["figures"].values()
            for system in panel.get("systems", [])
            if PLOTS[panel["plot"]].inputs
            and (not plots or panel["plot"] in plots)
            and not SPACE.fullmatch(system)
        }
    )


def relaxed_systems(config: Config, systems: Iterable[str]) -> list[str]:
    """Return the relaxed counterparts of rigid moire bilayers.

    Parameters
    ----------
    config
        The settings.
    systems
        Names of bilayers. Translated and relaxed ones have no counterpart.

    Returns
    -------
    list of str
        Names with the option ``relaxed``, for the stacking families that can be relaxed.
    """
    return [
        system.model_copy(update={"relaxed": True}).name
        for system in map(System.parse, systems)
        if system.n_periods and not system.relaxed and system.family in config["heights"]
    ]


def maps_on_page(config: Config, name: str) -> list[str]:
    """Return the maps that one page shows.

    Parameters
    ----------
    config
        The settings.
    name
        Name of the page.

    Returns
    -------
    list of str
        The name itself; for a relaxed system also its rigid counterpart.
    """
    if SPACE.fullmatch(name) or own_structures.find(config, name):
        return [name]
    system = System.parse(name)
    rigid = system.model_copy(update={"relaxed": False})
    return [name, rigid.name] if system.relaxed else [name]


def relaxed_page(config: Config, name: str) -> str:
    """Return the page that shows a rigid bilayer together with its relaxed counterpart.

    Parameters
    ----------
    config
        The settings.
    name
        Name of a bilayer.

    Returns
    -------
    str
        File of the page; empty if there is no relaxed counterpart.
    """
    if own_structures.find(config, name) or System.parse(name).distance_A is not None:
        return ""
    for relaxed in relaxed_systems(config, [name]):
        try:
            predictors_of(config, relaxed)
        except ConfigError:
            return ""
        return f"results/views/{relaxed}.html"
    return ""


def parity_models(config: Mapping[str, Any]) -> list[str]:
    """Return the models whose dipoles the plot `parity` compares with DFT.

    Parameters
    ----------
    config
        The settings.

    Returns
    -------
    list of str
        The predictors of AA, of its response to a field, and of AA', as far as they exist.
    """
    wanted = (("AA", "zero_field"), ("AA", "response"), ("AAp", "zero_field"))
    predictors = config["predictors"]
    return [
        predictors[family][kind] for family, kind in wanted if kind in predictors.get(family, {})
    ]


def mapped_structure(config: Mapping[str, Any], name: str) -> str | list[str]:
    """Return the file of a structure of the user's own that is mapped; empty for a system.

    Parameters
    ----------
    config
        The settings.
    name
        Name of the bilayer.

    Returns
    -------
    str or list
        The file, or an empty list.

    Raises
    ------
    ConfigError
        If the cell of the structure does not contain all stackings.
    """
    own = own_structures.find(config, name)
    if own is None:
        return []
    own_structures.require_map(own)
    return own.path


def map_of_one_period(config: Mapping[str, Any], name: str) -> str:
    """Return the map that a topological charge is computed from.

    Parameters
    ----------
    config
        The settings.
    name
        A system's name, or `configuration_<family>`.

    Returns
    -------
    str
        File of the map.

    Raises
    ------
    ConfigError
        If the cell does not contain exactly one period of the pattern.
    """
    if own := own_structures.find(config, name):
        own_structures.require_map(own, one_period=True)
    elif not name.startswith("configuration"):
        _require_one_period(system_of(name))
    return f"results/maps/{name}.nc"


def _require_one_period(system: System) -> None:
    if system.n_periods == 0:
        raise ConfigError(
            f"{system.name}: a {system.geometry} does not contain all stackings and has no map"
        )
    if system.n_periods > 1:
        raise ConfigError(
            f"{system.name}: its cell contains {system.n_periods} periods of the pattern; a charge "
            "needs one, as twist-m-(m+1) and mismatch-n-(n+1) have"
        )


def canonical_file(config: Mapping[str, Any], stage: str, name: str, ending: str) -> str:
    """Return the file of a system, or of a configuration space, by any of its names.

    Parameters
    ----------
    config
        The settings.
    stage
        Folder of the file below ``results/``.
    name
        Another spelling of a system's name, or a twist angle or mismatch.
    ending
        Ending of the file, with the point.

    Returns
    -------
    str
        The file under the canonical name.

    Raises
    ------
    ConfigError
        If no system has this name, or none below `maps.maximum_atoms` for dipoles. Maps are made
        without atoms and have no limit.
    """
    if own := own_structures.canonical_name(config, name):
        return f"results/{stage}/{own}{ending}"
    if SPACE.fullmatch(name):
        return f"results/{stage}/{name}{ending}"
    has_atoms = stage == "dipoles" or ending.endswith(("extxyz", "cube"))
    limit = config["maps"]["maximum_atoms"] if has_atoms else sys.maxsize
    system = system_of(name, limit)
    if system.distance_A == lengths_of(config, system.material)["layer_distance_A"]:
        system = system.model_copy(update={"distance_A": None})
    return f"results/{stage}/{system.name}{ending}"
