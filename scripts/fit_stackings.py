"""Expand energy, layer distance, rumpling and dipole of relaxed stackings in functions of tau."""

import numpy as np

from moirepol.dft.dispersion import dispersion_energy
from moirepol.errors import JobError
from moirepol.physics import stackings as physics
from moirepol.physics.stackings import EXPANDED, FUNCTIONS, PROPERTIES
from moirepol.structure.building import build
from moirepol.structure.conventions import LAYERS
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf


def fit_stackings(
    family: str,
    labels: str,
    field_labels: str,
    distance_labels: str,
    stackings: str,
    layer_distance_A: float,
    slides_per_axis: int,
) -> None:
    """Fit the properties of translated bilayers at relaxed heights.

    Parameters
    ----------
    family
        Stacking family.
    labels
        Labels of relaxed translated bilayers.
    field_labels
        Labels of the same structures in a field.
    distance_labels
        Labels of flat bilayers of the same stackings at further layer distances.
    stackings
        NetCDF file to write: the values, the coefficients of the six functions, the residuals, and
        the stiffness of the layer distance.
    layer_distance_A
        Layer distance of the flat bilayers that the relaxations start from.
    slides_per_axis
        Stackings of the labels along each primitive vector.
    """
    relaxed, in_field = read_frames(labels), read_frames(field_labels)
    flat = read_frames(distance_labels)
    ds = physics.properties(relaxed, in_field)
    tau = ds["tau"].values
    distances, stiffness = _least_energy(relaxed, flat, layer_distance_A)
    ds["distance"].values[:] = distances
    for name, (unit, long_name, parity) in PROPERTIES.items():
        if name in EXPANDED:
            coefficients, residuals = physics.fit(tau, ds[name].values, family, parity)
            ds[f"{name}_coefficient"] = "function", coefficients
            ds[f"{name}_residual"] = "stacking", residuals
            ds[f"{name}_residual"].attrs.update(units=unit, long_name=f"residual: {long_name}")
            ds[f"{name}_coefficient"].attrs.update(units=unit, long_name=f"expansion: {long_name}")
        else:
            grid = physics.on_grid(tau, ds[name].values, family, parity, slides_per_axis)
            ds[f"{name}_grid"] = ("t1", "t2", *ds[name].dims[1:]), grid
            ds[f"{name}_grid"].attrs.update(units=unit, long_name=long_name)
    ds["stiffness"] = (), stiffness.mean()
    ds["stiffness"].attrs.update(
        units="eV/angstrom2", long_name="force constant of the layer distance, per cell"
    )
    ds = ds.assign_coords(function=list(FUNCTIONS), layer=list(LAYERS))
    title = f"Relaxed translated bilayers of {family}"
    write_netcdf(stamp(ds, title, {"layer_distance_A": layer_distance_A}), stackings)


def _least_energy(relaxed, flat_frames, layer_distance_A):
    """Layer distance of least energy and its force constant for every relaxed stacking.

    The energies are those of flat layers. Forces are not used, because the grid of the density
    causes errors that are large compared with these small forces.
    """
    flat: dict[str, dict[float, float]] = {}
    for frame in flat_frames:
        name = frame.system.plain.name
        flat.setdefault(name, {})[frame.system.distance_A] = frame.info["energy_eV"]
    found = []
    for frame in relaxed:
        a = float(np.linalg.norm(frame.cell.array[0]))
        height, name = frame.cell.array[2, 2], frame.system.plain.name

        def dispersion_at(d, name=name, a=a, height=height):
            return dispersion_energy(build(name, a, d, height))

        energies = flat.get(name, {}) | {
            layer_distance_A: frame.info["rigid_energy_eV"] - dispersion_at(layer_distance_A)
        }
        if len(energies) < 4:
            raise JobError(f"{frame.name}: labels at 4 or more layer distances are needed")
        apart = np.array(sorted(energies))
        repels = physics.repulsion(apart, np.array([energies[d] for d in apart]))
        found.append(physics.relaxed_distance(repels, dispersion_at, (apart[0], apart[-1])))
    return np.transpose(found)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(fit_stackings, globals().get("snakemake"))
