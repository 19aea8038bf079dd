-- Labelled feedback: every served response that is mature at the moment is one row (the denominator), loved or not. Left out: what users in
-- quarantine were shown since the moment that their flags name. A reaction counts for the user who was shown the response; one that is
-- quarantined is as if it had never come. What erased users did until they asked is not in the tables.
--
-- `trust` says how much a row counts: the user's trust in [0, 1], and for a love also the cap on one user's influence. Of n loves by one
-- user within the same 30 days (counted from 1970) each weighs min(1, cap / n), so that one person never counts for more than `cap` loves.
--
-- `love` says whether the response earned what is positive: a love, or with positive := 'like' a love or a like, for products with thumbs alone.
CREATE OR REPLACE TEMP MACRO clean_feedback_at(moment, maturity_hours, positive := 'love') AS TABLE
WITH rule AS (SELECT 40 AS cap),

trusted AS (
    SELECT user_id, trust
    FROM user_trust
    ANTI JOIN (FROM standing_decisions WHERE subject = 'user' AND decision = 'released') AS released USING (user_id)
),

-- A change that is told again under a fresh event_id (same session, same dwell_ms) happened when it was first told, or a copy would bring
-- back what the user has taken away since.
told AS (
    SELECT
        reactions.response_id,
        reactions.user_id,
        reaction,
        action,
        event_id,
        CASE WHEN dwell_ms IS NULL THEN reacted_at ELSE min(reacted_at) OVER (
            PARTITION BY reactions.response_id, reactions.user_id, reaction, action, session_id, dwell_ms
        ) END AS reacted_at
    FROM reactions
    ANTI JOIN quarantined_reactions USING (event_id)
    LEFT JOIN quarantined_users AS aside ON aside.user_id = reactions.user_id
    WHERE reacted_at <= moment AND (aside.user_id IS NULL OR reacted_at < aside.since)
),

torn AS (  -- as in reaction_state_at
    SELECT response_id, user_id
    FROM told
    WHERE action = 'added' AND stance(reaction) IS NOT NULL
    GROUP BY response_id, user_id
    HAVING min(stance(reaction)) < max(stance(reaction))
),

sides AS (
    SELECT
        response_id,
        user_id,
        max(row(reacted_at, event_id)) FILTER (stance(reaction) = 1) AS last_for,
        max(row(reacted_at, event_id)) FILTER (stance(reaction) = -1) AS last_against
    FROM told
    SEMI JOIN torn USING (response_id, user_id)
    WHERE action = 'added'
    GROUP BY response_id, user_id
),

latest AS (
    FROM told
    QUALIFY row_number() OVER (PARTITION BY response_id, user_id, reaction ORDER BY reacted_at DESC, event_id DESC) = 1
),

standing AS (
    SELECT response_id, user_id, reaction, reacted_at
    FROM latest
    LEFT JOIN sides USING (response_id, user_id)
    WHERE action = 'added' AND NOT coalesce(
        CASE stance(reaction) WHEN 1 THEN last_against WHEN -1 THEN last_for END > row(reacted_at, event_id), false
    )
),

counted AS (
    SELECT
        response_id,
        user_id,
        max(reacted_at) FILTER (reaction = 'love' OR reaction = positive) AS loved_at,
        bool_or(reaction = 'like') AS liked,
        bool_or(reaction = 'dislike') AS dislike
    FROM standing
    GROUP BY response_id, user_id
),

weighed AS (
    SELECT
        *,
        CASE
            WHEN loved_at IS NULL THEN 1.0
            ELSE least(1.0, rule.cap / count(*) OVER (PARTITION BY user_id, epoch_us(loved_at) // 2_592_000_000_000))
        END AS weight
    FROM counted
    CROSS JOIN rule
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
    weighed.loved_at IS NOT NULL AS love,
    coalesce(weighed.liked, false) AS "like",
    coalesce(weighed.dislike, false) AS dislike,
    CAST(coalesce(trusted.trust, 1.0) * coalesce(weighed.weight, 1.0) AS DOUBLE) AS trust
FROM served
LEFT JOIN weighed ON weighed.response_id = served.response_id AND weighed.user_id = served.user_id
LEFT JOIN quarantined_users AS aside ON aside.user_id = served.user_id
LEFT JOIN trusted ON trusted.user_id = served.user_id
WHERE served.served_at <= mature_until(moment, maturity_hours)
    AND (aside.user_id IS NULL OR served.served_at < aside.since);

CREATE OR REPLACE TEMP VIEW clean_feedback AS SELECT * FROM clean_feedback_at(now(), 24);
