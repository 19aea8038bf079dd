-- Users of a backlog, and of the log, who must be counted anew. Filled in: backlog: a relation.
WITH tellings AS (
    SELECT response_id, user_id FROM responses
    SEMI JOIN (FROM {backlog} WHERE response_id IS NOT NULL) AS waiting USING (response_id)
    WHERE experiment IS NOT NULL
),
doubtful AS (
    SELECT response_id FROM tellings GROUP BY response_id HAVING count(*) > 1
    UNION
    SELECT response_id FROM {backlog} WHERE served_at IS NULL AND response_id IS NOT NULL
)
SELECT user_id FROM {backlog} WHERE served_at IS NULL
UNION
SELECT user_id FROM tellings WHERE response_id IN (FROM doubtful)
UNION
SELECT user_id FROM reactions SEMI JOIN {backlog} USING (response_id, user_id)
WHERE is_love(reaction, action)
