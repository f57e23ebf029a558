# Figures: every panel as data (NetCDF), PDF and PNG.
# Needs: maps, charges and parities of the systems that config.yaml names for a panel, labels for
# fig1e.
# Makes: results/figures/<panel>.{nc,pdf,png}; the PNG goes into the report.

PICTURE = report(
    "results/figures/{panel}.png",
    caption="../report/panel.rst",
    category=lambda wildcards: f"Fig. {wildcards.panel[3]}",
    labels=lambda wildcards: {"panel": wildcards.panel},
)


rule plot_stackings:
    input:
        configuration_map=lambda wildcards: (
            f"results/maps/configuration_{PANEL_FAMILY[wildcards.panel]}.nc"
        ),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_stackings/{panel}.log",
    benchmark:
        "benchmarks/plot_stackings/{panel}.tsv"
    wildcard_constraints:
        panel="fig(1a|1d)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        family=lambda wildcards: PANEL_FAMILY[wildcards.panel],
        lattice_constant_A=config["lattice_constant_A"],
        layer_distance_A=config["layer_distance_A"],
        code=code_digest("plot_stackings"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_stackings.py"


rule plot_out_of_plane:
    input:
        polarization_map=shown("maps"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
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
        mem_mb=growing(1000),
        runtime=growing(5),
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
        png=PICTURE,
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
        mem_mb=growing(1000),
        runtime=growing(5),
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
        png=PICTURE,
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
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_charge"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_charge.py"


rule plot_wannier_centres:
    input:
        parallel=lambda wildcards: slides_of("AA")[0],
        antiparallel=lambda wildcards: slides_of("AAp")[0],
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_wannier_centres/{panel}.log",
    benchmark:
        "benchmarks/plot_wannier_centres/{panel}.tsv"
    wildcard_constraints:
        panel="fig1e",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_wannier_centres"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_wannier_centres.py"


rule plot_parity:
    input:
        parities=expand("results/models/{model}/parity.nc", model=PARITY_MODELS),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
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
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_parity"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_parity.py"


rule plot_pattern:
    input:
        polarization_map=shown("maps"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_pattern/{panel}.log",
    benchmark:
        "benchmarks/plot_pattern/{panel}.tsv"
    wildcard_constraints:
        panel="fig(2c|3c|4h)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_pattern"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_pattern.py"


rule plot_site_dipoles:
    input:
        dipoles=shown("dipoles"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_site_dipoles/{panel}.log",
    benchmark:
        "benchmarks/plot_site_dipoles/{panel}.tsv"
    wildcard_constraints:
        panel="fig(2b|3b)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_site_dipoles"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_site_dipoles.py"


rule plot_structure:
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_structure/{panel}.log",
    benchmark:
        "benchmarks/plot_structure/{panel}.tsv"
    wildcard_constraints:
        panel="fig(2a|3a|4g)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        system=lambda wildcards: systems_of(wildcards.panel)[0],
        lattice_constant_A=config["lattice_constant_A"],
        layer_distance_A=config["layer_distance_A"],
        code=code_digest("plot_structure"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_structure.py"


rule plot_paths:
    input:
        polarization_maps=all_shown("maps"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_paths/{panel}.log",
    benchmark:
        "benchmarks/plot_paths/{panel}.tsv"
    wildcard_constraints:
        panel="fig(4a|4d)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        quantity=lambda wildcards: {"fig4a": "P_perp", "fig4d": "P_par"}[wildcards.panel],
        code=code_digest("plot_paths"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_paths.py"


rule plot_comparison:
    input:
        dipoles=shown("dipoles"),
        labels=label_of_panel,
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_comparison/{panel}.log",
    benchmark:
        "benchmarks/plot_comparison/{panel}.tsv"
    wildcard_constraints:
        panel="fig2h|fig3i",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_comparison"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_comparison.py"


rule plot_amplitudes:
    input:
        dipoles=all_shown("dipoles"),
        configuration_map="results/maps/configuration_AA.nc",
        labels=direct_labels("twist"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_amplitudes/{panel}.log",
    benchmark:
        "benchmarks/plot_amplitudes/{panel}.tsv"
    wildcard_constraints:
        panel="fig2g",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_amplitudes"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_amplitudes.py"


rule plot_angles:
    input:
        polarization_maps=all_shown("maps"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_angles/{panel}.log",
    benchmark:
        "benchmarks/plot_angles/{panel}.tsv"
    wildcard_constraints:
        panel="fig4i",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_angles"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_angles.py"


rule plot_mismatch:
    input:
        sweep=shown("sweeps"),
        labels=direct_labels("mismatch"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_mismatch/{panel}.log",
    benchmark:
        "benchmarks/plot_mismatch/{panel}.tsv"
    wildcard_constraints:
        panel="fig3g",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        trained_eta=trained_eta("AA"),
        code=code_digest("plot_mismatch"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_mismatch.py"


rule plot_phases:
    input:
        sweep=shown("sweeps"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_phases/{panel}.log",
    benchmark:
        "benchmarks/plot_phases/{panel}.tsv"
    wildcard_constraints:
        panel="fig3h",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_phases"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_phases.py"


rule plot_charges:
    input:
        sweep=shown("sweeps"),
    output:
        data="results/figures/{panel}.nc",
        pdf="results/figures/{panel}.pdf",
        png=PICTURE,
    log:
        "logs/plot_charges/{panel}.log",
    benchmark:
        "benchmarks/plot_charges/{panel}.tsv"
    wildcard_constraints:
        panel="fig4j",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_charges"),
    message:
        "draw {wildcards.panel}"
    script:
        "../scripts/plot_charges.py"


# Asked for by name only (`snakemake pictures`): what the README shows, to be committed.
rule pictures:
    input:
        expand("docs/pictures/{panel}.png", panel=["fig1b", "fig1e", "fig2d", "fig2e", "fig2g"]),


rule shrink_picture:
    input:
        figure="results/figures/{panel}.png",
    output:
        picture="docs/pictures/{panel}.png",
    log:
        "logs/shrink_picture/{panel}.log",
    benchmark:
        "benchmarks/shrink_picture/{panel}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        code=code_digest("shrink_picture"),
    message:
        "small picture of {wildcards.panel}"
    script:
        "../scripts/shrink_picture.py"
