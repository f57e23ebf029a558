"""Dispersion energy of a structure: DFT-D3 with Becke-Johnson damping for PBE [Grimme2011]_.

It includes the three-body term, as pw.x does. It depends on the positions alone, so it is added to
the energy of a label after the DFT calculation.

References
----------
.. [Grimme2011] S. Grimme, S. Ehrlich and L. Goerigk, J. Comput. Chem. 32, 1456 (2011).
"""

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree


def dispersion_energy(atoms: Atoms) -> float:
    """Return the dispersion energy in eV of a structure that is periodic in the plane.

    Parameters
    ----------
    atoms
        The structure. Images along the third cell vector count, as in pw.x.
    """
    from dftd3.interface import DispersionModel, RationalDampingParam

    model = DispersionModel(
        atoms.numbers,
        atoms.positions / Bohr,
        lattice=atoms.cell.array / Bohr,
        periodic=np.array([True, True, True]),
    )
    damping = RationalDampingParam(method="pbe", atm=True)
    return float(model.get_dispersion(damping, grad=False)["energy"] * Hartree)
