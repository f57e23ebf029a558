"""Labels: dipoles from DFT codes and Wannier centres."""
