"""Write the JSON schema and the page of the settings."""

import json
from pathlib import Path

from moirepol.workflow.settings.page import settings_page
from moirepol.workflow.settings.schema import settings_schema

ROOT = Path(__file__).parents[1]


def describe_settings(
    schema: str = str(ROOT / "schemas" / "config.schema.json"),
    page: str = str(ROOT / "docs" / "settings.md"),
) -> None:
    """Write what the settings mean, from their definition in `moirepol.workflow.settings`.

    Parameters
    ----------
    schema
        JSON schema to write. Editors complete and check a configuration with it.
    page
        Markdown page to write.
    """
    for file, text in (
        (schema, json.dumps(settings_schema(), indent=1, ensure_ascii=False) + "\n"),
        (page, settings_page()),
    ):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(describe_settings, globals().get("snakemake"))
