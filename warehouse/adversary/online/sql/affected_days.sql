-- Days of users that the change says something about. Filled in: change; sitting_s.
CREATE OR REPLACE TEMP TABLE affected_days AS
WITH moments AS (
    SELECT user_id, reacted_at AS moment FROM {change.reactions} WHERE is_love(reaction, action)
    UNION ALL
    SELECT user_id, served_at FROM {change.responses} SEMI JOIN day_loves USING (user_id)
)
SELECT DISTINCT
    user_id,
    unnest([day_number(moment), day_number(moment + INTERVAL {sitting_s} SECOND)]) AS day
FROM moments
