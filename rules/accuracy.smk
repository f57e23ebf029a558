# Accuracy: models compared with labels held out of their training. Requested by name only.
# Needs: the models of `studies`, and the shipped label sets (all sets with `labels: source:
# compute`).
# Makes: results/studies/<study>.nc, results/{accuracy,range}.csv, results/errors/<family>.nc,
# results/checks/calibration.{nc,pdf,png} and, by `learning`, results/learning.csv.

TABULATED = [
    name
    for name in MODELS
    if MODELS[name]["split"] != "cells"
    and material_of(MODELS[name]["family"]) == DEFAULT_MATERIAL
    and all(ready(s) for s in MODELS[name]["labels"])
]
#: Studies of the accuracy table. `./run materials` tabulates the studies of other materials.
OWN_STUDIES = [name for name in STUDIES if material_of(family_of_study(name)) == DEFAULT_MATERIAL]
#: Largest mismatch of cells that the error is calibrated on. At 20 and 25 % the expansion fails.
LARGEST_VALIDATED_ETA = 0.1
CELL_STUDIES = {name: terms_of_study(name) for name in studies_used_for("cells", STUDIES)}
#: The study of uniaxial cells that is drawn against the wave vector.
UNIAXIAL_STUDY = next(iter(studies_used_for("uniaxial", STUDIES)), None)
LABELLED_STUDIES = {name: study["label"] for name, study in STUDIES.items() if "label" in study}


rule accuracy:
    input:
        "results/accuracy.csv",
        "results/range.csv",
        expand("results/errors/{family}.nc", family=ERROR_STUDIES),
        "results/checks/cells.png" if CELL_STUDIES else [],
        "results/checks/uniaxial.png" if UNIAXIAL_STUDY else [],
        "results/checks/calibration.png" if LABELLED_STUDIES else [],


rule validate_frames:
    input:
        labels=lambda wildcards: map(validation_labels, STUDIES[wildcards.study]["labels"]),
        zero_field=studied("zero_field"),
        response=studied("response"),
        curvature=studied("curvature"),
        polarizability=lambda wildcards: (
            polarizability_file(STUDIES[wildcards.study]["long_range"])
            if "long_range" in STUDIES[wildcards.study]
            else []
        ),
        gradient=lambda wildcards: (
            f"results/gradient/{family_of_study(wildcards.study)}.nc"
            if STUDIES[wildcards.study].get("gradient")
            else []
        ),
    output:
        validated="results/studies/{study}.nc",
    log:
        "logs/validate_frames/{study}.log",
    benchmark:
        "benchmarks/validate_frames/{study}.tsv"
    wildcard_constraints:
        study="|".join(STUDIES) or "none",
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        fields_V_per_A=lambda wildcards: STUDIES[wildcards.study].get("fields_V_per_A"),
        code=code_digest("validate_frames"),
    message:
        "validate the predictions of study {wildcards.study}"
    script:
        "../scripts/validate_frames.py"


rule tabulate_accuracy:
    input:
        parities=expand("results/models/{model}/parity.nc", model=TABULATED),
        studies=expand("results/studies/{study}.nc", study=OWN_STUDIES),
        labels=expand(
            "results/labels/{set}.nc",
            set=sorted({s for model in TABULATED for s in MODELS[model]["labels"]}),
        ),
        table=CLAIMS_TABLE,
    output:
        accuracy=report(
            "results/accuracy.csv",
            caption="../report/accuracy.rst",
            category="Checks",
            labels={"result": "accuracy of the models"},
        ),
        cells=report(
            "results/range.csv",
            caption="../report/range.rst",
            category="Checks",
            labels={"result": "moire cells, predicted and direct"},
        ),
    log:
        "logs/tabulate_accuracy.log",
    benchmark:
        "benchmarks/tabulate_accuracy.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        study_sets={name: STUDIES[name]["labels"] for name in OWN_STUDIES},
        code=code_digest("tabulate_accuracy"),
    message:
        "tabulate the errors of the models"
    script:
        "../scripts/tabulate_accuracy.py"


rule calibrate_errors:
    input:
        studies=lambda wildcards: expand(
            "results/studies/{study}.nc", study=ERROR_STUDIES[wildcards.family]
        ),
    output:
        errors="results/errors/{family}.nc",
    log:
        "logs/calibrate_errors/{family}.log",
    benchmark:
        "benchmarks/calibrate_errors/{family}.tsv"
    wildcard_constraints:
        family="|".join(ERROR_STUDIES) or "none",
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        largest_eta=LARGEST_VALIDATED_ETA,
        code=code_digest("calibrate_errors"),
    message:
        "calibrate the error of predictions, {wildcards.family}"
    script:
        "../scripts/calibrate_errors.py"


rule calibrate_relaxation:
    input:
        labels=lambda wildcards: label_file(config["heights"][wildcards.family]["validation"]),
        zero_field=models_of("zero_field", first_relaxed_cell),
        response=models_of("response", first_relaxed_cell),
        curvature=models_of("curvature", first_relaxed_cell),
        polarizability=lambda wildcards: polarizability_file(config["long_range"][wildcards.family]),
        gradient="results/gradient/{family}.nc",
        relaxations=lambda wildcards: expand(
            "results/relaxation/{system}.nc",
            system=planned(model_plan.relaxed_cells, wildcards.family),
        ),
        stackings="results/stackings/{family}.nc",
        monolayer=lambda wildcards: monolayer_file(material_of(wildcards.family)),
        heights="results/heights/{family}.nc",
        errors="results/errors/{family}.nc",
    output:
        relaxed_errors="results/errors/{family}_relaxed.nc",
    log:
        "logs/calibrate_relaxation/{family}.log",
    benchmark:
        "benchmarks/calibrate_relaxation/{family}.tsv"
    wildcard_constraints:
        family="|".join(ERROR_STUDIES) or "none",
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        lattice_constant_A=of_material("lattice_constant_A", lambda wildcards: wildcards.family),
        layer_distance_A=of_material("layer_distance_A", lambda wildcards: wildcards.family),
        code=code_digest("calibrate_relaxation"),
    message:
        "calibrate the error of relaxed bilayers, {wildcards.family}"
    script:
        "../scripts/calibrate_relaxation.py"


rule plot_cells:
    input:
        studies=expand("results/studies/{study}.nc", study=CELL_STUDIES),
    output:
        data="results/checks/cells.nc",
        pdf="results/checks/cells.pdf",
        png=report(
            "results/checks/cells.png",
            caption="../report/cells.rst",
            category="Checks",
            labels={"result": "moire cells of direct DFT"},
        ),
    log:
        "logs/plot_cells.log",
    benchmark:
        "benchmarks/plot_cells.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        names=CELL_STUDIES,
        largest_eta=LARGEST_VALIDATED_ETA,
        code=code_digest("plot_cells"),
    message:
        "draw the first harmonics of moire cells"
    script:
        "../scripts/plot_cells.py"


rule plot_uniaxial:
    input:
        cells=lambda wildcards: map(validation_labels, STUDIES[UNIAXIAL_STUDY]["labels"]),
        zero_field=lambda wildcards: members(STUDIES[UNIAXIAL_STUDY]["models"]["zero_field"]),
        response=lambda wildcards: members(STUDIES[UNIAXIAL_STUDY]["models"]["response"]),
        polarizability=lambda wildcards: polarizability_file(STUDIES[UNIAXIAL_STUDY]["long_range"]),
        gradient=lambda wildcards: f"results/gradient/{family_of_study(UNIAXIAL_STUDY)}.nc",
    output:
        data="results/checks/uniaxial.nc",
        pdf="results/checks/uniaxial.pdf",
        png=report(
            "results/checks/uniaxial.png",
            caption="../report/uniaxial.rst",
            category="Checks",
            labels={"result": "uniaxial cells"},
        ),
    log:
        "logs/plot_uniaxial.log",
    benchmark:
        "benchmarks/plot_uniaxial.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_digest("plot_uniaxial"),
    message:
        "draw uniaxial cells against the wave vector"
    script:
        "../scripts/plot_uniaxial.py"


rule plot_calibration:
    input:
        studies=expand("results/studies/{study}.nc", study=LABELLED_STUDIES),
        errors=expand("results/errors/{family}.nc", family=ERROR_STUDIES),
    output:
        data="results/checks/calibration.nc",
        pdf="results/checks/calibration.pdf",
        png=report(
            "results/checks/calibration.png",
            caption="../report/calibration.rst",
            category="Checks",
            labels={"result": "errors and committee standard deviations"},
        ),
    log:
        "logs/plot_calibration.log",
    benchmark:
        "benchmarks/plot_calibration.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        names=LABELLED_STUDIES,
        code=code_digest("plot_calibration"),
    message:
        "compare errors with committee standard deviations"
    script:
        "../scripts/plot_calibration.py"


rule learning:
    input:
        "results/learning.csv",


rule study_learning:
    input:
        labels=lambda wildcards: label_files("aa", "labels"),
    output:
        learning="results/learning.csv",
    log:
        "logs/study_learning.log",
    benchmark:
        "benchmarks/study_learning.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        family=lambda wildcards: MODELS["aa"]["family"],
        folds=lambda wildcards: MODELS["aa"]["folds"],
        protocol=lambda wildcards: protocol_of("aa"),
        counts=[2, 3, 4, 6, 8, 10, 12],
        code=code_digest("study_learning"),
    message:
        "measure the validation error against the number of training stackings"
    script:
        "../scripts/study_learning.py"
