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

-- Requests. A request names its user by sha256('loveloop-erasure:' || user_id) alone, so that what remains of an erased user is the means to
-- recognise them when the log is read again.
CREATE TABLE erasures (
    event_id UUID,
    user_hash VARCHAR,
    requested_at TIMESTAMPTZ,
    schema_version BIGINT,
    kafka_topic VARCHAR,            -- NULL for a request by hand (`loveloop erase`)
    kafka_partition INTEGER,
    kafka_offset BIGINT,
    kafka_line INTEGER,
    received_at TIMESTAMPTZ,
    content_hash UBIGINT
);

-- One row a partition of one topic's life: a topic that was deleted and made again has another topic_id and starts at 0.
CREATE TABLE ingest_positions (
    topic VARCHAR,
    topic_id VARCHAR,
    partition_id INTEGER,
    next_offset BIGINT,
    messages BIGINT,
    events BIGINT,                  -- lines read; = rows + duplicates + dead_letters + erased, of those that are still there
    duplicates BIGINT,
    dead_letters BIGINT,
    erased BIGINT
);

-- A dead letter can be judged again (`loveloop dead-letters redrive`); it stays as evidence of what came, with its outcome.
CREATE TABLE dead_letters (
    kafka_topic VARCHAR,
    kafka_partition INTEGER,
    kafka_offset BIGINT,
    kafka_line INTEGER,
    reason VARCHAR,
    detail VARCHAR,
    body BLOB,
    received_at TIMESTAMPTZ,
    topic_id VARCHAR,               -- the life of the topic in which it was read
    user_id VARCHAR,                -- as far as the bytes tell
    redriven_at TIMESTAMPTZ,        -- when it was judged again and found good; NULL while it is open
    outcome VARCHAR,                -- stored | duplicate | erased; NULL while it is open
    corrected BLOB                  -- what was read in place of body, when an operator put it right
);

-- Suspicion, always explained. Rows of source 'ingest' are a function of the log alone, those of 'periodic' come from the daily job; 'live'
-- ones come from the live guard, depend on arrival, and never change clean_feedback.
CREATE TABLE flags (
    source VARCHAR,                 -- ingest | periodic | live
    rule VARCHAR,
    rule_version INTEGER,
    subject VARCHAR,                -- user | reaction; of the live guard also device | network
    user_id VARCHAR,
    event_id UUID,                  -- the reaction's, NULL when the subject is the user
    response_id VARCHAR,
    score DOUBLE,                   -- how many times over the rule's line; 1 and more is quarantined
    evidence VARCHAR,               -- JSON
    flagged_at TIMESTAMPTZ,         -- event time
    since TIMESTAMPTZ,              -- of a user: what was served or reacted from then on is left out; NULL: all of it
    key VARCHAR                     -- the device's or network's salted hash, or the group; NULL for a user on their own or a reaction
);

-- The live guard's Love rate per arm and window, the newest snapshot of each; partition_id is the events topic's.
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
    measured_at TIMESTAMPTZ,
    closings BIGINT                 -- responses that say goodbye although the user did not
);

CREATE TABLE lift_ledger (
    candidate VARCHAR,
    experiment VARCHAR,
    recorded_at TIMESTAMPTZ,
    entry VARCHAR                   -- JSON: predicted and measured lift with their intervals
);

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

-- What was erased although its own stamp lies behind the request (a clock ran ahead), and dead letters that were erased: a copy of it, read
-- again, is known by this and by nothing else. sha256('loveloop-erasure:' || event_id), or of the letter's bytes.
CREATE TABLE erased_copies (
    user_hash VARCHAR,
    fingerprint VARCHAR
);

-- Arms that must not be served any more, each (experiment, arm, metric) once: its first telling.
CREATE TABLE kill_switches (
    experiment VARCHAR,
    arm VARCHAR,
    metric VARCHAR,                 -- closing_rate | love_rate
    against VARCHAR,                -- limit, or the name of the control arm
    rate DOUBLE,
    reference DOUBLE,               -- the limit, or the control arm's rate
    served BIGINT,
    log_evidence DOUBLE,            -- natural logarithm of the e-value
    alpha DOUBLE,                   -- chance that a harmless arm is ever tripped
    rule_version INTEGER,
    tripped_at TIMESTAMPTZ          -- event time
);

-- What people decided about flags (`loveloop quarantine release|confirm`). The latest decision about a user, or about a reaction, stands;
-- no rule ever writes here, so that a release outlives every run of the rules.
CREATE TABLE quarantine_decisions (
    subject VARCHAR,                -- user | reaction
    user_id VARCHAR,
    event_id UUID,                  -- the reaction's, NULL when the subject is the user
    decision VARCHAR,               -- released | confirmed
    reason VARCHAR,
    decided_by VARCHAR,
    decided_at TIMESTAMPTZ,
    since TIMESTAMPTZ,              -- of a confirmation: from when on the user's feedback is left out; NULL: all of it
    evidence VARCHAR                -- JSON: flags and highest score by rule at that moment, to tell when there is more
);

-- A user's weight in the clean feedback. Nobody's row is missing wrongly: who has none has weight 1.
CREATE TABLE user_trust (
    user_id VARCHAR,
    trust DOUBLE,                   -- chance that the user is honest, in [0, 1]
    day DATE,                       -- the last day that was judged with something new about the user
    reasons VARCHAR                 -- JSON
);

-- What a user was shown on a day, and how many loves users like them would have given. Kept for a window of days.
CREATE TABLE user_evidence (
    user_id VARCHAR,
    day DATE,                       -- of serving, and for loves of reacting
    part VARCHAR,                   -- all | unlikely (responses that other users seldom love) | arm:EXPERIMENT/ARM
    exposures BIGINT,
    expected DOUBLE,                -- loves, by models that learnt from other users
    loves BIGINT,
    surprise DOUBLE                 -- sum over the loves of -ln(chance)
);

-- The loves that are counted in user_evidence already, for as long as a late copy may still come.
CREATE TABLE counted_loves (
    user_id VARCHAR,
    response_id VARCHAR,
    reacted_at TIMESTAMPTZ
);

-- The models that say which responses are loved, as the last day left them.
CREATE TABLE adversary_models (
    day DATE,
    model BLOB
);

-- One row a day that was judged.
CREATE TABLE adversary_days (
    day DATE,
    versions VARCHAR,               -- of the periodic rules
    honest_loss DOUBLE,
    report VARCHAR                  -- JSON: rows read, users judged, flags by rule, seconds by part
);

-- What the search for groups keeps of the last weeks: loves with fingerprints of what was loved and from where, and who was in which group.
CREATE TABLE group_loves (
    day DATE,                       -- of reacted_at, UTC; days that left the window are dropped
    event_id UUID,                  -- the reaction's
    user_id VARCHAR,
    reacted_at TIMESTAMPTZ,
    prompt VARCHAR,                 -- fingerprints; NULL where the response is not there or is older than two days
    response VARCHAR,
    device VARCHAR,                 -- as the event has them
    network VARCHAR,
    label VARCHAR                   -- the user's own last message, shortened, for explaining
);

CREATE TABLE group_members (
    day DATE,                       -- on which the group was found
    rule VARCHAR,                   -- lockstep | dense_block
    name VARCHAR,                   -- the group's; it keeps it from day to day
    user_id VARCHAR
);

-- One row a candidate that a run staged: what its loop predicted, and what it was made from.
CREATE TABLE staged_candidates (
    name VARCHAR,                   -- under which it is served: `policy` of its responses
    policy VARCHAR,                 -- fingerprint of its weights
    predicted_lift DOUBLE,          -- of the Love rate, relative: 0.1 is +10 %
    predicted_low DOUBLE,
    predicted_high DOUBLE,
    training_set VARCHAR,           -- hash
    run VARCHAR,
    cycle INTEGER,
    staged_at TIMESTAMPTZ,
    lineage VARCHAR                 -- JSON
);

-- Only ever appended to.
CREATE TABLE experiment_readouts (
    experiment VARCHAR,
    read_at TIMESTAMPTZ,
    decision VARCHAR,               -- ship | stop | continue | invalid
    readout VARCHAR                 -- JSON
);

-- When the warehouse was compacted or purged. On a lake the row also does something: it is a commit, and a file, that comes after what upkeep
-- changed and before it deletes files, so that a writer who began earlier is refused and nobody goes on with old statistics.
CREATE TABLE upkeep (
    kind VARCHAR,                   -- compact | purge
    finished_at TIMESTAMPTZ,
    files_before BIGINT,
    bytes_before BIGINT
);

-- Imports by file: what `loveloop import list` shows, and what is left of one that was taken back.
CREATE TABLE imports (
    topic VARCHAR,                  -- file:NAME#HASH, as in the coordinates of its rows
    topic_id VARCHAR,               -- hash of the file's content and of its mapping
    mapping VARCHAR,                -- JSON; no user's name
    started_at TIMESTAMPTZ,
    undone_at TIMESTAMPTZ,          -- when it was taken back, NULL where it stands
    receipt VARCHAR                 -- JSON: what went with it; NULL where it stands
);
