# Figures: every panel as data (NetCDF), PDF and PNG.
# Needs: maps, charges and parities of the systems that config.yaml names for a panel.
# Makes: results/figures/<panel>.{nc,pdf,png}.


rule plot_out_of_plane:
    input:
        polarization_map=shown("maps"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png="results/figures/{panel}.png",
    log:
        "logs/plot_out_of_plane/{panel}.log",
    benchmark:
        "benchmarks/plot_out_of_plane/{panel}.tsv"
    wildcard_constraints:
        panel="fig(1b|2d|3d|4b|4c)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_digest("plot_out_of_plane"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_out_of_plane.py"


rule plot_in_plane:
    input:
        polarization_map=shown("maps"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png="results/figures/{panel}.png",
    log:
        "logs/plot_in_plane/{panel}.log",
    benchmark:
        "benchmarks/plot_in_plane/{panel}.tsv"
    wildcard_constraints:
        panel="fig(1c|2e)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_digest("plot_in_plane"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_in_plane.py"


rule plot_charge:
    input:
        charge=shown("charge"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png="results/figures/{panel}.png",
    log:
        "logs/plot_charge/{panel}.log",
    benchmark:
        "benchmarks/plot_charge/{panel}.tsv"
    wildcard_constraints:
        panel="fig(2f|3e|3f|4e|4f)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_digest("plot_charge"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_charge.py"


rule plot_parity:
    input:
        parity=lambda wildcards: "results/models/{}/parity.nc".format(
            config["predictors"]["AA"]["zero_field"]
        ),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png="results/figures/{panel}.png",
    log:
        "logs/plot_parity/{panel}.log",
    benchmark:
        "benchmarks/plot_parity/{panel}.tsv"
    wildcard_constraints:
        panel="fig1f",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_digest("plot_parity"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_parity.py"
