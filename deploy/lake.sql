-- Run once, when the volume of PostgreSQL is new: the catalogue of the warehouse, apart from Dagster's history.
CREATE DATABASE lake;
