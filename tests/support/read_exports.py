"""Read exports by OVITO and by VTK, which ParaView reads with, in an environment of their own.

    build/readers/bin/python tests/support/read_exports.py <volume>.cube <atoms>.extxyz

The result is one JSON document: what each program finds in the files.
"""

import json
import sys

import numpy as np
from ovito.io import import_file
from vtk import vtkGaussianCubeReader, vtkGaussianCubeReader2
from vtk.util.numpy_support import vtk_to_numpy


def by_ovito(cube: str, extxyz: str) -> dict:
    """Return the volume and the atoms as OVITO reads them."""
    volume = import_file(cube).compute()
    (grid,) = volume.grids.values()
    (values,) = (np.array(grid[name]) for name in grid.keys())  # noqa: SIM118, not a dict
    domain = np.array(grid.domain[...])
    atoms = import_file(extxyz).compute()
    found = {
        name: np.array(atoms.particles[name]).tolist()
        for name in ("Position", "local_dipole", "onsite_shift", "layer")
    }
    types = atoms.particles.particle_types
    names = [types.type_by_id(number).name for number in types[...]]
    return {
        "shape": grid.shape,
        "values": values.tolist(),  # the first cell vector is the fastest
        "vectors": domain[:, :3].T.tolist(),
        "origin": domain[:, 3].tolist(),
        "atoms_of_volume": volume.particles.count,
        "atoms": found | {"symbols": names},
        "cell": np.array(atoms.cell[...])[:, :3].T.tolist(),
    }


def by_vtk(cube: str) -> dict:
    """Return the volume as VTK reads it."""
    reader = vtkGaussianCubeReader()
    reader.SetFileName(cube)
    reader.Update()
    image = reader.GetGridOutput()
    to_grid = reader.GetTransform()  # from places to steps of the grid
    to_grid.Inverse()
    places = [np.array(to_grid.TransformPoint(*step)) for step in [(0, 0, 0), *np.eye(3)]]
    molecule = vtkGaussianCubeReader2()
    molecule.SetFileName(cube)
    molecule.Update()
    scalars = image.GetPointData().GetScalars()
    return {
        "shape": image.GetDimensions(),
        "values": vtk_to_numpy(scalars).tolist(),  # the first cell vector is the fastest
        "name": scalars.GetName().strip(),
        "steps": [(place - places[0]).tolist() for place in places[1:]],
        "origin": places[0].tolist(),
        "atoms_of_volume": molecule.GetOutput().GetNumberOfAtoms(),
    }


if __name__ == "__main__":
    cube, extxyz = sys.argv[1:]
    json.dump({"ovito": by_ovito(cube, extxyz), "vtk": by_vtk(cube)}, sys.stdout)
