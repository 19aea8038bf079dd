-- Exposures of the users in `recounted_tellings`: the first telling of each id.
-- Hashes first: who was told twice is sought among numbers, and texts are compared for those few alone.
CREATE OR REPLACE TEMP TABLE recounted_exposures AS
WITH told_twice AS (
    SELECT hash(response_id) AS response_hash FROM responses
    WHERE experiment IS NOT NULL AND hash(response_id) IN (SELECT hash(response_id) FROM recounted_tellings)
    GROUP BY response_hash HAVING count(*) > 1
),
first_tellings AS (
    SELECT response_id, min(row(served_at, event_id)) AS first_telling FROM responses
    WHERE experiment IS NOT NULL AND hash(response_id) IN (FROM told_twice) GROUP BY response_id
)
SELECT tellings.*, closings.event_id IS NOT NULL AS closing
FROM recounted_tellings AS tellings
LEFT JOIN first_tellings USING (response_id)
LEFT JOIN experiment_closings AS closings ON closings.event_id = tellings.event_id
WHERE first_telling IS NULL OR first_telling = row(tellings.served_at, tellings.event_id)
