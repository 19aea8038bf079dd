"""Where things lie unless somebody says otherwise; the command line, Dagster and recipes agree on it."""

from pathlib import Path

HOME = Path("runs")
"""The folder in which runs lie (LOVELOOP_HOME)."""
WAREHOUSE = Path("data/warehouse.duckdb")
"""The embedded warehouse (LOVELOOP_WAREHOUSE)."""
