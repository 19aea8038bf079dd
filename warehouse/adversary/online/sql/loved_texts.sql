-- What was said beside each love of fond users. Filled in: texts: a query for responses; near_us.
CREATE OR REPLACE TEMP TABLE loved_texts AS
WITH loves AS (FROM day_loves SEMI JOIN few USING (user_id, day))
SELECT
    loves.user_id, loves.day, loves.event_id, loves.response_id, loves.reacted_at, texts.response,
    json_extract_string(texts.conversation, '$[#-1].content') AS prompt
FROM loves
INNER JOIN ({texts}) AS texts
    ON texts.response_id = loves.response_id
    AND texts.user_id = loves.user_id
    AND epoch_us(loves.reacted_at) - epoch_us(texts.served_at) BETWEEN 0 AND {near_us}
