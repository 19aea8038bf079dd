"""What Dagster shows and does around the stages: words, metadata, history, days, jobs, schedules, sensors, the UI."""
