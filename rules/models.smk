# Deep-Wannier models: committees of deepmd-kit dipole models trained on the labels.
# Needs: results/labels/<set>.nc. Makes: results/models/<model>/ (one native model file for each
# member, the loss during the training, the comparison with DFT), results/gradient/<family>.nc (the
# effect of the displacement gradient), and results/dipoles/<system>.nc.


# Relaxed bilayers from 6.01 to 0.10 degrees.
BENCHMARKED_RELAXED = [f"AA_twist-{m}-{m + 1}_relaxed" for m in (5, 10, 16, 30, 65, 165, 330)]


rule models:
    input:
        expand("results/models/{model}/parity.nc", model=VALIDATED_MODELS),
        [members(model, "compressed.pb") for model in VALIDATED_MODELS],


rule train_model:
    input:
        labels=lambda wildcards: label_files(wildcards.model),
    output:
        member="results/models/{model}/{seed}.dp",
        loss="results/models/{model}/{seed}.loss.nc",
    log:
        "logs/train_model/{model}/{seed}.log",
    benchmark:
        "benchmarks/train_model/{model}/{seed}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        family=lambda wildcards: MODELS[wildcards.model]["family"],
        kind=lambda wildcards: MODELS[wildcards.model]["kind"],
        field_V_per_A=lambda wildcards: MODELS[wildcards.model].get("field_V_per_A", 0.0),
        split=lambda wildcards: MODELS[wildcards.model]["split"],
        folds=lambda wildcards: MODELS[wildcards.model]["folds"],
        protocol=lambda wildcards: protocol_of(wildcards.model),
        code=code_digest("train_model"),
    message:
        "train {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/train_model.py"


rule evaluate_model:
    input:
        members=lambda wildcards: members(wildcards.model),
        losses=lambda wildcards: members(wildcards.model, "loss.nc"),
        labels=lambda wildcards: label_files(wildcards.model),
    output:
        parity="results/models/{model}/parity.nc",
        loss="results/models/{model}/loss.nc",
    log:
        "logs/evaluate_model/{model}.log",
    benchmark:
        "benchmarks/evaluate_model/{model}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_digest("evaluate_model"),
    message:
        "compare {wildcards.model} with DFT"
    script:
        "../scripts/evaluate_model.py"


rule freeze_model:
    input:
        member="results/models/{model}/{seed}.dp",
    output:
        frozen="results/models/{model}/{seed}.pb",
        compressed="results/models/{model}/{seed}.compressed.pb",
    log:
        "logs/freeze_model/{model}/{seed}.log",
    benchmark:
        "benchmarks/freeze_model/{model}/{seed}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(15),
    params:
        code=code_digest("freeze_model"),
    message:
        "freeze and compress {wildcards.model}, seed {wildcards.seed}, for TensorFlow"
    script:
        "../scripts/freeze_model.py"


rule fit_gradient:
    input:
        cells=lambda wildcards: [
            f"results/labels/{name}.nc" for name in config["gradient"][wildcards.family]
        ],
        slides=lambda wildcards: slides_beside(config["gradient"][wildcards.family][0])[0],
        response=lambda wildcards: long_range_of(wildcards.family)[0],
        polarizability=lambda wildcards: long_range_of(wildcards.family)[1],
    output:
        gradient="results/gradient/{family}.nc",
    log:
        "logs/fit_gradient/{family}.log",
    benchmark:
        "benchmarks/fit_gradient/{family}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(10),
    params:
        slides_per_axis=lambda wildcards: (
            slides_beside(config["gradient"][wildcards.family][0])[1]
        ),
        code=code_digest("fit_gradient"),
    message:
        "fit the effect of the displacement gradient, {wildcards.family}"
    script:
        "../scripts/fit_gradient.py"


rule fit_stackings:
    input:
        labels=lambda wildcards: label_file(config["heights"][wildcards.family]["relaxed"][0]),
        field_labels=lambda wildcards: label_file(config["heights"][wildcards.family]["relaxed"][1]),
        distance_labels=lambda wildcards: label_file(
            config["heights"][wildcards.family]["distance"][0]
        ),
    output:
        stackings="results/stackings/{family}.nc",
    log:
        "logs/fit_stackings/{family}.log",
    benchmark:
        "benchmarks/fit_stackings/{family}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        layer_distance_A=of_material("layer_distance_A", lambda wildcards: wildcards.family),
        slides_per_axis=lambda wildcards: planned(label_plan.stackings_of_heights, wildcards.family),
        code=code_digest("fit_stackings"),
    message:
        "fit energy and layer distance of the relaxed stackings of {wildcards.family}"
    script:
        "../scripts/fit_stackings.py"


rule fit_heights:
    input:
        distance=lambda wildcards: map(label_file, config["heights"][wildcards.family]["distance"]),
        relaxed=lambda wildcards: map(label_file, config["heights"][wildcards.family]["relaxed"]),
        stackings="results/stackings/{family}.nc",
        zero_field=lambda wildcards: members(config["predictors"][wildcards.family]["zero_field"]),
        response=lambda wildcards: members(config["predictors"][wildcards.family]["response"]),
    output:
        heights="results/heights/{family}.nc",
    log:
        "logs/fit_heights/{family}.log",
    benchmark:
        "benchmarks/fit_heights/{family}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        lattice_constant_A=of_material("lattice_constant_A", lambda wildcards: wildcards.family),
        layer_distance_A=of_material("layer_distance_A", lambda wildcards: wildcards.family),
        slides_per_axis=lambda wildcards: planned(label_plan.stackings_of_heights, wildcards.family),
        code=code_digest("fit_heights"),
    message:
        "fit the change of the dipoles of {wildcards.family} with the heights of the atoms"
    script:
        "../scripts/fit_heights.py"


rule predict_dipoles:
    input:
        **PREDICTION,
        errors=errors_of,
        structure=structure_of,
    output:
        dipoles="results/dipoles/{system}.nc",
    log:
        "logs/predict_dipoles/{system}.log",
    benchmark:
        "benchmarks/predict_dipoles/{system}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        **LENGTHS,
        beyond=lambda wildcards: beyond_labels(config, wildcards.system),
        code=code_digest("predict_dipoles"),
    message:
        "predict the dipoles of {wildcards.system}"
    script:
        "../scripts/predict_dipoles.py"


# Requested by name only: these rules take minutes, and no figure needs their results.
rule benchmarks:
    input:
        "results/benchmarks/inference.csv",
        "results/benchmarks/training.csv",
        "results/benchmarks/dag.csv",
        "results/benchmarks/rules.csv",
        "results/benchmarks/relaxation.csv" if config["heights"] else [],


# The times are those of the last run of every job.
rule benchmark_relaxation:
    input:
        mapped=expand("results/maps/{system}.nc", system=BENCHMARKED_RELAXED),
        relaxations=expand("results/relaxation/{system}.nc", system=BENCHMARKED_RELAXED),
    output:
        relaxation_costs="results/benchmarks/relaxation.csv",
    log:
        "logs/benchmark_relaxation.log",
    benchmark:
        "benchmarks/benchmark_relaxation.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        folder="benchmarks",
        code=code_digest("benchmark_relaxation"),
    message:
        "tabulate the cost of relaxed maps"
    script:
        "../scripts/benchmark_relaxation.py"


# The times are those of the last run of every job, which the folder `benchmarks` contains.
rule benchmark_rules:
    input:
        claims="results/claims.csv",
        figures=figure_files(),
    output:
        shares="results/benchmarks/rules.csv",
    log:
        "logs/benchmark_rules.log",
    benchmark:
        "benchmarks/benchmark_rules.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        folder="benchmarks",
        code=code_digest("benchmark_rules"),
    message:
        "tabulate the share of each rule in the time of a run"
    script:
        "../scripts/benchmark_rules.py"


rule benchmark_inference:
    input:
        member=lambda wildcards: members("aa", "dp")[0],
        frozen=lambda wildcards: members("aa", "pb")[0],
        compressed=lambda wildcards: members("aa", "compressed.pb")[0],
    output:
        inference="results/benchmarks/inference.csv",
    log:
        "logs/benchmark_inference.log",
    benchmark:
        "benchmarks/benchmark_inference.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=growing(12000),
        runtime=growing(30),
    params:
        systems=[
            "AA_twist-21-22",
            "AA_mismatch-100-101",
            "AA_mismatch-158-159",
            "AA_mismatch-500-501",
        ],
        largest_for_deepmd=50000,
        lattice_constant_A=config["lattice_constant_A"],
        layer_distance_A=config["layer_distance_A"],
        code=code_digest("benchmark_inference"),
    message:
        "measure the time of predictions for large cells"
    script:
        "../scripts/benchmark_inference.py"


rule benchmark_training:
    input:
        courses=expand("results/models/{model}/loss.nc", model=[*VALIDATED_MODELS, "aa_paper"]),
    output:
        training="results/benchmarks/training.csv",
    log:
        "logs/benchmark_training.log",
    benchmark:
        "benchmarks/benchmark_training.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        errors_eA=[1.0e-4, 5.0e-5, 2.0e-5, 1.0e-5, 5.0e-6],
        code=code_digest("benchmark_training"),
    message:
        "measure the training time to a given error"
    script:
        "../scripts/benchmark_training.py"
