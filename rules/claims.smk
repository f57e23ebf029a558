# Claims of the paper, compared with the results.
# Needs: the maps, charges and parities of the configured figures, and the available labels of moire
# cells. Makes: results/claims.{csv,html}, results/claims_relaxed.csv.

SHOWN_SYSTEMS = systems_shown()
#: The claims are on rigid bilayers.
RIGID_SYSTEMS = [name for name in SHOWN_SYSTEMS if not System.parse(name).relaxed]
#: Systems whose atomic dipoles the claims need: cells compared with direct DFT, and mismatched
#: cells.
WITH_ATOMS = sorted(
    {*systems_shown("comparison"), *(name for name in SHOWN_SYSTEMS if "_mismatch-" in name)}
)
#: Models trained or validated as in the paper. `./run accuracy` makes them. If they exist, the
#: table of claims contains their errors.
QUOTED = [
    f"results/models/{name}/parity.nc"
    for name, model in MODELS.items()
    if model.get("study")
    and (model.get("protocol", model_plan.PAPER) == model_plan.PAPER or model["split"] == "copies")
]
#: The claims are on bilayers of the paper's material.
CLAIMED = [family for family in config["predictors"] if material_of(family) == DEFAULT_MATERIAL]
CONFIGURATIONS = [f"configuration_{family}" for family in CLAIMED]


rule evaluate_claims:
    input:
        table=CLAIMS_TABLE,
        maps=expand("results/maps/{system}.nc", system=[*CONFIGURATIONS, *RIGID_SYSTEMS]),
        charges=expand("results/charge/{system}.nc", system=systems_shown("charge")),
        dipoles=expand("results/dipoles/{system}.nc", system=WITH_ATOMS),
        labels=direct_labels("twist", "mismatch"),
        parities=expand("results/models/{model}/parity.nc", model=VALIDATED_MODELS),
        studies=expand("results/studies/{study}.nc", study=studies_used_for("claims", STUDIES)),
    output:
        claims=report(
            "results/claims.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"result": "claims, for a spreadsheet"},
        ),
    log:
        "logs/evaluate_claims.log",
    benchmark:
        "benchmarks/evaluate_claims.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        # No inputs: `./run` alone does not train these models.
        quoted={path: sha256(path) for path in QUOTED if Path(path).is_file()},
        predictors=[name for family in CLAIMED for name in config["predictors"][family].values()],
        code=code_digest("evaluate_claims"),
    message:
        "evaluate the claims of the paper"
    script:
        "../scripts/evaluate_claims.py"


# Requested by name only: the claims for relaxed bilayers.
rule relax_claims:
    input:
        table=CLAIMS_TABLE,
        claims="results/claims.csv",
        configurations=expand("results/maps/{system}.nc", system=CONFIGURATIONS),
        maps=expand("results/maps/{system}.nc", system=relaxed_systems(SHOWN_SYSTEMS)),
        charges=expand(
            "results/charge/{system}.nc", system=relaxed_systems(systems_shown("charge"))
        ),
        dipoles=expand("results/dipoles/{system}.nc", system=relaxed_systems(WITH_ATOMS)),
    output:
        relaxed_claims="results/claims_relaxed.csv",
    log:
        "logs/relax_claims.log",
    benchmark:
        "benchmarks/relax_claims.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_digest("relax_claims"),
    message:
        "evaluate the claims for relaxed bilayers"
    script:
        "../scripts/relax_claims.py"


rule tabulate_claims:
    input:
        claims="results/claims.csv",
    output:
        page=report(
            "results/claims.html",
            caption="../report/claims.rst",
            category="Claims",
            labels={"result": "claims"},
        ),
    log:
        "logs/tabulate_claims.log",
    benchmark:
        "benchmarks/tabulate_claims.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("tabulate_claims"),
    message:
        "write the claims as a page"
    script:
        "../scripts/tabulate_claims.py"
