"""Physics of the dipoles: long range, heterostrain, polarization fields, topology."""
