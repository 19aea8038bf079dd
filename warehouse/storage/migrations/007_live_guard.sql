-- The live guard speaks of devices and networks, too (subject: user | device | network | reaction), counts closings, and trips arms.
ALTER TABLE flags ADD COLUMN key VARCHAR;                -- the device's or network's salted hash, NULL for a user or reaction
ALTER TABLE live_metrics ADD COLUMN closings BIGINT;     -- responses that say goodbye although the user did not

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
