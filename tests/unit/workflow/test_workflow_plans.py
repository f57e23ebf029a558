"""Which files the rules need: labels, models and figures, from the settings alone."""

import copy
import importlib
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from moirepol.errors import ConfigError
from moirepol.structure.material import load_material
from moirepol.workflow import figure_plan, label_plan, model_plan
from moirepol.workflow.configuration import check_config
from moirepol.workflow.job import check_names
from moirepol.workflow.label_sets import STANDARD, digest, settings_of, shipped_frames
from support.settings import put


@pytest.fixture
def config(root):
    return check_config(yaml.safe_load((root / "config.yaml").read_text()))


@pytest.fixture
def small(config):
    """Two frames, the first of which ships."""
    return put(config, "labels.sets.aa", {"systems": ["AA_slide-0-0-1", "AA_slide-1-1-3"]})


def shipped(config, *names):
    wanted = digest(settings_of(config, STANDARD))
    return {("aa", name, wanted) for name in names}


class TestMaterials:
    def test_settings_are_those_of_the_material(self, config):
        material = load_material("SiC")
        settings = settings_of(config, STANDARD, "SiC")
        assert settings["recipe"]["pseudopotentials"] == material.pseudopotentials["espresso"]
        assert settings["lattice_constant_A"] == material.lattice_constant_A
        assert settings["layer_distance_A"] == material.layer_distance_A
        own = settings_of(put(config, "lattice_constant_A", 2.5), STANDARD)
        assert own["lattice_constant_A"] == 2.5
        assert own["recipe"] == config["labels"]["recipe"]
        assert label_plan.set_settings(config, "sic_aa") == settings

    def test_a_code_without_its_data_sets_is_one_line(self, config):
        wrong = put(config, "labels.sets.aa", {"systems": ["MoS2-AA_slide-1-1-3"]})
        with pytest.raises(ConfigError, match="aa: .*'espresso': MoS2 has .* for gpaw alone"):
            check_config(wrong)

    def test_a_set_is_of_one_material(self, config):
        both = put(config, "labels.sets.aa", {"systems": ["AA_slide-0-0-1", "SiC-AA_slide-0-0-1"]})
        with pytest.raises(ConfigError, match="aa: a label set of SiC and hBN: allowed is one"):
            check_config(both)

    def test_recipes_follow_the_labels_of_a_family(self, config):
        assert label_plan.family_recipe(config, "AA") == STANDARD
        assert label_plan.family_recipe(config, "SiC-AA") == STANDARD
        grid = {"family": "MoS2-AA", "slides_per_axis": 12}
        config = put(config, "labels.sets.mine", {"recipe": "mos2", "grids": [grid]})
        assert label_plan.family_recipe(config, "MoS2-AA") == "mos2"
        assert label_plan.finest_slides(config, "MoS2-AA") == ("results/labels/mine.nc", 12)

    def test_comparisons_are_sets_by_another_code_than_the_first(self, config):
        slides = {"recipe": "gpaw", "systems": ["MoS2-AA_slide-1-1-3"]}
        own = label_plan.own_sets(put(config, "labels.sets.mine", slides))
        assert {"aa", "sic_aa", "mine"} <= set(own)
        assert "aa_gpaw" not in own

    def test_finer_recipes_change_one_setting(self, config):
        found = label_plan.finer_recipes(config, "SiC-AA")
        assert found["mesh_12"] == {"mesh_4_atom_cell": 12}
        assert {"wfc_35", "mesh_6", "large", "gpaw", "relaxed"}.isdisjoint(found)

    def test_a_page_of_a_material_needs_the_stacking_a(self, config):
        slides = ["slide-1-1-3", "slide-0-1-2", "slide-0-0-1"]
        assert label_plan.page_slides(config, "SiC-AA", slides)[1] == "SiC-AA_slide-0-1-2"
        coarse = {"grids": [{"family": "SiC-AA", "slides_per_axis": 3}]}
        few = put(config, "labels.sets.sic_aa", coarse)
        with pytest.raises(ConfigError, match=r"sets\.sic_aa: .*add SiC-AA_slide-0-1-2 to systems"):
            label_plan.page_slides(few, "SiC-AA", slides)

    def test_a_run_trains_no_other_material(self, config):
        named = {name for name, model in config["models"].items() if not model.get("study")}
        assert {config["models"][name]["family"] for name in named} == {"AA", "AAp"}
        assert not [s for s in figure_plan.systems_shown(config) if "-AA" in s.partition("_")[0]]


class TestLabels:
    @pytest.mark.parametrize(
        ("source", "missing"),
        [
            ("complete", ["AA_slide-1-1-3"]),
            ("compute", ["AA_slide-0-0-1", "AA_slide-1-1-3"]),
        ],
    )
    def test_missing_frames(self, small, source, missing):
        config = put(small, "labels.source", source)
        ships = shipped(config, "AA_slide-0-0-1")
        assert label_plan.missing_frames(config, "aa", ships) == missing

    def test_shipped_alone_is_an_error_for_a_missing_frame(self, small):
        config = put(small, "labels.source", "shipped")
        with pytest.raises(ConfigError, match="1 frames that do not ship .* AA_slide-1-1-3"):
            label_plan.missing_frames(config, "aa", shipped(config, "AA_slide-0-0-1"))

    def test_another_setting_makes_shipped_labels_useless(self, small):
        ships = shipped(small, "AA_slide-0-0-1", "AA_slide-1-1-3")
        assert label_plan.is_ready(small, "aa", ships)
        other = put(small, "lattice_constant_A", 2.5)
        assert label_plan.shipping(other, "aa", ships) == [False, False]
        assert not label_plan.is_ready(other, "aa", ships)
        assert label_plan.is_ready(put(other, "labels.source", "compute"), "aa", ships)

    def test_a_set_is_collected_from_shipped_and_computed_frames(self, small):
        assert label_plan.label_inputs(small, "aa", ["AA_slide-1-1-3"], "ships") == {
            "computed": ["results/labels/standard/AA_slide-1-1-3.nc"],
            "shipped": "ships/aa.nc",
        }
        every = label_plan.frames(small, "aa")
        assert "shipped" not in label_plan.label_inputs(small, "aa", every, "ships")

    def test_frames_are_those_of_the_present_settings(self, small, config):
        assert len(label_plan.frames(small, "aa")) == 2
        assert len(label_plan.frames(config, "aa")) > 2
        label_plan.frames(small, "aa").clear()
        assert len(label_plan.frames(small, "aa")) == 2

    def test_files_of_a_set(self, config, tmp_path):
        folder = str(tmp_path)
        (tmp_path / "aa.nc").touch()
        assert label_plan.audited_sets(config, folder) == ["aa"]
        assert label_plan.audited_file(config, "aa", folder) == f"{folder}/aa.nc"
        assert label_plan.audited_file(config, "aap", folder) == "results/labels/aap.nc"
        assert label_plan.validation_file(config, "aa", set(), folder) == f"{folder}/aa.nc"
        assert label_plan.direct_labels(config, folder, "slide") == [f"{folder}/aa.nc"]
        assert label_plan.direct_labels(config, folder, "twist") == []
        assert label_plan.label_of_system(config, folder, "AA_slide-0-0-1") == [f"{folder}/aa.nc"]
        assert label_plan.label_of_system(config, folder, "AA_twist-5-6") == []
        computed = put(config, "labels.source", "compute")
        assert label_plan.audited_file(computed, "aa", folder) == "results/labels/aa.nc"
        assert label_plan.audited_sets(computed, folder) == label_plan.own_sets(computed)

    def test_direct_cells_are_those_of_our_own_code(self, config, root):
        files = label_plan.direct_labels(config, str(root / "resources" / "labels"), "twist")
        names = [Path(file).stem for file in files]
        assert "twist_6_01" in names and "twist_gpaw" not in names

    def test_labels_by_another_code_are_comparisons(self, config):
        own = label_plan.own_sets(config)
        assert set(config["labels"]["sets"]) - set(own) == {"aa_gpaw", "twist_gpaw"}
        assert not label_plan.is_recheckable(config, "aa_gpaw")
        assert label_plan.is_recheckable(config, "aa")
        assert not label_plan.is_recheckable(config, "twist_6_01")

    def test_the_finest_stackings(self, config):
        assert label_plan.finest_slides(config, "AA", "large") == ("results/labels/aa_large.nc", 10)
        with pytest.raises(ConfigError, match="no grid of plain AA slides by recipe gpaw"):
            label_plan.finest_slides(config, "AA", "gpaw")
        beside = label_plan.slides_beside(config, "moire_large")
        assert beside == ("results/labels/aa_large.nc", 10)

    def test_a_polarizability_ships_with_its_settings(self, config, root):
        folder = str(root / "resources" / "polarizability")
        slide = config["long_range"]["AA"]
        computed = f"results/polarizability/{slide}.nc"
        assert label_plan.polarizability_file(config, slide, folder) == f"{folder}/{slide}.nc"
        other = put(config, "lattice_constant_A", 2.5)
        assert label_plan.polarizability_file(other, slide, folder) == computed
        assert label_plan.polarizability_file(config, slide, "nowhere/polarizability") == computed

    def test_relaxed_cells_are_no_direct_labels_of_rigid_ones(self, config, root):
        folder = str(root / "resources" / "labels")
        found = label_plan.direct_labels(config, folder, "twist")
        assert f"{folder}/moire_large.nc" in found
        assert f"{folder}/twist_relaxed.nc" not in found

    def test_trained_mismatches(self, config):
        assert 0.0 in label_plan.trained_eta(config, "AA")
        assert len(label_plan.trained_eta(config, "AA")) > 1
        assert label_plan.trained_eta(put(config, "gradient", {}), "AAp") == [0.0]

    def test_what_ships_is_ready(self, config, root):
        ships = shipped_frames(root / "resources" / "labels")
        assert label_plan.missing_frames(config, "aa", ships) == []


class TestModels:
    def test_files_of_a_model(self, config):
        config = put(config, "models.aa.seeds", [0, 3])
        assert model_plan.members(config, "aa", "pb") == [
            "results/models/aa/0.pb",
            "results/models/aa/3.pb",
        ]
        assert model_plan.label_files(config, "aa") == ["results/labels/aa.nc"]

    def test_a_model_without_a_protocol_has_that_of_the_paper(self, config):
        assert model_plan.protocol_of(config, "aa_paper") == config["protocols"]["paper"]
        assert model_plan.protocol_of(config, "aa") == config["protocols"]["second_order"]

    def test_members_for_a_system(self, config):
        assert model_plan.members_for(config, "zero_field", "AAp_twist-1-2") == (
            model_plan.members(config, "aap")
        )
        short = put(config, "long_range", {"AA": "AA_slide-1-1-3"})
        assert model_plan.members_for(short, "response", "AAp_twist-1-2") == []
        assert model_plan.members_for(config, "response", "AAp_twist-1-2_field+0.0200") == (
            model_plan.members(config, "aap_response")
        )

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("AA_twist-1-2_strain+1", r"^AA_twist-1-2_strain\+1: files are named by the one"),
            ("AA_moire-2-3-3-2", "^AA_moire-2-3-3-2: files are .* spelling AA_twist-2-3$"),
            ("AA_moire-4-0-3-0", "^AA_moire-4-0-3-0: files are .* spelling AA_mismatch-3-4$"),
            ("AA_twist-2-3_d3.330", "^AA_twist-2-3_d3.330: .*; the name is AA_twist-2-3$"),
            ("AA_twist-2-2", "^AA_twist-2-2: twist needs two different numbers"),
            ("AA_twist-2-3_d3.900", "^AA_twist-2-3_d3.900: a layer distance of 3.9"),
        ],
    )
    def test_a_system_without_members(self, config, name, message):
        with pytest.raises(ConfigError, match=message):
            model_plan.members_for(config, "zero_field", name)

    def test_the_strongest_field_of_a_sweep(self, config):
        config = put(config, "sweeps.field.fields_V_per_A", [0, -0.03, 0.02])
        name = model_plan.in_strongest_field(config, "field", "AA_twist-30-31")
        assert name == "AA_twist-30-31_field-0.0300"

    def test_the_long_range_needs_a_response_model(self, config):
        assert model_plan.response_model(config, "AA") == "aa_response"
        short = put(config, "long_range", {"AA": "AA_slide-1-1-3"})
        assert model_plan.response_model(short, "AAp") is None
        with pytest.raises(ConfigError, match=r"predictors\.AA names no response model"):
            model_plan.response_model(put(config, "predictors.AA", {"zero_field": "aa"}), "AA")

    def test_a_plan_begins_with_the_zero_field_model(self, config):
        kinds = {"response": "aa_response", "zero_field": "aa"}
        models = model_plan.planned_models(put(config, "predictors.AA", kinds), "AA_twist-1-2")
        assert list(models) == ["aa", "aa_response"]
        assert models["aa"] == config["models"]["aa"]


class TestFigures:
    MINE = MappingProxyType(
        {"plot": "out_of_plane", "systems": ["AA_twist-1-2"], "caption": "Mine."}
    )

    def test_the_report_says_what_a_panel_shows(self, config):
        words = {panel: figure_plan.first_sentence(config, panel) for panel in config["figures"]}
        assert words["fig4b"].startswith("Out-of-plane polarization in a field of")
        assert words["fig4b"].endswith("(AA_twist-30-31_field-0.0200)")
        assert words["fig2g"].startswith("First harmonics")
        assert all(words.values())

    def test_a_panel_of_your_own_needs_no_more_than_its_settings(self, config):
        for name, figure, category in (
            ("fig6a", "fig6", "Fig. 6"),
            ("fig12b", "fig12", "Fig. 12"),
            ("mine", "mine", "Further panels"),
        ):
            own = check_config(put(config, f"figures.{name}", dict(self.MINE)))
            files = [f"results/figures/{name}.{ending}" for ending in ("pdf", "png")]
            assert figure_plan.figure_of(name) == figure
            whole = [] if name == "mine" else [f"results/figures/{figure}.pdf"]
            assert figure_plan.figure_files(own, figure) == files + whole
            assert set(files) <= set(figure_plan.figure_files(own))
            assert (figure in figure_plan.numbered_figures(own)) == (name != "mine")
            assert name in figure_plan.panels_of(own, "out_of_plane")
            assert figure_plan.report_category(name) == category
            found = figure_plan.panel_input(own, "polarization_map", name, "resources/labels")
            assert found == "results/maps/AA_twist-1-2.nc"

    def test_files_of_shipped_panels(self, config):
        for panel, argument, files in (
            ("fig1a", "configuration_map", "results/maps/configuration_AA.nc"),
            ("fig1b", "polarization_map", "results/maps/configuration_AA.nc"),
            ("fig1e", "antiparallel", "results/labels/aap.nc"),
            ("fig2f", "charge", "results/charge/AA_twist-21-22.nc"),
            ("fig2g", "configuration_map", "results/maps/configuration_AA.nc"),
            ("fig2h", "labels", ["resources/labels/twist_6_01.nc"]),
            ("fig4j", "sweep", "results/sweeps/field.nc"),
        ):
            assert figure_plan.panel_input(config, argument, panel, "resources/labels") == files
        assert figure_plan.panel_param(config, "family", "fig1d") == "AAp"
        assert figure_plan.panel_param(config, "quantity", "fig4d") == "P_par"
        assert figure_plan.panel_param(config, "system", "fig2a") == "AA_twist-5-6"
        assert figure_plan.panel_param(config, "trained_eta", "fig3g")[0] < 0

    def test_every_kind_of_plot_is_a_script(self, root):
        scripts = {f"plot_{kind}" for kind in figure_plan.PLOTS}
        others = {"plot_calibration", "plot_cells", "plot_map", "plot_uniaxial"}
        assert {path.stem for path in (root / "scripts").glob("plot_*.py")} == scripts | others

    @pytest.mark.parametrize("kind", figure_plan.PLOTS)
    def test_a_kind_of_plot_fits_its_script(self, kind):
        """Also one that no shipped panel has, and so no rule."""
        plot = figure_plan.PLOTS[kind]
        function = getattr(importlib.import_module(f"plot_{kind}"), f"plot_{kind}")
        check_names(function, {*plot.inputs, *plot.params, *plot.options, "data", "pdf", "png"})

    def test_systems_shown_are_no_sweeps(self, config):
        systems = figure_plan.systems_shown(config)
        assert "AA_twist-21-22" in systems
        assert not set(systems) & set(config["sweeps"])
        assert systems == sorted(set(systems))
        assert not [name for name in systems if name.startswith("configuration")]
        charges = figure_plan.systems_shown(config, "charge")
        assert "AA_twist-21-22" in charges
        assert "AA_twist-5-6" not in charges

    def test_models_of_the_parity_panel(self, config):
        assert figure_plan.parity_models(config) == ["aa", "aa_response", "aap"]
        config = copy.deepcopy(config)
        del config["predictors"]["AAp"]
        assert figure_plan.parity_models(config) == ["aa", "aa_response"]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("AA_slide-1-1-3", "a slide does not contain all stackings"),
            ("AA_twist-1-3", "contains 4 periods"),
            ("AA_twist-2-4", "^AA_twist-2-4: twist needs numbers without a common factor"),
        ],
    )
    def test_a_charge_needs_one_period(self, name, message):
        with pytest.raises(ConfigError, match=message):
            figure_plan.map_of_one_period({"structures": {}}, name)

    @pytest.mark.parametrize("name", ["AA_twist-1-2", "configuration_AA"])
    def test_a_map_with_one_period(self, name):
        assert figure_plan.map_of_one_period({"structures": {}}, name) == f"results/maps/{name}.nc"

    def test_another_name_of_a_system(self, config):
        file = figure_plan.canonical_file(config, "views", "AA_angle-2.00", ".html")
        assert file == "results/views/AA_twist-16-17.html"
        file = figure_plan.canonical_file(config, "views", "AA_angle-2.00_d3.33", ".html")
        assert file == "results/views/AA_twist-16-17.html"
        with pytest.raises(ConfigError, match="^AA_angle-0.05: the nearest cell"):
            figure_plan.canonical_file(config, "dipoles", "AA_angle-0.05", ".nc")
        file = figure_plan.canonical_file(config, "maps", "AA_angle-0.01", ".nc")
        assert file == "results/maps/AA_twist-3307-3308.nc"
        assert figure_plan.canonical_file(config, "maps", "configuration_AA", ".nc") == (
            "results/maps/configuration_AA.nc"
        )

    @pytest.mark.parametrize(
        ("name", "shown", "relaxed_page"),
        [
            ("AA_twist-16-17", ["AA_twist-16-17"], "results/views/AA_twist-16-17_relaxed.html"),
            ("AA_twist-16-17_relaxed", ["AA_twist-16-17_relaxed", "AA_twist-16-17"], ""),
            ("AA_twist-16-17_d3.400", ["AA_twist-16-17_d3.400"], ""),
            ("MoS2-AA_twist-16-17", ["MoS2-AA_twist-16-17"], ""),
        ],
    )
    def test_relaxed_and_rigid_layers_are_on_one_page(self, config, name, shown, relaxed_page):
        assert figure_plan.maps_on_page(config, name) == shown
        assert figure_plan.relaxed_page(config, name) == relaxed_page
