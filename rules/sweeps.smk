# Sweeps: charges, extremes, net polarization and thresholds over systems, strains and fields.
# Needs: models, and the polarizability of the long-range electrostatics. Makes:
# results/sweeps/<sweep>/<system>.nc, one for every geometry, and results/sweeps/<sweep>.{nc,html}.


rule sweeps:
    input:
        expand("results/sweeps/{sweep}.nc", sweep=SWEEPS),


rule sweep_fields:
    input:
        zero_field=models_of("zero_field", strongest_field),
        response=models_of("response", strongest_field),
        curvature=models_of("curvature", strongest_field),
        polarizability=polarizability_of,
        gradient=gradient_of,
        errors=errors_of,
    output:
        geometry="results/sweeps/{sweep}/{system}.nc",
    log:
        "logs/sweep_fields/{sweep}/{system}.log",
    benchmark:
        "benchmarks/sweep_fields/{sweep}/{system}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        **LENGTHS,
        fields_V_per_A=lambda wildcards: SWEEPS[wildcards.sweep].get("fields_V_per_A", [0]),
        grid_points=config["maps"]["grid_points"],
        zero_tolerance=config["maps"]["zero_tolerance"],
        points_per_period=config["maps"]["points_per_period"],
        code=code_digest("sweep_fields"),
    message:
        "evaluate {wildcards.system} in all fields of sweep {wildcards.sweep}"
    script:
        "../scripts/sweep_fields.py"


rule collect_sweep:
    input:
        geometries=lambda wildcards: expand(
            "results/sweeps/{sweep}/{system}.nc",
            sweep=wildcards.sweep,
            system=geometries_of_sweep(SWEEPS[wildcards.sweep]),
        ),
    output:
        sweep="results/sweeps/{sweep}.nc",
    log:
        "logs/collect_sweep/{sweep}.log",
    benchmark:
        "benchmarks/collect_sweep/{sweep}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        systems=lambda wildcards: systems_of_sweep(SWEEPS[wildcards.sweep]),
        strains=lambda wildcards: SWEEPS[wildcards.sweep].get("strains_percent", [0]),
        code=code_digest("collect_sweep"),
    message:
        "collect the sweep {wildcards.sweep}"
    script:
        "../scripts/collect_sweep.py"


rule view_sweep:
    input:
        sweep="results/sweeps/{sweep}.nc",
    output:
        page="results/sweeps/{sweep}.html",
    log:
        "logs/view_sweep/{sweep}.log",
    benchmark:
        "benchmarks/view_sweep/{sweep}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("view_sweep"),
    message:
        "write the page of the sweep {wildcards.sweep}"
    script:
        "../scripts/view_sweep.py"
