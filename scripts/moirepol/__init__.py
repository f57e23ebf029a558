"""Shared science of the workflow: bilayers, labels, dipole models, polarization, topology."""

__version__ = "0.2.0"
