"""Which files the panels of figures are drawn from, and the maps behind them."""

from collections.abc import Callable, Mapping
from typing import Any

from moirepol.errors import ConfigError
from moirepol.structure.names import System
from moirepol.workflow.coverage import system_of

#: Panels that show a sweep, not systems.
SWEEP_PANELS = ("fig3g", "fig3h", "fig4j")
#: Panels of a charge density.
CHARGE_PANELS = ("fig2f", "fig3e", "fig3f", "fig4e", "fig4f")


def figure_files(config: Mapping[str, Any], figure: str) -> list[str]:
    """Return the pictures of a figure's panels.

    Parameters
    ----------
    config
        The settings.
    figure
        `fig1` to `fig4`.

    Returns
    -------
    list of str
        PDF and PNG of each panel. Its data lie beside them.
    """
    panels = config["figures"][figure]
    return [f"results/figures/{panel}.{ending}" for panel in panels for ending in ("pdf", "png")]


def systems_of(config: Mapping[str, Any], panel: str) -> list[str]:
    """Return the systems that a panel shows.

    Parameters
    ----------
    config
        The settings.
    panel
        Name of the panel.

    Returns
    -------
    list of str
        Names of systems, or of the one sweep, in the order of the settings.
    """
    return config["figures"][panel[:4]][panel]


def systems_shown(
    config: Mapping[str, Any],
    wanted: Callable[[str], bool] = lambda panel: panel not in SWEEP_PANELS,
) -> list[str]:
    """Return the systems of all panels of a kind.

    Parameters
    ----------
    config
        The settings.
    wanted
        Whether a panel counts; by default all panels of systems.

    Returns
    -------
    list of str
        Sorted names, each once.
    """
    panels = [panel for figure in config["figures"].values() for panel in figure if wanted(panel)]
    return sorted({system for panel in panels for system in systems_of(config, panel)})


def shown_files(config: Mapping[str, Any], kind: str, panel: str) -> list[str]:
    """Return the files of one kind that a panel is drawn from.

    Parameters
    ----------
    config
        The settings.
    kind
        Folder of the files: `maps`, `charge`, `dipoles` or `sweeps`.
    panel
        Name of the panel.

    Returns
    -------
    list of str
        One file for each system, or that of the configuration space of AA if the panel names none.
    """
    systems = systems_of(config, panel) or ["configuration_AA"]
    return [f"results/{kind}/{system}.nc" for system in systems]


def parity_models(config: Mapping[str, Any]) -> list[str]:
    """Return the models whose dipoles panel fig1f compares with DFT.

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


def map_of_one_period(name: str) -> str:
    """Return the map that a topological charge is computed from.

    Parameters
    ----------
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
    if not name.startswith("configuration"):
        _require_one_period(system_of(name))
    return f"results/maps/{name}.nc"


def _require_one_period(system: System) -> None:
    if system.n_periods == 0:
        raise ConfigError(
            f"{system.name}: a {system.geometry} does not hold all stackings and has no map"
        )
    if system.n_periods > 1:
        raise ConfigError(
            f"{system.name}: its cell holds {system.n_periods} periods of the pattern; a charge "
            "needs one, as twist-m-(m+1) and mismatch-n-(n+1) have"
        )


def canonical_file(config: Mapping[str, Any], stage: str, name: str, ending: str) -> str:
    """Return the file of a system that is asked for by another name.

    Parameters
    ----------
    config
        The settings.
    stage
        Folder of the file below ``results/``.
    name
        Another spelling of a system's name, or a twist angle or mismatch.
    ending
        Ending of the file, without the point.

    Returns
    -------
    str
        The file under the canonical name.

    Raises
    ------
    ConfigError
        If no system below `maps.maximum_atoms` has this name.
    """
    system = system_of(name, config["maps"]["maximum_atoms"])
    if system.distance_A == config["layer_distance_A"]:
        system = system.model_copy(update={"distance_A": None})
    return f"results/{stage}/{system.name}.{ending}"
