# Figures: every panel as data (NetCDF), PDF and PNG.
# Needs: what each panel shows (`figures` in config.yaml) and what its kind of plot is drawn from
# (`PLOTS` in scripts/moirepol/workflow/figure_plan.py).
# Makes: results/figures/<panel>.{nc,pdf,png}; the PNG goes into the report.


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
                labels=lambda wildcards: {"panel": wildcards.panel},
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
        # A job evaluates this after the loop, so it takes the kind of plot from the params.
        script:
            "../scripts/plot_{params.plot}.py"


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
