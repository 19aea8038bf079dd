-- Days of users that the change says something about. Filled in: change; sitting_s.
CREATE OR REPLACE TEMP TABLE affected_days AS
WITH moments AS (
    SELECT user_id, reacted_at AS moment FROM {change.reactions} WHERE reaction = 'love' AND action = 'added'
    UNION ALL
    SELECT user_id, served_at FROM {change.responses} SEMI JOIN day_loves USING (user_id)
)
SELECT DISTINCT
    user_id,
    unnest([epoch_us(moment) // 86_400_000_000, epoch_us(moment + INTERVAL {sitting_s} SECOND) // 86_400_000_000]) AS day
FROM moments
