-- When the warehouse was compacted or purged. On a lake the row also does something: it is a commit, and a file, that comes after what upkeep
-- changed and before it deletes files, so that a writer who began earlier is refused and nobody goes on with old statistics.
CREATE TABLE upkeep (
    kind VARCHAR,                   -- compact | purge
    finished_at TIMESTAMPTZ,
    files_before BIGINT,
    bytes_before BIGINT
);
