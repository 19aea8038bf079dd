-- What the table experiment_users must equal, once its backlog is folded: plain, and slow on a long log.

-- Responses under an experiment: one row a response_id, the first telling among those that name an experiment.
CREATE OR REPLACE TEMP VIEW exposures AS
SELECT responses.*, event_id IN (SELECT event_id FROM experiment_closings) AS closing
FROM responses
WHERE experiment IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY served_at, event_id) = 1;

CREATE OR REPLACE TEMP VIEW experiment_users_defined AS
WITH told AS (  -- as in clean_feedback_at
    SELECT
        response_id, user_id, reaction, action, event_id,
        CASE WHEN dwell_ms IS NULL THEN reacted_at ELSE min(reacted_at) OVER (
            PARTITION BY response_id, user_id, reaction, action, session_id, dwell_ms
        ) END AS reacted_at
    FROM reactions
),

latest AS (
    FROM told WHERE reaction = 'love'
    QUALIFY row_number() OVER (PARTITION BY response_id, user_id ORDER BY reacted_at DESC, event_id DESC) = 1
),

standing AS (
    SELECT response_id, user_id FROM latest
    WHERE action = 'added' AND NOT EXISTS (
        FROM told AS opposite
        WHERE opposite.response_id = latest.response_id AND opposite.user_id = latest.user_id
            AND opposite.reaction = 'dislike' AND opposite.action = 'added'
            AND (opposite.reacted_at, opposite.event_id) > (latest.reacted_at, latest.event_id)
    )
),

first_loves AS (
    SELECT response_id, user_id, min(reacted_at) AS first_love_at
    FROM reactions WHERE is_love(reaction, action) GROUP BY response_id, user_id
)

SELECT
    experiment, arm, user_id,
    min(served_at) AS first_exposure_at,
    max(served_at) AS last_exposure_at,
    min(served_at) FILTER (day_number(served_at) > first_day) AS returned_at,
    count(*) AS exposures,
    count(*) FILTER (closing) AS closings,
    count(standing.response_id) AS loves,
    min(first_love_at) AS first_love_at
FROM (
    SELECT *, min(day_number(served_at)) OVER (PARTITION BY experiment, arm, user_id) AS first_day
    FROM exposures
) AS of_days
LEFT JOIN standing USING (response_id, user_id)
LEFT JOIN first_loves USING (response_id, user_id)
GROUP BY experiment, arm, user_id;
