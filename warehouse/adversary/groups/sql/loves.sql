-- The loves of one day, with fingerprints of the prompt (its last sentence: what comes before is often a greeting) and of the response:
-- letters only, so that neither case nor digits, blanks or signs tell one wording from another. Loves for what somebody else was shown are
-- left out: they count nowhere. $begin and $end bound the day; a response is looked for in the two days before its love.
WITH loved AS (
    SELECT event_id, user_id, response_id, reacted_at, device_id, network_id
    FROM reactions
    WHERE is_love(reaction, action) AND reacted_at >= $begin AND reacted_at < $end
),

told AS (
    SELECT
        response_id,
        user_id AS shown_to,
        lower(trim(regexp_replace(response, '[^\p{L}]+', ' ', 'g'))) AS response,
        json_extract_string(conversation, '$[#-1].content') AS label,
        lower(trim(regexp_replace(regexp_extract(label, '[^.!?\n]+[.!?\s]*$'), '[^\p{L}]+', ' ', 'g'))) AS prompt
    FROM responses
    SEMI JOIN loved USING (response_id)
    WHERE served_at >= $begin - INTERVAL 2 DAY AND served_at < $end + INTERVAL 1 DAY
    QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY served_at, event_id) = 1
)

SELECT
    CAST(loved.event_id AS VARCHAR) AS event_id,
    loved.user_id,
    loved.reacted_at,
    CASE WHEN told.prompt <> '' THEN left(md5(told.prompt), 16) END AS prompt,
    CASE WHEN told.response <> '' THEN left(md5(told.response), 16) END AS response,
    loved.device_id AS device,
    loved.network_id AS network,
    left(told.label, 80) AS label
FROM loved
LEFT JOIN told USING (response_id)
WHERE coalesce(told.shown_to = loved.user_id, true)
ORDER BY loved.reacted_at, loved.event_id
