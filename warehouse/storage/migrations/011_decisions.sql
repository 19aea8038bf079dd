-- From when on a flagged user's feedback is left out: an old account may have been honest before. NULL leaves out all of it.
ALTER TABLE flags ADD COLUMN IF NOT EXISTS since TIMESTAMPTZ;

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

-- There are more rules now: a flag of a rule that is no more makes `migrate` judge the log anew.
INSERT INTO flags (source, rule, rule_version)
SELECT 'ingest', 'rules_changed', 0
WHERE EXISTS (SELECT 1 FROM reactions);
