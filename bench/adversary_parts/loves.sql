-- Every love that stands at the moment (added, not taken back), with the truth about it and what the filter makes of it. A love is a pair of
-- response and user, as in the clean feedback: told again, it is still one, and honest as long as the owner's own love stands without it.
WITH standing AS (
    SELECT
        state.response_id,
        state.user_id,
        state.event_id,
        state.reacted_at,
        CASE WHEN told.adds THEN told.attack END AS attack
    FROM reaction_state_at(CAST($moment AS TIMESTAMPTZ)) AS state
    INNER JOIN truth_loves AS told ON CAST(told.event_id AS UUID) = state.event_id
    WHERE state.reaction = 'love' AND state.action = 'added'
),

counted AS (
    SELECT response_id, user_id, trust
    FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), 24)
    WHERE love
),

speaking AS (
    SELECT standing.response_id, standing.user_id, flags.rule, flags.score, flags.source, flags.flagged_at
    FROM standing
    INNER JOIN flags
        ON flags.source <> 'live'
        AND (
            (flags.subject = 'reaction' AND flags.event_id = standing.event_id)
            OR (
                flags.subject = 'user'
                AND flags.user_id = standing.user_id
                AND (flags.since IS NULL OR standing.reacted_at >= flags.since)
            )
        )
),

blamed AS (
    SELECT
        response_id,
        user_id,
        list(DISTINCT rule ORDER BY rule) FILTER (score >= 1) AS rules,
        max(score) AS score,
        min(flagged_at) FILTER (score >= 1 AND source = 'ingest') AS online_at
    FROM speaking
    GROUP BY response_id, user_id
)

SELECT
    standing.response_id,
    standing.user_id,
    standing.attack,
    CAST(epoch_us(standing.reacted_at) AS BIGINT) AS at,
    coalesce(served.user_id = standing.user_id, false) AS shown,
    1 - least(coalesce(counted.trust, 0), 1) AS left_out,
    coalesce(blamed.score, 0) AS score,
    coalesce(blamed.rules, CAST([] AS VARCHAR [])) AS rules,
    CAST(epoch_us(blamed.online_at) AS BIGINT) AS online_at
FROM standing
LEFT JOIN served ON served.response_id = standing.response_id
LEFT JOIN counted ON counted.response_id = standing.response_id AND counted.user_id = standing.user_id
LEFT JOIN blamed ON blamed.response_id = standing.response_id AND blamed.user_id = standing.user_id
ORDER BY standing.reacted_at, standing.response_id, standing.user_id
