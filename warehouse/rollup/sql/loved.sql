-- Responses with love and first_love_at; both NULL where nobody loved. Filled in: exposures and reactions: relations.
WITH moved AS (
    SELECT response_id, user_id, reaction, action, event_id,
        CASE WHEN dwell_ms IS NULL THEN reacted_at ELSE min(reacted_at) OVER (
            PARTITION BY response_id, user_id, reaction, action, session_id, dwell_ms
        ) END AS reacted_at
    FROM {reactions}
),
by_side AS (
    SELECT response_id, user_id,
        max(struct_pack(at := reacted_at, id := event_id, action := action)) FILTER (reaction = 'love') AS last_love,
        max(row(reacted_at, event_id)) FILTER (reaction = 'dislike' AND action = 'added') AS last_against,
        min(reacted_at) FILTER (is_love(reaction, action)) AS first_love_at
    FROM moved GROUP BY response_id, user_id
),
states AS (
    SELECT response_id, user_id, first_love_at,
        last_love.action = 'added'
            AND NOT coalesce(last_against > row(last_love.at, last_love.id), false) AS love
    FROM by_side WHERE last_love IS NOT NULL
)
SELECT shown.*, love, first_love_at FROM {exposures} AS shown LEFT JOIN states USING (response_id, user_id)
