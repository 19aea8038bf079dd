-- Clean feedback with multi-turn credit: which responses of a conversation a love speaks for. The rule, `how`, is one of
--   last_turn     the response that was reacted to, alone;
--   conversation  that one and every earlier turn of the conversation that the same user was shown, in full;
--   decay         the same turns, each gamma to the power of how many turns before the loved one it was.
-- Of several loves the strongest credit counts. `love` is credit > 0; `credit_rule` says in every row how it was given. Another response to
-- the loved turn itself (a regeneration) earns nothing. What a love earns for others counts no more than the love itself. A love counts from its own moment, whether the loved response is mature or not.
CREATE OR REPLACE TEMP MACRO credited_feedback_at(moment, maturity_hours, how, gamma, positive := 'love') AS TABLE
WITH told AS (
    SELECT feedback.*, served.conversation_id, served.turn
    FROM clean_feedback_at(moment, 0, positive := positive) AS feedback
    INNER JOIN served ON served.response_id = feedback.response_id
),

loved AS (SELECT user_id, conversation_id, turn, trust FROM told WHERE love AND how <> 'last_turn'),

nearest AS (
    SELECT
        told.response_id,
        min(loved.turn - told.turn) AS turns_later,
        max(loved.trust) AS trust  -- loves of one user in one conversation: the same but for the edge of a month
    FROM told
    INNER JOIN loved
        ON loved.user_id = told.user_id
        AND loved.conversation_id = told.conversation_id
        AND loved.turn > told.turn
    GROUP BY told.response_id
),

credited AS (
    SELECT
        told.* EXCLUDE (conversation_id, turn) REPLACE (least(told.trust, coalesce(nearest.trust, 1.0)) AS trust),
        CASE
            WHEN told.love THEN 1.0
            WHEN nearest.turns_later IS NULL THEN 0.0
            WHEN how = 'decay' THEN pow(gamma, nearest.turns_later)
            ELSE 1.0
        END AS given
    FROM told
    LEFT JOIN nearest ON nearest.response_id = told.response_id
)

SELECT
    credited.* EXCLUDE (given) REPLACE (given > 0 AS love),
    CAST(given AS DOUBLE) AS credit,
    CASE WHEN how = 'decay' THEN format('decay({})', CAST(gamma AS DOUBLE)) ELSE how END AS credit_rule
FROM credited
WHERE served_at <= mature_until(moment, maturity_hours);
