"""Structures: names, materials, bilayers, their symmetry and their files."""
