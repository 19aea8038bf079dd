-- subject: reaction
-- input: affected_pairs
-- version: 2
-- The same reaction told again under a fresh event_id within half an hour: user, response, reaction, session and dwell_ms are those of an
-- earlier one, but a person who reacts again does so later after the response was shown. Without this a copy would bring back what the user
-- had removed. No further back: what lies further than `touched.NEAR` from a batch is not read with it.
WITH told AS (
    SELECT DISTINCT event_id, user_id, response_id, reacted_at, reaction, session_id, dwell_ms
    FROM affected_pairs
    WHERE action = 'added' AND dwell_ms IS NOT NULL AND shown_to = user_id AND reacted_at >= served_at
)

SELECT
    again.user_id,
    again.event_id,
    again.response_id,
    CAST(1.0 AS DOUBLE) AS score,
    json_object('dwell_ms', again.dwell_ms, 'times_before', count(*)) AS evidence,
    again.reacted_at AS flagged_at
FROM told AS again
INNER JOIN told AS first
    ON first.user_id = again.user_id
    AND first.response_id = again.response_id
    AND first.reaction = again.reaction
    AND first.session_id IS NOT DISTINCT FROM again.session_id
    AND first.dwell_ms = again.dwell_ms
    AND row(first.reacted_at, first.event_id) < row(again.reacted_at, again.event_id)
    AND epoch_us(again.reacted_at) - epoch_us(first.reacted_at) <= 1_800_000_000
GROUP BY again.user_id, again.event_id, again.response_id, again.dwell_ms, again.reacted_at
