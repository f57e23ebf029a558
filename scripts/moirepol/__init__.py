"""Shared science of the workflow: bilayers, DFT labels, deep-Wannier models, polarization, topology."""
