# Exports: files for other programs.
# Needs: results/{dipoles,maps,potentials,sweeps}/<name>.nc, and label sets for Wannier centres.
# Makes: results/exports/<name>.{extxyz,csv,json}, results/exports/<name>_potential.{cube,json},
# results/exports/<name>_wannier.extxyz and results/sweeps/<sweep>.csv.


rule export_dipoles:
    input:
        dipoles="results/dipoles/{system}.nc",
        structure=structure_of,
    output:
        extxyz="results/exports/{system}.extxyz",
    log:
        "logs/export_dipoles/{system}.log",
    benchmark:
        "benchmarks/export_dipoles/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(5),
    params:
        lattice_constant_A=of_material("lattice_constant_A"),
        code=code_digest("export_dipoles"),
    message:
        "export the dipoles of {wildcards.system}"
    script:
        "../scripts/export_dipoles.py"


rule export_centres:
    input:
        labels=labels_with_centres,
    output:
        extxyz="results/exports/{system}_wannier.extxyz",
    log:
        "logs/export_centres/{system}.log",
    benchmark:
        "benchmarks/export_centres/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("export_centres"),
    message:
        "export the Wannier centres of {wildcards.system}"
    script:
        "../scripts/export_centres.py"


rule export_map:
    input:
        polarization_map="results/maps/{system}.nc",
    output:
        csv="results/exports/{system}.csv",
        json_file="results/exports/{system}.json",
    log:
        "logs/export_map/{system}.log",
    benchmark:
        "benchmarks/export_map/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("export_map"),
    message:
        "export the map of {wildcards.system}"
    script:
        "../scripts/export_map.py"


rule export_sweep:
    input:
        sweep="results/sweeps/{sweep}.nc",
    output:
        csv="results/sweeps/{sweep}.csv",
    log:
        "logs/export_sweep/{sweep}.log",
    benchmark:
        "benchmarks/export_sweep/{sweep}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("export_sweep"),
    message:
        "export the sweep {wildcards.sweep}"
    script:
        "../scripts/export_sweep.py"


rule export_potential:
    input:
        polarization_map="results/maps/{system}.nc",
        dipoles="results/dipoles/{system}.nc",
        polarizability=polarizability_of,
    output:
        cube="results/exports/{system}_potential.cube",
    log:
        "logs/export_potential/{system}.log",
    benchmark:
        "benchmarks/export_potential/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=config["potential"],
        code=code_digest("export_potential"),
    message:
        "export the potential above {wildcards.system}"
    script:
        "../scripts/export_potential.py"


rule export_waves:
    input:
        potential="results/potentials/{system}.nc",
    output:
        waves="results/exports/{system}_potential.json",
    log:
        "logs/export_waves/{system}.log",
    benchmark:
        "benchmarks/export_waves/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("export_waves"),
    message:
        "export the waves of the potential above {wildcards.system}"
    script:
        "../scripts/export_waves.py"
