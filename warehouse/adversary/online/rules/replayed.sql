-- subject: reaction
-- input: touched_pairs
-- version: 1
-- The same reaction told again under a fresh event_id: user, response, reaction, session and dwell_ms are those of an earlier one, but a person
-- who reacts again does so later after the response was shown. Without this a copy would bring back what the user had removed.
WITH told AS (
    SELECT DISTINCT event_id, user_id, response_id, reacted_at, reaction, session_id, dwell_ms
    FROM touched_pairs
    WHERE action = 'added' AND dwell_ms IS NOT NULL AND shown_to = user_id AND reacted_at >= served_at
),

placed AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY user_id, response_id, reaction, session_id, dwell_ms ORDER BY reacted_at, event_id
        ) AS place
    FROM told
)

SELECT
    user_id,
    event_id,
    response_id,
    CAST(1.0 AS DOUBLE) AS score,
    json_object('dwell_ms', dwell_ms, 'times_before', place - 1) AS evidence,
    reacted_at AS flagged_at
FROM placed
WHERE place > 1
