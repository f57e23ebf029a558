# Maps: polarization fields on a grid and their topological charge.
# Needs: models, or the labels of untwisted bilayers for the configuration space.
# Makes: results/maps/{<system>,configuration_<family>}.nc, results/charge/<the same>.nc,
# results/potentials/<system>.nc, results/relaxation/<system>.nc (relaxed bilayers) and
# results/terms/<system>.nc (the terms of a prediction).


rule map_polarization:
    input:
        **PREDICTION,
        errors=errors_of,
        structure=mapped_structure,
    output:
        polarization_map="results/maps/{system}.nc",
    log:
        "logs/map_polarization/{system}.log",
    benchmark:
        "benchmarks/map_polarization/{system}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        **LENGTHS,
        grid_points=config["maps"]["grid_points"],
        points_per_period=config["maps"]["points_per_period"],
        beyond=lambda wildcards: beyond_labels(config, wildcards.system),
        code=code_digest("map_polarization"),
    message:
        "map {wildcards.system}"
    script:
        "../scripts/map_polarization.py"


rule relax_bilayer:
    input:
        stackings=lambda wildcards: f"results/stackings/{System.parse(wildcards.system).family}.nc",
        monolayer=lambda wildcards: monolayer_file(material_of(wildcards.system)),
    output:
        relaxation="results/relaxation/{system}.nc",
    log:
        "logs/relax_bilayer/{system}.log",
    benchmark:
        "benchmarks/relax_bilayer/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        **LENGTHS,
        mesh_spacing_A=config["relaxation"]["mesh_spacing_A"],
        mesh_points=config["relaxation"]["mesh_points"],
        code=code_digest("relax_bilayer"),
    message:
        "relax {wildcards.system}"
    script:
        "../scripts/relax_bilayer.py"


# One map for each term of the prediction.
rule decompose_map:
    input:
        **PREDICTION,
    output:
        terms="results/terms/{system}.nc",
    log:
        "logs/decompose_map/{system}.log",
    benchmark:
        "benchmarks/decompose_map/{system}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        **LENGTHS,
        grid_points=config["maps"]["grid_points"],
        points_per_period=config["maps"]["points_per_period"],
        code=code_digest("decompose_map"),
    message:
        "divide the map of {wildcards.system} into its terms"
    script:
        "../scripts/decompose_map.py"


rule map_configuration:
    input:
        labels=lambda wildcards: slides_of(wildcards.family)[0],
    output:
        configuration_map="results/maps/configuration_{family}.nc",
    log:
        "logs/map_configuration/{family}.log",
    benchmark:
        "benchmarks/map_configuration/{family}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        slides_per_axis=lambda wildcards: slides_of(wildcards.family)[1],
        grid_points=config["maps"]["grid_points"],
        code=code_digest("map_configuration"),
    message:
        "map the configuration space of {wildcards.family}"
    script:
        "../scripts/map_configuration.py"


rule compute_charge:
    input:
        polarization_map=one_period,
    output:
        charge="results/charge/{map}.nc",
    log:
        "logs/compute_charge/{map}.log",
    benchmark:
        "benchmarks/compute_charge/{map}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        grids=config["maps"]["charge_grids"],
        zero_tolerance=config["maps"]["zero_tolerance"],
        code=code_digest("compute_charge"),
    message:
        "compute the topological charge of {wildcards.map}"
    script:
        "../scripts/compute_charge.py"


# Requested by name only: a check of the relaxation by another program and other energies.
rule relax_atoms:
    output:
        atoms="results/atoms/{system}.nc",
    log:
        "logs/relax_atoms/{system}.log",
    benchmark:
        "benchmarks/relax_atoms/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        **LENGTHS,
        code=code_digest("relax_atoms"),
    message:
        "relax the atoms of {wildcards.system} with LAMMPS"
    script:
        "../scripts/relax_atoms.py"


# Requested by name only, as `relax_atoms`.
rule compare_relaxations:
    input:
        relaxation="results/relaxation/{system}_relaxed.nc",
        stackings=lambda wildcards: f"results/stackings/{System.parse(wildcards.system).family}.nc",
        monolayer=lambda wildcards: monolayer_file(material_of(wildcards.system)),
        atoms="results/atoms/{system}.nc",
        translated_atoms=translated_atoms,
    output:
        comparison="results/checks/relaxations_{system}.nc",
        pdf="results/checks/relaxations_{system}.pdf",
        png="results/checks/relaxations_{system}.png",
    log:
        "logs/compare_relaxations/{system}.log",
    benchmark:
        "benchmarks/compare_relaxations/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        **LENGTHS,
        slides_per_axis=stackings_of_heights,
        code=code_digest("compare_relaxations"),
    message:
        "compare the relaxations of {wildcards.system}"
    script:
        "../scripts/compare_relaxations.py"


rule compute_potential:
    input:
        polarization_map="results/maps/{system}.nc",
        polarizability=polarizability_of,
    output:
        potential="results/potentials/{system}.nc",
    log:
        "logs/compute_potential/{system}.log",
    benchmark:
        "benchmarks/compute_potential/{system}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=config["potential"],
        code=code_digest("compute_potential"),
    message:
        "compute the potential above {wildcards.system}"
    script:
        "../scripts/compute_potential.py"
