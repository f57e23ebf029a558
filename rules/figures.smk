# Figures: every panel as data (NetCDF), PDF and PNG.
# Needs: the systems or the sweep of each panel (`figures` in config.yaml). The kind of plot
# determines their files (`PLOTS` in scripts/moirepol/workflow/figure_plan.py).
# Makes: results/figures/<panel>.{nc,pdf,png}; the PNG goes into the report. All panels of a figure
# on pages of journal width: results/figures/<figure>.pdf.


for plot in figure_plan.plots_in_use(config):

    rule:
        name:
            f"plot_{plot}"
        input:
            **panel_inputs(plot),
        output:
            data="results/figures/{panel}.nc",
            pdf="results/figures/{panel}.pdf",
            png=report(
                "results/figures/{panel}.png",
                caption="../report/panel.rst",
                category=lambda wildcards: figure_plan.report_category(wildcards.panel),
                labels=lambda wildcards: {
                    "panel": wildcards.panel,
                    "shows": figure_plan.first_sentence(config, wildcards.panel),
                },
            ),
        log:
            f"logs/plot_{plot}/{{panel}}.log",
        benchmark:
            f"benchmarks/plot_{plot}/{{panel}}.tsv"
        wildcard_constraints:
            panel=any_panel_of(plot),
        conda:
            "../envs/analyze.yaml"
        threads: 1
        resources:
            mem_mb=growing(1000),
            runtime=growing(5),
        params:
            **panel_params(plot),
            plot=plot,
            code=code_digest(f"plot_{plot}"),
        message:
            "draw {wildcards.panel}"
        # This is evaluated after the loop, so the kind of plot must come from the params.
        script:
            "../scripts/plot_{params.plot}.py"


rule assemble_figure:
    input:
        panels=lambda wildcards: panels_of_figure(wildcards.figure),
    output:
        figure="results/figures/{figure}.pdf",
    log:
        "logs/assemble_figure/{figure}.log",
    benchmark:
        "benchmarks/assemble_figure/{figure}.tsv"
    wildcard_constraints:
        figure="fig[0-9]+",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        letters=lambda wildcards: figure_plan.letters_of(config, wildcards.figure),
        width_cm=config["page"]["width_cm"],
        height_cm=config["page"]["height_cm"],
        code=code_digest("assemble_figure"),
    message:
        "assemble {wildcards.figure}"
    script:
        "../scripts/assemble_figure.py"


# Requested by name only (`snakemake pictures`): pictures of the docs, to be committed.
rule pictures:
    input:
        expand("docs/pictures/{picture}.png", picture=["fig1b", "fig1e", "fig2d", "fig2e", "fig2g"]),
        expand("docs/images/{picture}.png", picture=["AA_angle-2.00", "AA_angle-1.085_relaxed"]),


#: Folder of pictures in the documentation -> folder of results from which they are made.
PICTURES = {"pictures": "figures", "images": "views"}


rule shrink_picture:
    input:
        figure=lambda wildcards: f"results/{PICTURES[wildcards.folder]}/{wildcards.picture}.png",
    output:
        picture="docs/{folder}/{picture}.png",
    log:
        "logs/shrink_picture/{folder}/{picture}.log",
    benchmark:
        "benchmarks/shrink_picture/{folder}/{picture}.tsv"
    wildcard_constraints:
        folder="|".join(PICTURES),
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        code=code_digest("shrink_picture"),
    message:
        "make a small picture of {wildcards.picture}"
    script:
        "../scripts/shrink_picture.py"
