-- subject: user
-- input: user_moments
-- version: 1
-- In a day (UTC) a user loves far more of what they were shown than a fan would, who loves three in ten: the evidence n KL(k/n || 0.3) of
-- rate_per_user over the whole day so far. Spans longer than a day are the daily job's.
WITH running AS (
    SELECT
        user_id,
        day,
        moment,
        loved,
        count(*) FILTER (loved) OVER so_far AS loves,
        greatest(count(*) FILTER (loved) OVER so_far, count(*) FILTER (NOT loved) OVER so_far) AS shown
    FROM user_moments
    WHERE today
    WINDOW so_far AS (PARTITION BY user_id, day ORDER BY moment RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),

judged AS (
    SELECT
        *,
        evidence_of_excess(loves, shown, 0.3) / 12.0 AS score
    FROM running
    WHERE loved AND loves > 0.3 * shown
)

SELECT
    user_id,
    max(score) AS score,
    json_object('loves', arg_max(loves, score), 'shown', arg_max(shown, score)) AS evidence,
    min(moment) AS flagged_at,
    to_timestamp((day - 7) * 86400) AS since
FROM judged
WHERE score >= 1
GROUP BY user_id, day
