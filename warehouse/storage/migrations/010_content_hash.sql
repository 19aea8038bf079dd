-- A copy of an event is told from another event under the same id by this number; only where it differs or is missing (rows that were stored
-- before) are all columns read. DuckDB's own hash: it may change with DuckDB, which costs time and nothing else.
-- New warehouses have the column from the start: on a lake a change of columns leaves a table behind, which upkeep drops when no reader is in it.
ALTER TABLE responses ADD COLUMN IF NOT EXISTS content_hash UBIGINT;
ALTER TABLE reactions ADD COLUMN IF NOT EXISTS content_hash UBIGINT;
ALTER TABLE erasures ADD COLUMN IF NOT EXISTS content_hash UBIGINT;
