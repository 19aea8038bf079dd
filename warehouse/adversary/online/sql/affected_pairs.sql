-- Reactions to affected responses, each beside every response of its response_id that was served near it.
-- Filled in: reactions, responses: queries for rows near the change; judged: a condition; change; near_us.
CREATE OR REPLACE TEMP TABLE affected_pairs AS
WITH nearby AS ({reactions}),
affected AS (
    SELECT response_id FROM {change.reactions}
    UNION
    SELECT response_id FROM {change.responses} SEMI JOIN nearby USING (response_id)
)
SELECT
    r.event_id, r.user_id, r.response_id, r.reacted_at, r.reaction, r.action, r.dwell_ms, r.session_id,
    s.user_id AS shown_to, s.served_at, s.response, s.conversation, {judged} AS judged
FROM nearby AS r
SEMI JOIN affected ON affected.response_id = r.response_id
JOIN ({responses}) AS s
    ON s.response_id = r.response_id
    AND abs(epoch_us(s.served_at) - epoch_us(r.reacted_at)) <= {near_us}
