-- Every import, the newest first: columns as the fields of `past_imports.Import`.
SELECT
    coalesce(read.topic, noted.topic) AS topic,
    coalesce(read.topic_id, noted.topic_id) AS topic_id,
    noted.started_at,
    coalesce(read.events, 0) AS events,
    coalesce(read.duplicates, 0) AS duplicates,
    coalesce(read.dead_letters, 0) AS dead_letters,
    coalesce(read.erased, 0) AS erased,
    noted.undone_at,
    noted.mapping
FROM (SELECT * FROM ingest_positions WHERE topic LIKE 'file:%') AS read
FULL JOIN imports AS noted ON noted.topic_id = read.topic_id AND noted.undone_at IS NULL
ORDER BY noted.started_at DESC NULLS LAST, 1
