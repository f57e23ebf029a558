# Views: pages and pictures of any map, links for other names, and plans of labels.
# Needs: results/{maps,charge,potentials}/<map>.nc. Makes: results/views/<map>.{html,pdf,png}, links
# and copies with other names (results/views/AA_angle-2.00.html), and results/plans/<system>.yaml.


rule view_map:
    input:
        polarization_maps=on_page("maps"),
        charges=on_page("charge"),
        potentials=of_bilayer(on_page("potentials")),
        polarizability=of_bilayer(polarizability_of),
    output:
        page="results/views/{map}.html",
    log:
        "logs/view_map/{map}.log",
    benchmark:
        "benchmarks/view_map/{map}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        zero_tolerance=config["maps"]["zero_tolerance"],
        settings=config["potential"],
        relaxed_page=of_bilayer(relaxed_page, otherwise=""),
        code=code_digest("view_map"),
    message:
        "write the page of {wildcards.map}"
    script:
        "../scripts/view_map.py"


# Two maps with one colour scale: results/comparisons/<map>_and_<other map>.html.
rule compare_maps:
    input:
        polarization_maps=compared("maps"),
        charges=compared("charge"),
    output:
        page="results/comparisons/{one}_and_{other}.html",
    log:
        "logs/compare_maps/{one}_and_{other}.log",
    benchmark:
        "benchmarks/compare_maps/{one}_and_{other}.tsv"
    wildcard_constraints:
        one=ANY_MAP,
        other=ANY_MAP,
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        names=lambda wildcards: [wildcards.one, wildcards.other],
        code=code_digest("compare_maps"),
    message:
        "compare {wildcards.one} and {wildcards.other}"
    script:
        "../scripts/compare_maps.py"


rule plot_map:
    input:
        polarization_map="results/maps/{map}.nc",
        charge="results/charge/{map}.nc",
    output:
        pdf="results/views/{map}.pdf",
        png="results/views/{map}.png",
    log:
        "logs/plot_map/{map}.log",
    benchmark:
        "benchmarks/plot_map/{map}.tsv"
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(5),
    params:
        code=code_digest("plot_map"),
    message:
        "draw {wildcards.map}"
    script:
        "../scripts/plot_map.py"


# Names by twist angle or mismatch, and other spellings.
rule link_name:
    input:
        file=file_by_name,
    output:
        link="results/{stage}/{other_name}{ending}",
    log:
        "logs/link_name/{stage}/{other_name}{ending}.log",
    benchmark:
        "benchmarks/link_name/{stage}/{other_name}{ending}.tsv"
    wildcard_constraints:
        stage="dipoles|maps|charge|potentials|views|plans|exports",
        ending=r"(?:_potential|_wannier)?\.(?:nc|html|pdf|png|yaml|extxyz|csv|json|cube)",
    conda:
        "../envs/analyze.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(5),
    params:
        code=code_digest("link_name"),
    message:
        "link {wildcards.other_name} to {input.file}"
    script:
        "../scripts/link_name.py"


rule plan_labels:
    input:
        members=lambda wildcards: members(next(iter(planned_models(wildcards)))),
        labels=lambda wildcards: label_files(next(iter(planned_models(wildcards)))),
    output:
        plan="results/plans/{system}.yaml",
    log:
        "logs/plan_labels/{system}.log",
    benchmark:
        "benchmarks/plan_labels/{system}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(15),
    params:
        **LENGTHS,
        models=planned_models,
        kept=kept_at_distance,
        number=config["plans"]["labels"],
        slides_per_axis=config["plans"]["slides_per_axis"],
        maximum_atoms=config["plans"]["maximum_atoms"],
        code=code_digest("plan_labels"),
    message:
        "propose labels for {wildcards.system}"
    script:
        "../scripts/plan_labels.py"
