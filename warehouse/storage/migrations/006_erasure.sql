-- Erasure as a function of the log. A request names its user by sha256('loveloop-erasure:' || user_id) alone, so that what remains of an
-- erased user is the means to recognise them when the log is read again. Tables are made anew: no engine alters one twice in a transaction.

CREATE TABLE hashed_erasures AS
SELECT
    event_id,
    sha256('loveloop-erasure:' || user_id) AS user_hash,
    requested_at,
    schema_version,
    kafka_topic,                    -- NULL for a request by hand (`loveloop erase`)
    kafka_partition,
    kafka_offset,
    kafka_line,
    CAST(NULL AS TIMESTAMPTZ) AS received_at
FROM erasures;
DROP TABLE erasures;
ALTER TABLE hashed_erasures RENAME TO erasures;

-- events = rows + duplicates + dead_letters + erased, rows and dead letters being those that are still there
CREATE TABLE counted_positions AS SELECT *, CAST(0 AS BIGINT) AS erased FROM ingest_positions;
DROP TABLE ingest_positions;
ALTER TABLE counted_positions RENAME TO ingest_positions;

-- What erasures took away, in numbers and names that say nothing about the user: the receipt is written from it.
CREATE TABLE erasure_effects (
    user_hash VARCHAR,
    kind VARCHAR,                   -- table | experiment | policy | dropped (on arrival, by table)
    name VARCHAR,
    amount BIGINT,
    happened_at TIMESTAMPTZ
);

-- One row a finished erasure; a request without one that is as late is pending.
CREATE TABLE erasure_receipts (
    user_hash VARCHAR,
    requested_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    receipt VARCHAR                 -- JSON
);
