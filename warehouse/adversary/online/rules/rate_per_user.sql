-- subject: user
-- input: user_moments
-- version: 2
-- A user loves much within an hour: more than 60 responses, which nobody reads in that time, or far more of what they were shown in that sitting
-- (the three hours before) than a fan would, who loves three in ten. With k loves of n shown the evidence against a fan is
-- n KL(k/n || 0.3), which bounds -ln of a fan's chance to love k or more (Chernoff); the line is 12, ten of ten. The score is how many times over a
-- line it was at worst, the flag stands at the first love over it. One flag a day; feedback of the week before counts as suspect, too.
WITH running AS (
    SELECT
        user_id,
        day,
        moment,
        today AND loved AS asked,
        count(*) FILTER (loved) OVER hour AS loves,
        greatest(count(*) FILTER (loved) OVER hour, count(*) FILTER (NOT loved) OVER sitting) AS shown
    FROM user_moments
    WINDOW
        hour AS (PARTITION BY user_id, day ORDER BY moment RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW),
        sitting AS (PARTITION BY user_id, day ORDER BY moment RANGE BETWEEN INTERVAL 3 HOUR PRECEDING AND CURRENT ROW)
),

judged AS (
    SELECT
        *,
        greatest(
            loves / 60.5,
            CASE WHEN loves > 0.3 * shown THEN evidence_of_excess(loves, shown, 0.3) END / 12.0
        ) AS score
    FROM running
    WHERE asked
)

SELECT
    user_id,
    max(score) AS score,
    json_object('loves_within_the_hour', arg_max(loves, score), 'shown_in_the_sitting', arg_max(shown, score)) AS evidence,
    min(moment) AS flagged_at,
    to_timestamp((day - 7) * 86400) AS since
FROM judged
WHERE score >= 1
GROUP BY user_id, day
