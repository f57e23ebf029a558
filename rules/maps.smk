# Maps: polarization fields on a grid and their topological charge.
# Needs: models, or the labels of slides for the configuration space.
# Makes: results/maps/{<system>,configuration_<family>}.nc and results/charge/<the same>.nc.


rule map_polarization:
    input:
        zero_field=models_of("zero_field"),
        response=models_of("response"),
        curvature=models_of("curvature"),
        polarizability=polarizability_of,
        gradient=gradient_of,
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
        lattice_constant_A=config["lattice_constant_A"],
        layer_distance_A=config["layer_distance_A"],
        grid_points=config["maps"]["grid_points"],
        points_per_period=config["maps"]["points_per_period"],
        beyond=lambda wildcards: beyond_labels(config, wildcards.system),
        code=code_digest("map_polarization"),
    message:
        "map {wildcards.system}"
    script:
        "../scripts/map_polarization.py"


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
