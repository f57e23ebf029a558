# Labels: the dipole of every N atom by DFT (pw.x) and Wannier centres (pw2wannier90.x, wannier90.x).
# Needs: the bilayers named by `labels: sets`. Makes: results/labels/<set>.nc, one file a set.


# Without the digest of the code: a finished label is expensive and is not made again for an edit.
rule label_frame:
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
        settings=lambda wildcards: settings_of(config, wildcards.recipe),
        scratch=lambda wildcards: f"results/scratch/{wildcards.recipe}/{wildcards.frame}",
    message:
        "DFT label of {wildcards.frame}, recipe {wildcards.recipe}"
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
        settings=lambda wildcards: settings_of(config, set_recipe(wildcards.set)),
        title=lambda wildcards: wildcards.set,
        code=code_digest("collect_labels"),
    message:
        "label set {wildcards.set}"
    script:
        "../scripts/collect_labels.py"


# Needed for the long-range field; shipped in resources/polarizability. Without the digest of the
# code, as `label_frame`.
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
        settings=settings_of(config, STANDARD),
        scratch=lambda wildcards: f"results/scratch/polarizability/{wildcards.system}",
    message:
        "polarizability of {wildcards.system} by linear response"
    script:
        "../scripts/compute_polarizability.py"


# Asked for by name only: puts every label finished so far into resources/labels, to be committed.
# Without a benchmark, whose file Snakemake would take for a result: it runs whenever it is asked for.
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
                "settings": settings_of(config, set_recipe(name)),
            }
            for name in LABEL_SETS
        },
        computed_folder="results/labels",
        shipped_folder=SHIPPED_LABELS,
    message:
        "finished labels go to {params.shipped_folder}"
    script:
        "../scripts/ship_labels.py"
