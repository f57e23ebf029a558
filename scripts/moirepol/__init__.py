"""Shared science of the workflow: bilayers, labels, dipole models, polarization, topology."""
