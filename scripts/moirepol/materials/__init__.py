"""Materials, one YAML file each. `moirepol.structure.material` reads them."""
