-- subject: reaction
-- version: 2
-- A reaction sooner after the response than a very fast reader (1,200 words a minute, 50 ms a word) needs for half of it. The score is
-- how many times too soon. Input: touched_pairs, every touched reaction beside every response of its response_id.
WITH timed AS (
    SELECT
        event_id,
        user_id,
        response_id,
        reacted_at,
        dwell_ms,
        min(len(string_split(trim(response), ' '))) AS words
    FROM touched_pairs
    WHERE action = 'added' AND dwell_ms IS NOT NULL AND shown_to = user_id
    GROUP BY ALL
)

SELECT
    user_id,
    event_id,
    response_id,
    25.0 * words / greatest(dwell_ms, 1) AS score,
    json_object('dwell_ms', dwell_ms, 'words', words, 'least_ms', 25 * words) AS evidence,
    reacted_at AS flagged_at
FROM timed
WHERE dwell_ms < 25 * words
