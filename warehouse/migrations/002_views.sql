-- What the log means. A macro takes the moment; the view of the same name asks about now.

-- One row a response_id: the first telling wins, by event time and then event_id, whatever came in first.
CREATE VIEW served AS
SELECT * FROM responses
QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY served_at, event_id) = 1;

-- The state of every (response, user, reaction) at a moment: its latest change, ties by event_id.
CREATE MACRO reaction_state_at(moment) AS TABLE
SELECT response_id, user_id, reaction, action, reacted_at, event_id
FROM reactions
WHERE reacted_at <= moment
QUALIFY row_number() OVER (PARTITION BY response_id, user_id, reaction ORDER BY reacted_at DESC, event_id DESC) = 1;

CREATE VIEW reaction_state AS SELECT * FROM reaction_state_at(now());

-- Reactions whose response has not come (yet).
CREATE VIEW waiting_reactions AS
SELECT reactions.* FROM reactions ANTI JOIN responses USING (response_id);

CREATE VIEW quarantined_users AS
SELECT user_id, list(DISTINCT rule ORDER BY rule) AS rules, max(score) AS score, min(flagged_at) AS since
FROM flags
WHERE source = 'ingest' AND subject = 'user' AND score >= 1
GROUP BY user_id;

CREATE VIEW quarantined_reactions AS
SELECT event_id, user_id, response_id, list(DISTINCT rule ORDER BY rule) AS rules, max(score) AS score
FROM flags
WHERE source = 'ingest' AND subject = 'reaction' AND score >= 1
GROUP BY event_id, user_id, response_id;

-- Labelled feedback: every served response that is mature at the moment is one row (the denominator), loved or not. Left out: users in
-- quarantine and users who asked to be erased. A reaction counts for the user who was shown the response, and unless quarantined.
CREATE MACRO clean_feedback_at(moment, maturity_hours) AS TABLE
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
ANTI JOIN erasures ON erasures.user_id = served.user_id
WHERE served.served_at <= moment - to_microseconds(CAST(maturity_hours * 3600000000 AS BIGINT));

CREATE VIEW clean_feedback AS SELECT * FROM clean_feedback_at(now(), 24);
