-- subject: reaction
-- input: affected_pairs
-- version: 1
-- A love for words that the user said first, in one of their last two messages. Case and punctuation do not matter. Held against them are the
-- response's runs of four words: four fifths of them came from the user, or three fifths and eight at least, so that a sentence around
-- the dictation does not hide it. Short responses come back honestly (a greeting, a yes, a bot that echoes), so three to seven words
-- count only where the user set them apart: in quotation marks, or after a colon to the message's end.
WITH said AS (
    SELECT
        event_id,
        user_id,
        response_id,
        reacted_at,
        trim(regexp_replace(lower(response), '[^\p{L}\p{N}]+', ' ', 'g')) AS answer,
        rtrim(lower(trim(response)), ' .!?"”') AS core,
        json_extract_string(conversation, ['$[#-3].content', '$[#-1].content']) AS messages
    FROM affected_pairs
    WHERE is_love(reaction, action) AND shown_to = user_id
),

spoken AS (
    SELECT
        * EXCLUDE (answer, messages),
        string_split(answer, ' ') AS words,
        ' ' || regexp_replace(lower(array_to_string(messages, ' | ')), '[^\p{L}\p{N}|]+', ' ', 'g') || ' ' AS dictation,
        regexp_replace(lower(messages[2]), '[.!?]+(["”])', '\1', 'g') AS asked
    FROM said
),

compared AS (
    SELECT
        *,
        len(words) - 3 AS runs,
        CASE WHEN len(words) >= 8 THEN len(list_filter(
            list_transform(range(1, len(words) - 2), lambda i: ' ' || array_to_string(words[i:i + 3], ' ') || ' '),
            lambda run: contains(dictation, run)
        )) ELSE 0 END AS said_first,
        len(words) BETWEEN 3 AND 7 AND (
            contains(asked, '"' || core || '"')
            OR contains(asked, '“' || core || '”')
            OR ends_with(rtrim(asked, ' .!?"”'), ': ' || core)
        ) AS set_apart
    FROM spoken
),

judged AS (
    SELECT
        *,
        CASE WHEN set_apart THEN 1.25
            ELSE greatest(said_first / (0.8 * runs), least(said_first / (0.6 * runs), said_first / 8.0))
        END AS score
    FROM compared
    WHERE set_apart OR said_first > 0
)

SELECT
    user_id,
    event_id,
    response_id,
    max(score) AS score,
    json_object(
        'words', len(arg_max(words, score)),
        'runs_of_four', arg_max(runs, score),
        'said_first', arg_max(CASE WHEN set_apart THEN runs ELSE said_first END, score)
    ) AS evidence,
    reacted_at AS flagged_at
FROM judged
WHERE score >= 1
GROUP BY user_id, event_id, response_id, reacted_at
