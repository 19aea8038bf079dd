"""Experiments summed by user, in the ingest transaction; `experiment_users` of migration 019 and its backlog."""
