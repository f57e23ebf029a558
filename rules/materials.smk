# Materials beside each other, and the page of each material. Requested by name only.
# Needs: configuration maps and label sets. The bands and the changed recipes of a page are computed
# by DFT. Makes: results/materials/comparison.{nc,csv,pdf,png}, results/materials/<material>.html,
# results/bands/<system>.nc.

#: Families of parallel layers whose stackings are all labelled, the default material first.
COMPARED = [
    family
    for family in FAMILIES
    if stacking_of(family) == "AA" and planned(label_plan.is_mapped, family, SHIPPED_FRAMES)
]
#: Twisted bilayers of the families with models.
COMPARED_TWISTED = [
    nearest(f"{family}_angle-2.00", sys.maxsize).name
    for family in COMPARED
    if family in config["predictors"]
]


rule materials:
    input:
        "results/materials/comparison.png",
        expand("results/views/configuration_{family}.html", family=COMPARED),
        expand("results/views/{system}.html", system=COMPARED_TWISTED),


rule compare_materials:
    input:
        configuration_maps=expand("results/maps/configuration_{family}.nc", family=COMPARED),
        labels=lambda wildcards: [
            label_file(name)
            for family in COMPARED
            for name in planned(label_plan.sets_with_stacking, family, (1, 1, 3), SHIPPED_FRAMES)
        ],
        moire_maps=expand("results/maps/{system}.nc", system=COMPARED_TWISTED),
    output:
        comparison="results/materials/comparison.nc",
        table="results/materials/comparison.csv",
        pdf="results/materials/comparison.pdf",
        png="results/materials/comparison.png",
    log:
        "logs/compare_materials.log",
    benchmark:
        "benchmarks/compare_materials.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=code_digest("compare_materials"),
    message:
        "compare the materials"
    script:
        "../scripts/compare_materials.py"


# No digest of the code, as for `label_frame`.
rule compute_bands:
    output:
        bands="results/bands/{system}.nc",
    log:
        "logs/compute_bands/{system}.log",
    benchmark:
        "benchmarks/compute_bands/{system}.tsv"
    conda:
        "../envs/label.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        settings=lambda wildcards: family_settings(wildcards.system),
        scratch=lambda wildcards: f"results/scratch/bands/{wildcards.system}",
    message:
        "compute the bands of {wildcards.system}"
    script:
        "../scripts/compute_bands.py"


rule describe_material:
    input:
        bands=lambda wildcards: f"results/bands/{page_slides(wildcards.material)[0]}.nc",
        labels=lambda wildcards: slides_of(parallel_family(wildcards.material))[0],
        finer=lambda wildcards: expand(
            "results/labels/{recipe}/{frame}.nc",
            recipe=finer_recipes(wildcards.material),
            frame=page_slides(wildcards.material),
        ),
    output:
        page="results/materials/{material}.html",
        table="results/materials/{material}.csv",
    log:
        "logs/describe_material/{material}.log",
    benchmark:
        "benchmarks/describe_material/{material}.tsv"
    wildcard_constraints:
        material="|".join(known_materials()),
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        material=lambda wildcards: wildcards.material,
        slides=lambda wildcards: page_slides(wildcards.material),
        changes=lambda wildcards: finer_recipes(wildcards.material),
        code=code_digest("describe_material"),
    message:
        "write the page of material {wildcards.material}"
    script:
        "../scripts/describe_material.py"
