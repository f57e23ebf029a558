"""Propose labels that reduce the distance of a system from the labelled surroundings."""

import numpy as np
import yaml
from scipy.spatial.distance import cdist

from moirepol.model.committee import load
from moirepol.model.neighbours import Neighbours
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
from moirepol.structure.symmetry import distinct_slides

SET = "planned"
SAMPLE = 2000  # largest number of N atoms of a system that are compared
WORTHWHILE = 0.01  # smallest gain of a label: share of the first mean distance or of the unit


def plan_labels(
    system: str,
    members: list[str],
    labels: list[str],
    plan: str,
    models: dict[str, dict],
    number: int,
    slides_per_axis: int,
    maximum_atoms: int,
    lattice_constant_A: float,
    layer_distance_A: float,
    kept: str = "",
):
    """Select labels one by one; each reduces the mean distance most per atom.

    The distance of two N atoms is that of their descriptors D. D is the same for rotated and
    mirrored surroundings. The unit is the median distance between neighbouring labelled
    surroundings. Candidates are untwisted bilayers with the layer distance and the strains of the
    system, and small cells of the same kind (twisted or mismatched).

    Parameters
    ----------
    system
        Name of the bilayer.
    members, labels
        Members of the zero-field model of the family, and the label sets of its training.
    plan
        YAML file to write: settings on top of config.yaml.
    models
        Settings of the models that predict the bilayer, by name.
    number
        Largest number of labels.
    slides_per_axis
        Number of candidate stackings along each primitive vector.
    maximum_atoms
        Largest number of atoms of a candidate.
    lattice_constant_A, layer_distance_A
        Lattice constant and layer distance in angstrom.
    kept
        What a prediction takes from another layer distance, also with these labels.
    """
    frames = [frame for path in labels for frame in read_frames(path)]
    network = load(members[0]).network
    wanted_system = System.parse(system)

    def surroundings(atoms):
        sites = atoms.sites
        chosen = sites[:: 1 + len(sites) // SAMPLE]
        return network.invariants(Neighbours(atoms, network.symbols, network.cutoff).of(chosen))

    def made(name):
        return build(name, lattice_constant_A, layer_distance_A)

    own = [frame for frame in frames if frame.family == wanted_system.family]
    known = np.concatenate([surroundings(frame) for frame in own])
    apart = cdist(known, known)
    # Symmetry copies of one surrounding do not count as neighbours.
    unit = np.median(np.where(apart > 1e-6 * apart.max(), apart, np.inf).min(axis=1))
    wanted = surroundings(made(system))
    nearest = cdist(wanted, known).min(axis=1) / unit
    rows = [(None, nearest)]
    candidates = {
        name: cdist(wanted, surroundings(made(name))).min(axis=1) / unit
        for name in _candidates(wanted_system, slides_per_axis, maximum_atoms)
    }
    while candidates and len(rows) <= number:
        gains = {
            name: nearest.mean() - np.minimum(nearest, distance).mean()
            for name, distance in candidates.items()
        }
        least = WORTHWHILE * max(rows[0][1].mean(), 1.0)
        worth = [name for name, gain in gains.items() if gain >= least]
        if not worth:
            break
        name = max(worth, key=lambda name: gains[name] / System.parse(name).n_atoms)
        nearest = np.minimum(nearest, candidates.pop(name))
        rows.append((name, nearest))
    _write(plan, system, rows, models, kept)


def _candidates(system, slides_per_axis, maximum_atoms):
    """Return the names of the candidates for a system, without a field."""
    common = {"family": system.family, "distance_A": system.distance_A}
    lower, upper = system.layer_strains_percent
    strains = {round(strain, 2) for strain in (lower, (lower + upper) / 2, upper)}
    found = [
        System(
            geometry="slide",
            indices=(*slide, slides_per_axis),
            strain_percent=strain,
            **common,
        )
        for strain in sorted(strains)
        if abs(strain) <= 20
        for slide in distinct_slides(slides_per_axis, system.family)
    ]
    steps = [(n, n + 1) for n in range(1, maximum_atoms)]
    if system.eta:
        pairs = [pair[::-1] if system.eta < 0 else pair for pair in steps]
        found += _small("mismatch", pairs, system, maximum_atoms, common)
    if system.twist_angle_deg:
        found += _small("twist", steps, system, maximum_atoms, common)
    return [candidate.name for candidate in found]


def _small(geometry, pairs, system, maximum_atoms, common):
    cells = [
        System(geometry=geometry, indices=pair, strain_percent=system.strain_percent, **common)
        for pair in pairs
    ]
    return [cell for cell in cells if cell.n_atoms <= maximum_atoms]


def _write(path, system, rows, models, kept):
    """Write the plan as settings, with the distances as comments."""
    names = [name for name, _ in rows[1:]]
    lines = [
        f"# Labels proposed for {system}. This command computes them and trains on them:",
        "#   ./run <target> --directory <folder> --configfile <this file>",
        "# The results go to the folder. Distance of the N atoms from the nearest labelled N atom,",
        "# in units of the distance between labelled N atoms (mean, largest):",
    ]
    for name, nearest in rows:
        label = f"with {name}" if name else "now"
        lines.append(f"#   {nearest.mean():8.3f} {nearest.max():8.3f}  {label}")
    settings = {}
    if names:
        fields = {0.0}
        for model in models.values():
            if "field_V_per_A" in model:
                fields |= {model["field_V_per_A"], -model["field_V_per_A"]}
        planned = [
            System.parse(name).model_copy(update={"field_V_per_A": value}).name
            for name in names
            for value in sorted(fields, key=abs)
        ]
        settings = {
            "labels": {"sets": {SET: {"systems": planned}}},
            "models": {name: {"labels": [*model["labels"], SET]} for name, model in models.items()},
        }
    else:
        lines.append("# No candidate reduces this distance.")
    if kept:
        lines.append(f"# Also with these labels, {kept}.")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        if settings:
            yaml.safe_dump(settings, file, sort_keys=False)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plan_labels, globals().get("snakemake"))
