-- The log as it came, its lineage (kafka_*: where the first copy of an event was read), and what ingest knows about itself.
-- No primary keys: exactness comes from the ingest transaction, and the same SQL is to run where there are none.

CREATE TABLE schema_migrations (version INTEGER, name VARCHAR, applied_at TIMESTAMPTZ);

CREATE TABLE responses (
    event_id UUID,
    user_id VARCHAR,
    served_at TIMESTAMPTZ,
    response_id VARCHAR,
    conversation_id VARCHAR,
    turn BIGINT,
    session_id VARCHAR,
    policy VARCHAR,
    experiment VARCHAR,
    arm VARCHAR,
    conversation VARCHAR,           -- JSON: [{"role": ..., "content": ...}, ...]
    response VARCHAR,
    schema_version BIGINT,
    extra VARCHAR,                  -- JSON: fields that this version of the contract does not know, NULL for none
    kafka_topic VARCHAR,
    kafka_partition INTEGER,
    kafka_offset BIGINT,
    kafka_line INTEGER,
    content_hash UBIGINT,           -- of what the event says
    received_at TIMESTAMPTZ         -- by the broker, or by the import
);

CREATE TABLE reactions (
    event_id UUID,
    user_id VARCHAR,
    reacted_at TIMESTAMPTZ,
    response_id VARCHAR,
    reaction VARCHAR,
    action VARCHAR,                 -- added | removed
    session_id VARCHAR,
    device_id VARCHAR,
    network_id VARCHAR,
    dwell_ms BIGINT,
    schema_version BIGINT,
    extra VARCHAR,
    kafka_topic VARCHAR,
    kafka_partition INTEGER,
    kafka_offset BIGINT,
    kafka_line INTEGER,
    content_hash UBIGINT,           -- of what the event says
    received_at TIMESTAMPTZ         -- by the broker, or by the import
);

-- Requests; 006 puts a hash in the place of the user.
CREATE TABLE erasures (
    event_id UUID,
    user_id VARCHAR,
    requested_at TIMESTAMPTZ,
    schema_version BIGINT,
    extra VARCHAR,
    kafka_topic VARCHAR,
    kafka_partition INTEGER,
    kafka_offset BIGINT,
    kafka_line INTEGER,
    content_hash UBIGINT            -- of what the event says
);

-- One row a partition of one topic's life: a topic that was deleted and made again has another topic_id and starts at 0.
CREATE TABLE ingest_positions (
    topic VARCHAR,
    topic_id VARCHAR,
    partition_id INTEGER,
    next_offset BIGINT,
    messages BIGINT,
    events BIGINT,                  -- lines read; = rows + duplicates + dead_letters
    duplicates BIGINT,
    dead_letters BIGINT
);

CREATE TABLE dead_letters (
    kafka_topic VARCHAR,
    kafka_partition INTEGER,
    kafka_offset BIGINT,
    kafka_line INTEGER,
    reason VARCHAR,
    detail VARCHAR,
    body BLOB,
    received_at TIMESTAMPTZ
);

-- Suspicion, always explained. Rows of source 'ingest' are a function of the log alone, those of 'periodic' come from the daily job; 'live'
-- ones come from the live guard, depend on arrival, and never change clean_feedback.
CREATE TABLE flags (
    source VARCHAR,                 -- ingest | periodic | live
    rule VARCHAR,
    rule_version INTEGER,
    subject VARCHAR,                -- user | reaction
    user_id VARCHAR,
    event_id UUID,                  -- the reaction's, NULL when the subject is the user
    response_id VARCHAR,
    score DOUBLE,                   -- how many times over the rule's line; 1 and more is quarantined
    evidence VARCHAR,               -- JSON
    flagged_at TIMESTAMPTZ,         -- event time
    since TIMESTAMPTZ               -- of a user: what was served or reacted from then on is left out; NULL: all of it
);

-- The live guard's Love rate per arm and window, the newest telling of each; partition_id is the events topic's.
CREATE TABLE live_metrics (
    metric VARCHAR,
    partition_id INTEGER,
    experiment VARCHAR,
    arm VARCHAR,
    policy VARCHAR,
    window_start TIMESTAMPTZ,
    window_seconds INTEGER,
    served BIGINT,
    loves BIGINT,
    value DOUBLE,
    measured_at TIMESTAMPTZ
);

CREATE TABLE lift_ledger (
    candidate VARCHAR,
    experiment VARCHAR,
    recorded_at TIMESTAMPTZ,
    entry VARCHAR                   -- JSON: predicted and measured lift with their intervals
);
