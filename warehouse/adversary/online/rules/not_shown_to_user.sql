-- subject: reaction
-- input: affected_pairs
-- version: 2
-- A reaction by a user to whom nobody showed that response. Input: affected_pairs, every touched reaction beside every response of its
-- response_id.
SELECT
    user_id,
    event_id,
    response_id,
    CAST(1.0 AS DOUBLE) AS score,
    json_object('shown_to_users', count(DISTINCT shown_to)) AS evidence,
    reacted_at AS flagged_at
FROM affected_pairs
GROUP BY user_id, event_id, response_id, reacted_at
HAVING NOT bool_or(shown_to = user_id)
