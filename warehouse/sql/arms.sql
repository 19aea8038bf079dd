-- What each arm of the experiment $name served until $moment: policies, users, exposures, mature exposures, loves, first and last moment.
-- The sums by user are of what is mature. What is younger was taken off from them, or counted from the log.
-- Filled in: recounted: a query for the recounted exposures with their loves; mature: until when responses are mature.
WITH served_arms AS (
    SELECT arm, list(DISTINCT policy ORDER BY policy) AS policies, min(served_at) AS first_at, max(served_at) AS last_at
    FROM responses WHERE experiment = $name AND served_at <= CAST($moment AS TIMESTAMPTZ) GROUP BY arm
),
recounted_young AS (
    SELECT arm, user_id, count(*) AS exposures, count(*) FILTER (love) AS loves
    FROM ({recounted})
    WHERE served_at > {mature} GROUP BY arm, user_id
),
parts AS (
    SELECT arm, count(*) AS users, sum(coalesce(raw_exposures, exposures)) AS exposures,
        sum(coalesce(raw_exposures, exposures)) AS mature, sum(coalesce(raw_loves, loves)) AS loves
    FROM both_figures WHERE experiment = $name GROUP BY arm
    UNION ALL
    SELECT arm, count(*) FILTER (raw.user_id IS NULL), sum(late.exposures), 0, sum(late.loves)
    FROM recounted_young AS late LEFT JOIN raw_recounted AS raw USING (arm, user_id) GROUP BY arm
    UNION ALL
    SELECT arm, count(*) FILTER (young.exposures = sums.exposures), sum(young.exposures - young.future), 0, 0
    FROM young INNER JOIN current_sums AS sums USING (user_id, arm)
    WHERE experiment = $name AND young.exposures > young.future GROUP BY arm
)
SELECT arm, policies, CAST(sum(users) AS BIGINT), CAST(sum(exposures) AS BIGINT), CAST(sum(mature) AS BIGINT),
    CAST(sum(loves) AS BIGINT), first_at, last_at
FROM served_arms INNER JOIN parts USING (arm) GROUP BY ALL ORDER BY arm
