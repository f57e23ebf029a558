# Labels: the dipole of every N atom by DFT (pw.x) and Wannier centres (pw2wannier90.x,
# wannier90.x).
# Needs: the bilayers in `labels: sets`. Makes: results/labels/<set>.nc, one file for each set.


# No digest of the code: a finished label is expensive, so a change of code does not repeat it.
rule label_frame:
    input:
        relaxed=relaxed_structure,
        stackings=of_predicted_structure(lambda system: f"results/stackings/{system.family}.nc"),
        monolayer=of_predicted_structure(lambda system: monolayer_file(system.material)),
        relaxation=of_predicted_structure(lambda system: f"results/relaxation/{system.name}.nc"),
    output:
        label="results/labels/{recipe}/{frame}.nc",
    log:
        "logs/label_frame/{recipe}/{frame}.log",
    benchmark:
        "benchmarks/label_frame/{recipe}/{frame}.tsv"
    group:
        label_group
    conda:
        "../envs/label.yaml"
    threads: lambda wildcards: 1 if System.parse(wildcards.frame).n_atoms < 100 else 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * (700 + 30 * System.parse(wildcards.frame).n_atoms),
        runtime=lambda wildcards, attempt: attempt
        * (20 + 2 * System.parse(wildcards.frame).n_atoms),
        lane=1,
    params:
        settings=lambda wildcards: settings_for(wildcards.recipe, wildcards.frame),
        scratch=lambda wildcards: f"results/scratch/{wildcards.recipe}/{wildcards.frame}",
    message:
        "compute the label of {wildcards.frame}, recipe {wildcards.recipe}"
    script:
        "../scripts/label_frame.py"


rule collect_labels:
    input:
        unpack(label_inputs),
    output:
        labels="results/labels/{set}.nc",
    log:
        "logs/collect_labels/{set}.log",
    benchmark:
        "benchmarks/collect_labels/{set}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        frames=lambda wildcards: frames(wildcards.set),
        settings=lambda wildcards: set_settings(wildcards.set),
        title=lambda wildcards: wildcards.set,
        code=code_digest("collect_labels"),
    message:
        "collect label set {wildcards.set}"
    script:
        "../scripts/collect_labels.py"


# The long-range electrostatics needs the polarizability. Shipped results are in
# resources/polarizability. No digest of the code, as for `label_frame`.
rule compute_polarizability:
    output:
        polarizability="results/polarizability/{system}.nc",
    log:
        "logs/compute_polarizability/{system}.log",
    benchmark:
        "benchmarks/compute_polarizability/{system}.tsv"
    conda:
        "../envs/label.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        settings=lambda wildcards: family_settings(wildcards.system),
        scratch=lambda wildcards: f"results/scratch/polarizability/{wildcards.system}",
    message:
        "compute the polarizability of {wildcards.system} by linear response"
    script:
        "../scripts/compute_polarizability.py"


# Relaxed bilayers need these constants. Shipped results are in resources/monolayer. No digest of
# the code, as for `label_frame`.
rule compute_monolayer:
    output:
        constants="results/monolayer/{material}.nc",
    log:
        "logs/compute_monolayer/{material}.log",
    benchmark:
        "benchmarks/compute_monolayer/{material}.tsv"
    conda:
        "../envs/label.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        settings=lambda wildcards: planned(settings_of, STANDARD, wildcards.material),
        scratch=lambda wildcards: f"results/scratch/monolayer/{wildcards.material}",
        material=lambda wildcards: wildcards.material,
    message:
        "compute the elastic and piezoelectric constants of monolayer {wildcards.material}"
    script:
        "../scripts/compute_monolayer.py"


# Requested by name only: a test of the potential. Results of two cells are in resources/potentials.
# No digest of the code, as for `label_frame`.
rule label_potential:
    output:
        potential="results/direct_potentials/{recipe}/{system}.nc",
    log:
        "logs/label_potential/{recipe}/{system}.log",
    benchmark:
        "benchmarks/label_potential/{recipe}/{system}.tsv"
    conda:
        "../envs/label.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * (700 + 30 * System.parse(wildcards.system).n_atoms),
        runtime=lambda wildcards, attempt: attempt
        * (20 + 2 * System.parse(wildcards.system).n_atoms),
        lane=1,
    params:
        settings=lambda wildcards: settings_for(wildcards.recipe, wildcards.system),
        heights_A=[2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        grid_points=48,
        scratch=lambda wildcards: f"results/scratch/potential/{wildcards.recipe}/{wildcards.system}",
    message:
        "compute the potential above {wildcards.system} by DFT, recipe {wildcards.recipe}"
    script:
        "../scripts/label_potential.py"


# Requested by name only: copies every finished label into resources/labels, to be committed.
# No benchmark: Snakemake would treat its file as an output, and the rule must run at every request.
rule ship_labels:
    log:
        "logs/ship_labels.log",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        sets={
            name: {
                "frames": frames(name),
                "recipe": set_recipe(name),
                "settings": set_settings(name),
            }
            for name in LABEL_SETS
        },
        computed_folder="results/labels",
        shipped_folder=SHIPPED_LABELS,
    message:
        "copy finished labels to {params.shipped_folder}"
    script:
        "../scripts/ship_labels.py"
