-- The clean feedback at $moment in numbers: one row. $hours: the maturity; $positive as for clean_feedback_at.
WITH clean AS (FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), $hours, positive := $positive))
SELECT
    count(*) AS rows,
    count(DISTINCT user_id) AS users,
    count(*) FILTER (love) AS loves,
    coalesce(loves / nullif(rows, 0), 0) AS love_rate,
    count(*) FILTER ("like") AS likes,
    count(*) FILTER (dislike) AS dislikes,
    (SELECT count(*) FROM served) AS served,
    (
        SELECT count(*) FROM served
        WHERE served_at > mature_until($moment, $hours)
    ) AS immature
FROM clean
