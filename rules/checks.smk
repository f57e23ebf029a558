# Checks of the labels: audit, repeated labels, convergence, other DFT codes, cost.
# Needs: the shipped label sets (all sets with `labels: source: compute`). Makes:
# results/audit/<set>.nc, results/audit.{csv,html}, results/checks/,
# results/convergence.{nc,csv,pdf,png}.

CONVERGENCE_SLIDES = ["AA_slide-1-1-3", "AA_slide-0-1-2", "AA_slide-0-0-1"]  # N, A and G
CRITICAL_STACKING = "AA_slide-1-1-3"
ONE_CHANGE = {
    name: changes
    for name in config["labels"]["variants"]
    if len(changes := changes_of(config, name)) == 1
}


rule audit_labels:
    input:
        labels=lambda wildcards: audited_file(wildcards.set),
    output:
        audit="results/audit/{set}.nc",
    log:
        "logs/audit_labels/{set}.log",
    benchmark:
        "benchmarks/audit_labels/{set}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        frames=lambda wildcards: frames(wildcards.set),
        recipe_folder=lambda wildcards: f"results/labels/{set_recipe(wildcards.set)}",
        title=lambda wildcards: wildcards.set,
        code=code_digest("audit_labels"),
    message:
        "audit label set {wildcards.set}"
    script:
        "../scripts/audit_labels.py"


rule tabulate_audit:
    input:
        audits=expand("results/audit/{set}.nc", set=audited_sets()),
        checks="results/checks/copies.nc" if "copies" in audited_sets() else [],
    output:
        table="results/audit.csv",
        page=report(
            "results/audit.html",
            caption="../report/audit.rst",
            category="Checks",
            labels={"result": "audit of the labels"},
        ),
    log:
        "logs/tabulate_audit.log",
    benchmark:
        "benchmarks/tabulate_audit.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_digest("tabulate_audit"),
    message:
        "tabulate the audit of the labels"
    script:
        "../scripts/tabulate_audit.py"


rule audit:
    input:
        rules.tabulate_audit.output,


rule check_copies:
    input:
        originals=audited_file("aa"),
        direct=audited_file("copies"),
    output:
        copies_check="results/checks/copies.nc",
    log:
        "logs/check_copies.log",
    benchmark:
        "benchmarks/check_copies.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        limit_eA=CHECKS["limit_eA"],
        code=code_digest("check_copies"),
    message:
        "compare symmetry copies with direct labels"
    script:
        "../scripts/check_copies.py"


# Requested by name only: results/checks/<set>_against_<set>.csv compares the frames that two label
# sets have in common.
rule compare_labels:
    input:
        labels=lambda wildcards: audited_file(wildcards.other),
        others=lambda wildcards: audited_file(wildcards.set),
    output:
        differences="results/checks/{set}_against_{other}.nc",
        table="results/checks/{set}_against_{other}.csv",
    log:
        "logs/compare_labels/{set}_against_{other}.log",
    benchmark:
        "benchmarks/compare_labels/{set}_against_{other}.tsv"
    wildcard_constraints:
        other="[a-z][a-z0-9_]*",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("compare_labels"),
    message:
        "compare label set {wildcards.set} with {wildcards.other}"
    script:
        "../scripts/compare_labels.py"


# Requested by name only: `snakemake engine` compares the shipped labels of two DFT codes.
rule check_engine:
    input:
        labels=expand("{file}", file=map(audited_file, ["aa", "copies", "aa_field"])),
        others=audited_file("aa_gpaw"),
    output:
        check="results/checks/engine.nc",
        table="results/checks/engine.csv",
        pdf="results/checks/engine.pdf",
        png=report(
            "results/checks/engine.png",
            caption="../report/engine.rst",
            category="Checks",
            labels={"result": "labels by two DFT codes"},
        ),
    log:
        "logs/check_engine.log",
    benchmark:
        "benchmarks/check_engine.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("check_engine"),
    message:
        "compare labels by two DFT codes"
    script:
        "../scripts/check_engine.py"


rule engine:
    input:
        rules.check_engine.output,


# Requested by name only: `snakemake critical_field` uses the shipped labels by layer distance.
rule find_critical_field:
    input:
        labels=audited_file("distance"),
        zero_field=models_of("zero_field", lambda wildcards: CRITICAL_STACKING),
        response=models_of("response", lambda wildcards: CRITICAL_STACKING),
        heights="results/heights/AA.nc",
    output:
        critical_field="results/checks/critical_field.nc",
        pdf="results/checks/critical_field.pdf",
        png="results/checks/critical_field.png",
    log:
        "logs/find_critical_field.log",
    benchmark:
        "benchmarks/find_critical_field.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        lattice_constant_A=config["lattice_constant_A"],
        layer_distance_A=config["layer_distance_A"],
        distances_A=[3.15, 3.7],
        code=code_digest("find_critical_field"),
    message:
        "compute the critical field against the layer distance"
    script:
        "../scripts/find_critical_field.py"


rule critical_field:
    input:
        rules.find_critical_field.output,


# Requested by name only: `snakemake recheck` computes one label of each set again.
rule recheck_labels:
    input:
        labels=lambda wildcards: audited_file(wildcards.set),
    output:
        recheck="results/checks/recheck_{set}_{seed}.nc",
    log:
        "logs/recheck_labels/{set}_{seed}.log",
    benchmark:
        "benchmarks/recheck_labels/{set}_{seed}.tsv"
    conda:
        "../envs/label.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: attempt * (700 + 30 * CHECKS["maximum_atoms"]),
        runtime=lambda wildcards, attempt: attempt * (20 + 2 * CHECKS["maximum_atoms"]),
    params:
        seed=lambda wildcards: int(wildcards.seed),
        maximum_atoms=CHECKS["maximum_atoms"],
        limit_eA=CHECKS["limit_eA"],
        scratch=lambda wildcards: f"results/scratch/recheck/{wildcards.set}",
        title=lambda wildcards: wildcards.set,
        code=code_digest("recheck_labels"),
    message:
        "compute one label of set {wildcards.set} again"
    script:
        "../scripts/recheck_labels.py"


rule recheck:
    input:
        expand(
            "results/checks/recheck_{set}_{seed}.nc",
            set=filter(recheckable, audited_sets()),
            seed=CHECKS["seed"],
        ),


# Requested by name only: `snakemake convergence` computes three labels by each changed recipe.
rule study_convergence:
    input:
        standard=audited_file("aa"),
        variants=expand(
            "results/labels/{recipe}/{frame}.nc", recipe=ONE_CHANGE, frame=CONVERGENCE_SLIDES
        ),
    output:
        study="results/convergence.nc",
        table="results/convergence.csv",
        pdf="results/convergence.pdf",
        png=report(
            "results/convergence.png",
            caption="../report/convergence.rst",
            category="Checks",
            labels={"result": "convergence of the labels"},
        ),
    log:
        "logs/study_convergence.log",
    benchmark:
        "benchmarks/study_convergence.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        changes=ONE_CHANGE,
        slides=CONVERGENCE_SLIDES,
        settings=settings_of(config, STANDARD),
        code=code_digest("study_convergence"),
    message:
        "tabulate the convergence of the labels"
    script:
        "../scripts/study_convergence.py"


rule convergence:
    input:
        rules.study_convergence.output,


# Requested by name only: `snakemake label_cost` computes labels with the settings of the paper on
# coarse meshes, and extrapolates the cost to the full mesh. The full mesh takes hours
# (results/benchmark_labels/24.csv).
rule benchmark_labels:
    output:
        comparison="results/benchmark_labels/{meshes}.nc",
        table="results/benchmark_labels/{meshes}.csv",
    log:
        "logs/benchmark_labels/{meshes}.log",
    benchmark:
        "benchmarks/benchmark_labels/{meshes}.tsv"
    wildcard_constraints:
        meshes="[0-9]+(-[0-9]+)*",
    conda:
        "../envs/label.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(600),
    params:
        frame=CONVERGENCE_SLIDES[0],
        settings=settings_of(config, STANDARD),
        brute_force=lambda wildcards: recipe_of(config, "brute_force"),
        meshes=lambda wildcards: [int(n) for n in wildcards.meshes.split("-")],
        scratch=lambda wildcards: f"results/scratch/benchmark_labels/{wildcards.meshes}",
        code=code_digest("benchmark_labels"),
    message:
        "compare the cost of a label with the settings of the paper, meshes {wildcards.meshes}"
    script:
        "../scripts/benchmark_labels.py"


rule label_cost:
    input:
        "results/benchmark_labels/2-3.csv",


rule benchmark_dag:
    output:
        table="results/benchmarks/dag.csv",
    log:
        "logs/benchmark_dag.log",
    benchmark:
        "benchmarks/benchmark_dag.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        labels=10000,
        code=code_digest("benchmark_dag"),
    message:
        "measure the time to plan {params.labels} labels"
    script:
        "../scripts/benchmark_dag.py"
