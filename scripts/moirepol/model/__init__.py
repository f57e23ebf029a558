"""Dipole models: networks, training and committees."""
