-- The days on which a response was shown to a person, with the signals of each: a beginning of queries, which go on with a comma.
-- $moment: the state of the log.
WITH shown AS (
    SELECT
        served.response_id,
        served.user_id,
        served.conversation_id,
        served.session_id,
        served.turn,
        epoch_us(served.served_at) AS at_us,
        day_number(served.served_at) AS day,
        coalesce(served.experiment || ': ' || served.arm, '') AS arm,
        json_extract_string(served.conversation, ['$[#-1].role', '$[#-1].content']) AS last
    FROM served
    SEMI JOIN clean_feedback_at(CAST($moment AS TIMESTAMPTZ), 0) AS clean ON clean.response_id = served.response_id
),

-- A reaction counts when it stands 24 h after its response, whenever it is looked at: one that comes on a later day would itself be a
-- sign that the person returned.
standing AS (
    SELECT
        reactions.response_id,
        reactions.reaction,
        reactions.action,
        reactions.event_id,
        row(reactions.reacted_at, reactions.event_id) AS place,
        max(place) FILTER (reactions.action = 'added' AND stance(reactions.reaction) = 1) OVER mine AS last_for,
        max(place) FILTER (reactions.action = 'added' AND stance(reactions.reaction) = -1) OVER mine AS last_against
    FROM reactions
    JOIN shown ON shown.response_id = reactions.response_id AND shown.user_id = reactions.user_id
    WHERE epoch_us(reactions.reacted_at) <= shown.at_us + 86400000000
    WINDOW mine AS (PARTITION BY reactions.response_id)
    QUALIFY row_number() OVER (
        PARTITION BY reactions.response_id, reactions.reaction ORDER BY reactions.reacted_at DESC, reactions.event_id DESC
    ) = 1
),

reacted AS (
    SELECT
        response_id,
        bool_or(reaction = 'love') AS love,
        bool_or(reaction = 'like') AS liked,
        bool_or(reaction = 'dislike') AS disliked
    FROM standing
    ANTI JOIN quarantined_reactions USING (event_id)
    WHERE action = 'added'
        AND NOT coalesce(CASE stance(reaction) WHEN 1 THEN last_against WHEN -1 THEN last_for END > place, false)
    GROUP BY response_id
),

-- The person went on when the next response of the conversation came in the same session, within half an hour.
followed AS (
    SELECT
        * EXCLUDE (last),
        coalesce(lead(at_us) OVER talk - at_us BETWEEN 0 AND 1800000000, false) AS went_on,
        CASE WHEN went_on THEN lead(CASE WHEN last[1] = 'user' THEN left(last[2], 500) END) OVER talk END AS next_message
    FROM shown
    WINDOW talk AS (PARTITION BY user_id, conversation_id, session_id ORDER BY turn, at_us, response_id)
),

daily AS (
    SELECT
        user_id,
        day,
        count(*) AS responses,
        count(DISTINCT conversation_id) AS conversations,
        bool_or(coalesce(love, false)) AS love,
        bool_or(coalesce(liked, false)) AS liked,
        bool_or(coalesce(disliked, false)) AS disliked,
        avg(CAST(went_on AS DOUBLE)) AS continues,
        list(next_message ORDER BY at_us, response_id) FILTER (next_message IS NOT NULL) AS next_messages,
        CASE WHEN min(arm) = max(arm) THEN min(arm) ELSE 'several' END AS arm
    FROM followed
    LEFT JOIN reacted USING (response_id)
    GROUP BY user_id, day
)
