-- A copy of an event is told from another event under the same id by this number; only where it differs or is missing (rows that were stored
-- before) are all columns read. DuckDB's own hash: it may change with DuckDB, which costs time and nothing else.
ALTER TABLE responses ADD COLUMN content_hash UBIGINT;
ALTER TABLE reactions ADD COLUMN content_hash UBIGINT;
ALTER TABLE erasures ADD COLUMN content_hash UBIGINT;
