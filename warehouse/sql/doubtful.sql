-- Users whom the rollup cannot speak for at $moment. Young exposures can be taken off from a user's sums where nothing else hangs on them: no
-- love, and no other telling of the same id, which may make them no exposures at all. Filled in: behind: a query for users to count anew.
CREATE OR REPLACE TEMP TABLE recounted AS
WITH told_elsewhere AS (
    SELECT response_id
    FROM responses SEMI JOIN young_tellings USING (response_id) ANTI JOIN young_tellings USING (event_id)
    WHERE experiment IS NOT NULL
),
told_twice AS (SELECT hash(response_id) AS response_hash FROM young_tellings GROUP BY response_hash HAVING count(*) > 1)
FROM suspects
UNION SELECT user_id FROM reactions WHERE reacted_at > CAST($moment AS TIMESTAMPTZ)
UNION SELECT user_id FROM reactions SEMI JOIN young_tellings USING (response_id, user_id)
WHERE is_love(reaction, action)
UNION SELECT user_id FROM young_tellings
WHERE response_id IN (FROM told_elsewhere) OR hash(response_id) IN (FROM told_twice)
UNION FROM ({behind})
