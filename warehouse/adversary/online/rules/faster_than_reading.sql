-- subject: reaction
-- input: affected_pairs
-- version: 3
-- A reaction sooner after the response than a very fast reader (1,200 words a minute, 50 ms a word) needs for half of it; where dwell_ms
-- is missing, for a quarter of it by the event times, which come from two clocks. Equal times say nothing: some products stamp whole
-- seconds. The score is how many times too soon.
WITH timed AS (
    SELECT
        event_id,
        user_id,
        response_id,
        reacted_at,
        coalesce(dwell_ms, max(epoch_us(reacted_at) - epoch_us(served_at)) / 1000.0) AS ms,
        min(len(string_split(trim(response), ' '))) * CASE WHEN dwell_ms IS NULL THEN 12.5 ELSE 25.0 END AS least_ms,
        dwell_ms IS NULL AS by_event_times
    FROM affected_pairs
    WHERE action = 'added' AND shown_to = user_id
    GROUP BY event_id, user_id, response_id, reacted_at, dwell_ms
)

SELECT
    user_id,
    event_id,
    response_id,
    least_ms / greatest(ms, 1) AS score,
    json_object('ms', ms, 'least_ms', least_ms, 'by_event_times', by_event_times) AS evidence,
    reacted_at AS flagged_at
FROM timed
WHERE ms < least_ms AND (ms > 0 OR NOT by_event_times)
