-- Users who saw several arms of the experiment $name. The rollup has one row a user and arm: who was in several is sought among numbers, and
-- texts are compared for those few alone. Maturity and quarantine do not matter here: whoever saw two arms compares with neither.
CREATE OR REPLACE TEMP TABLE mixed AS
WITH seen AS (
    SELECT user_id, arm FROM current_sums AS sums
    LEFT JOIN young USING (user_id, arm)
    WHERE experiment = $name AND sums.exposures > coalesce(young.future, 0)
    UNION ALL
    SELECT DISTINCT user_id, arm FROM recounted_exposures
),
several_rows AS (SELECT hash(user_id) AS user_hash FROM seen GROUP BY user_hash HAVING count(*) > 1)
SELECT user_id FROM seen WHERE hash(user_id) IN (FROM several_rows) GROUP BY user_id HAVING count(DISTINCT arm) > 1
