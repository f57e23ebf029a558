# Docs: the tables of numbers in docs/tables, to be committed. Requested by name only.
# Needs: the tables of claims, of accuracy and of the audit. Makes: docs/tables/*.md.


# Bilayers whose terms are tabulated. The panels with the plot `walls` show the same bilayers.
TABULATED_TERMS = systems_shown("walls")


rule docs_tables:
    input:
        expand(
            "docs/tables/{table}.md",
            table=["claims", "accuracy", "cells", "errors", "learning", "labels", "terms"],
        ),


rule tabulate_docs:
    input:
        claims="results/claims.csv",
        relaxed_claims="results/claims_relaxed.csv",
        terms=expand("results/terms/{system}.nc", system=TABULATED_TERMS),
        accuracy="results/accuracy.csv",
        cells="results/range.csv",
        errors=expand("results/errors/{family}.nc", family=ERROR_STUDIES),
        learning="results/learning.csv",
        audit="results/audit.csv",
    output:
        claims_page="docs/tables/claims.md",
        accuracy_page="docs/tables/accuracy.md",
        cells_page="docs/tables/cells.md",
        errors_page="docs/tables/errors.md",
        learning_page="docs/tables/learning.md",
        labels_page="docs/tables/labels.md",
        terms_page="docs/tables/terms.md",
    log:
        "logs/tabulate_docs.log",
    benchmark:
        "benchmarks/tabulate_docs.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("tabulate_docs"),
    message:
        "write the tables of the docs"
    script:
        "../scripts/tabulate_docs.py"
