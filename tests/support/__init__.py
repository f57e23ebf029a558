"""What several test modules use."""

from pathlib import Path

#: The folder of the project.
ROOT = Path(__file__).parents[2]
