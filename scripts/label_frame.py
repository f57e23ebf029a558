"""Label one bilayer: the dipole of every site from a DFT code and wannier90.x."""

from moirepol.dft.label_file import label_frame

if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(label_frame, globals().get("snakemake"))
