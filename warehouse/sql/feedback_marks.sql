-- The clean feedback at $moment without its texts. $hours: the maturity; $positive as for clean_feedback_at.
SELECT
    user_id,
    epoch_us(served_at) AS served_at,
    love,
    love OR "like" AS up,
    dislike,
    CASE WHEN json_extract_string(conversation, '$[#-1].role') = 'user' THEN hash(conversation) END AS prompt,
    sha256(
        json_extract_string(conversation, '$[0].content') || chr(10)
        || coalesce(json_extract_string(conversation, '$[1].content'), response)
    ) AS opening
FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), $hours, positive := $positive) AS clean
ORDER BY clean.served_at, response_id
