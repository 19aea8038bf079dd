-- Take away the flags about which rules are asked again.
DELETE FROM flags
WHERE source = 'ingest' AND flagged_at BETWEEN $first AND $last AND (
    (rule IN $affected_pairs AND event_id IN (SELECT event_id FROM affected_pairs WHERE judged))
    OR (rule IN $affected_days
        AND (user_id, day_number(flagged_at)) IN (SELECT (user_id, day) FROM affected_days))
    OR (rule IN $affected_keys
        AND (key, day_number(flagged_at)) IN (SELECT (key, day) FROM affected_keys))
)
