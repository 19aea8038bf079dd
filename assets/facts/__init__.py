"""What the stages record, one frozen struct for each: report, gates, checks, Dagster and command line read these.

A stage's marker keeps its struct as JSON under the struct's own names. Fields that an earlier version did not record
have a default.
"""
