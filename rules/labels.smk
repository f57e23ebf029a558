# Labels: the dipole of every N atom by DFT (pw.x) and Wannier centres (pw2wannier90.x, wannier90.x).
# Needs: the bilayers named by `labels: sets`. Makes: results/labels/<set>.nc, one file a set.

from moirepol.sets import digest, frames_of, recipe_of, settings_of, shipped_frames, STANDARD
from moirepol.systems import PATTERN, System

SHIPPED_LABELS = "resources/labels"
SHIPPED_FRAMES = shipped_frames(SHIPPED_LABELS)


def set_recipe(name):
    """Name of the recipe that a label set is made by."""
    return LABEL_SETS[name].get("recipe", STANDARD)


def missing_frames(name):
    """Frames of a set that must be computed: those that do not ship, or all of them."""
    frames = frames_of(LABEL_SETS[name])
    if config["labels"]["source"] == "compute":
        return frames
    wanted = digest(settings_of(config, set_recipe(name)))
    missing = [frame for frame in frames if (name, frame, wanted) not in SHIPPED_FRAMES]
    if missing and config["labels"]["source"] == "shipped":
        raise WorkflowError(
            f"labels.source = 'shipped': set {name} has {len(missing)} frames that do not ship with "
            f"these settings, the first is {missing[0]}; use 'complete' to compute them"
        )
    return missing


def label_inputs(wildcards):
    """What a set is collected from: its shipped file, its computed frames, or both."""
    missing = missing_frames(wildcards.set)
    files = {"computed": expand(f"results/labels/{set_recipe(wildcards.set)}/{{frame}}.nc", frame=missing)}
    if len(missing) < len(frames_of(LABEL_SETS[wildcards.set])):
        files["shipped"] = f"{SHIPPED_LABELS}/{wildcards.set}.nc"
    return files


rule label_frame:
    message:
        "DFT label of {wildcards.frame}, recipe {wildcards.recipe}"
    output:
        label="results/labels/{recipe}/{frame}.nc",
    params:
        settings=lambda wildcards: settings_of(config, wildcards.recipe),
        scratch=lambda wildcards: f"results/scratch/{wildcards.recipe}/{wildcards.frame}",
    log:
        "logs/label_frame/{recipe}/{frame}.log",
    benchmark:
        "benchmarks/label_frame/{recipe}/{frame}.tsv"
    threads: lambda wildcards: 1 if System.parse(wildcards.frame).n_atoms < 100 else 2
    resources:
        mem_mb=lambda wildcards, attempt: attempt * (700 + 30 * System.parse(wildcards.frame).n_atoms),
        runtime=lambda wildcards, attempt: attempt * (20 + 2 * System.parse(wildcards.frame).n_atoms),
    conda:
        "../envs/label.yaml"
    script:
        "../scripts/label_frame.py"


rule collect_labels:
    message:
        "label set {wildcards.set}"
    input:
        unpack(label_inputs),
    output:
        labels="results/labels/{set}.nc",
    params:
        frames=lambda wildcards: frames_of(LABEL_SETS[wildcards.set]),
        settings=lambda wildcards: settings_of(config, set_recipe(wildcards.set)),
        title=lambda wildcards: wildcards.set,
        code=code_digest("collect_labels"),
    log:
        "logs/collect_labels/{set}.log",
    benchmark:
        "benchmarks/collect_labels/{set}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../envs/analyze.yaml"
    script:
        "../scripts/collect_labels.py"


# Asked for by name only: puts every label finished so far into resources/labels, to be committed.
rule ship_labels:
    message:
        "finished labels go to {params.shipped_folder}"
    params:
        sets={
            name: {
                "frames": frames_of(label_set),
                "recipe": set_recipe(name),
                "settings": settings_of(config, set_recipe(name)),
            }
            for name, label_set in LABEL_SETS.items()
        },
        computed_folder="results/labels",
        shipped_folder=SHIPPED_LABELS,
    log:
        "logs/ship_labels.log",
    benchmark:
        "benchmarks/ship_labels.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../envs/analyze.yaml"
    script:
        "../scripts/ship_labels.py"
