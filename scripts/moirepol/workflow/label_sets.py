"""Which frames a label set is made of, which of them ship, and with what settings."""

import csv
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from moirepol.structure.building import distinct_slides
from moirepol.structure.names import System, nearest

INDEX = "index.csv"
CHECKSUMS = "SHA256SUMS"
STANDARD = "standard"
REFUSED = ".refused"


def recipe_of(config: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    """The settings of a named recipe: the standard ones with the recipe's own on top."""
    labels = config["labels"]
    changes = {} if recipe == STANDARD else labels["variants"][recipe]
    return labels["recipe"] | changes


def frames_of(label_set: Mapping[str, Any]) -> list[str]:
    """Names of a set's frames: every distinct slide of its grids, then its named systems."""
    names = []
    for grid in label_set.get("grids", []):
        family = grid["family"]
        for distance in grid.get("layer_distances_A", [None]):
            for field in grid.get("fields_V_per_A", [0.0]):
                for strain in grid.get("strains_percent", [0.0]):
                    n = grid["slides_per_axis"]
                    for i, j in distinct_slides(n, family, field):
                        system = System(
                            family=family,
                            geometry="slide",
                            indices=(i, j, n),
                            strain_percent=strain,
                            distance_A=distance,
                            field_V_per_A=field,
                        )
                        names.append(system.name)
    names += [System.parse(name).name for name in label_set.get("systems", [])]
    return list(dict.fromkeys(names))


def systems_of_sweep(sweep: Mapping[str, Any]) -> list[str]:
    """Names of a sweep's bilayers: its systems, then the twists nearest to its angles."""
    family = sweep.get("family", "AA")
    twists = [
        nearest(f"{family}_angle-{angle}", maximum_atoms=sys.maxsize).name
        for angle in sweep.get("twist_angles_deg", [])
    ]
    return list(dict.fromkeys([*sweep.get("systems", []), *twists]))


def geometries_of_sweep(sweep: Mapping[str, Any]) -> list[str]:
    """Names of a sweep's bilayers in every strain, the strains of the first one first."""
    return [
        System.parse(name).model_copy(update={"strain_percent": strain}).name
        for name in systems_of_sweep(sweep)
        for strain in sweep.get("strains_percent", [0.0])
    ]


def settings_of(config: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    """Everything that decides a label of a given name."""
    return {
        "recipe": recipe_of(config, recipe),
        "lattice_constant_A": config["lattice_constant_A"],
        "layer_distance_A": config["layer_distance_A"],
    }


def settings_from(ds: xr.Dataset) -> dict[str, Any]:
    """The settings that a file of labels says it was made with."""
    return json.loads(ds.attrs["settings"])


def digest(settings: Mapping[str, Any]) -> str:
    """Short digest of settings: labels of one digest belong together."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shipped_frames(folder: str | Path) -> set[tuple[str, str, str]]:
    """(set, frame, digest) of every label in a folder of shipped sets."""
    index = Path(folder) / INDEX
    if not index.is_file():
        return set()
    with open(index, newline="") as file:
        return {(row["set"], row["frame"], row["digest"]) for row in csv.DictReader(file)}
