-- Imports by file: what `loveloop import list` shows, and what is left of one that was taken back.

CREATE TABLE imports (
    topic VARCHAR,                  -- file:NAME#HASH, as in the coordinates of its rows
    topic_id VARCHAR,               -- hash of the file's content and of its mapping
    mapping VARCHAR,                -- JSON; no user's name
    started_at TIMESTAMPTZ,
    undone_at TIMESTAMPTZ,          -- when it was taken back, NULL where it stands
    receipt VARCHAR                 -- JSON: what went with it; NULL where it stands
);

-- `1` is a like, as `-1` was a dislike from the beginning (see 004): rows of version 1 get the name that their lines get today.
INSERT INTO flags (source, rule, rule_version)
SELECT 'ingest', 'names_changed', 0
WHERE EXISTS (SELECT 1 FROM reactions WHERE schema_version = 1 AND reaction = '1');
UPDATE reactions SET reaction = 'like' WHERE schema_version = 1 AND reaction = '1';
