-- Rows of a training set at $moment: labelled feedback with what the log knew of a response when it was served. Nothing in `since_last` and
-- `earlier_...` came after that moment, the row's own love least of all.
WITH first_reactions AS (
    SELECT
        response_id,
        user_id,
        min(reacted_at) FILTER (reaction = 'love' OR reaction = $positive) AS loved_at,
        min(reacted_at) FILTER (reaction = 'dislike') AS disliked_at
    FROM reactions
    WHERE action = 'added' AND reacted_at <= CAST($moment AS TIMESTAMPTZ)
    GROUP BY response_id, user_id
),

turns AS (
    SELECT
        served.response_id,
        served.user_id,
        conversation_id,
        served_at,
        loved_at,
        disliked_at,
        epoch(served_at - lag(served_at) OVER shown) AS since_last,
        row_number() OVER shown - 1 AS earlier_responses
    FROM served
    LEFT JOIN first_reactions USING (response_id, user_id)
    WINDOW shown AS (PARTITION BY served.user_id, conversation_id ORDER BY served_at, event_id)
),

earlier AS (
    SELECT
        turns.response_id,
        count(*) FILTER (before.loved_at < turns.served_at) AS loves,
        count(*) FILTER (before.disliked_at < turns.served_at) AS dislikes
    FROM turns
    INNER JOIN turns AS before
        ON before.user_id = turns.user_id
        AND before.conversation_id = turns.conversation_id
        AND before.served_at < turns.served_at
        AND least(before.loved_at, before.disliked_at) < turns.served_at
    GROUP BY turns.response_id
)

SELECT
    feedback.*,
    CAST(coalesce(since_last, 'nan') AS DOUBLE) AS since_last,
    CAST(earlier_responses AS BIGINT) AS earlier_responses,
    CAST(coalesce(earlier.loves, 0) AS BIGINT) AS earlier_loves,
    CAST(coalesce(earlier.dislikes, 0) AS BIGINT) AS earlier_dislikes,
    CAST(epoch(CAST($moment AS TIMESTAMPTZ) - turns.served_at) / 3600 AS DOUBLE) AS age_hours,
    CAST(epoch(loved_at - turns.served_at) / 3600 AS DOUBLE) AS delay_hours
FROM credited_feedback_at(CAST($moment AS TIMESTAMPTZ), $hours, $credit, $decay, positive := $positive) AS feedback
INNER JOIN turns USING (response_id)
LEFT JOIN earlier USING (response_id)
WHERE feedback.served_at >= CAST($earliest AS TIMESTAMPTZ)
ORDER BY feedback.served_at, response_id
