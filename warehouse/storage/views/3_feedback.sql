-- Labelled feedback: every served response that is mature at the moment is one row (the denominator), loved or not. Left out: users in
-- quarantine. A reaction counts for the user who was shown the response, and unless quarantined. What erased users did until they asked is
-- not in the tables.
CREATE OR REPLACE TEMP MACRO clean_feedback_at(moment, maturity_hours) AS TABLE
WITH counted AS (
    SELECT
        response_id,
        user_id,
        bool_or(reaction = 'love') AS love,
        bool_or(reaction = 'like') AS liked,
        bool_or(reaction = 'dislike') AS dislike
    FROM reaction_state_at(moment) AS state
    ANTI JOIN quarantined_reactions USING (event_id)
    WHERE action = 'added'
    GROUP BY response_id, user_id
)
SELECT
    served.response_id,
    served.event_id,
    served.user_id,
    served.served_at,
    served.conversation,
    served.response,
    served.policy,
    served.experiment,
    served.arm,
    coalesce(counted.love, false) AS love,
    coalesce(counted.liked, false) AS "like",
    coalesce(counted.dislike, false) AS dislike,
    CAST(1.0 AS DOUBLE) AS trust
FROM served
LEFT JOIN counted ON counted.response_id = served.response_id AND counted.user_id = served.user_id
ANTI JOIN quarantined_users ON quarantined_users.user_id = served.user_id
WHERE served.served_at <= moment - to_microseconds(CAST(maturity_hours * 3600000000 AS BIGINT));

CREATE OR REPLACE TEMP VIEW clean_feedback AS SELECT * FROM clean_feedback_at(now(), 24);
