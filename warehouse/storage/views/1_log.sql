-- What the log means. A macro takes the moment; the view of the same name asks about now. Both are temporary: made on every opening, in the
-- order of the files' names, so that a catalogue holds tables alone (DuckLake 1.5.5 crashes on a stored macro).

-- One row a response_id: the first telling wins, by event time and then event_id, whatever came in first.
CREATE OR REPLACE TEMP VIEW served AS
SELECT * FROM responses
QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY served_at, event_id) = 1;

-- Responses whose id names another one, which was told first: of another user or conversation, so that it is no second telling.
CREATE OR REPLACE TEMP VIEW responses_of_taken_id AS
SELECT responses.*
FROM responses
INNER JOIN served USING (response_id)
WHERE (responses.user_id, responses.conversation_id) <> (served.user_id, served.conversation_id)
QUALIFY row_number() OVER (
    PARTITION BY response_id, responses.user_id, responses.conversation_id ORDER BY responses.served_at, responses.event_id
) = 1;

-- What was added by somebody else than the user who was shown the response; no figure counts it.
CREATE OR REPLACE TEMP VIEW reactions_not_shown AS
SELECT reactions.*
FROM reactions
SEMI JOIN responses USING (response_id)
ANTI JOIN responses AS theirs ON theirs.response_id = reactions.response_id AND theirs.user_id = reactions.user_id
WHERE action = 'added';

-- What a reaction says of its response: 1 for, -1 against, NULL for names that no figure counts. Of one user, what was added last takes the
-- place of what says the opposite: a dislike that of a love or like, a love or like that of a dislike. Love and like go together.
CREATE OR REPLACE TEMP MACRO stance(reaction) AS
CASE reaction WHEN 'love' THEN 1 WHEN 'like' THEN 1 WHEN 'dislike' THEN -1 END;

-- The state of every (response, user, reaction) at a moment: its latest change, ties by event_id; `replaced` in place of `added` where the
-- user has added the opposite since.
CREATE OR REPLACE TEMP MACRO reaction_state_at(moment) AS TABLE
WITH told AS (FROM reactions WHERE reacted_at <= moment),

-- Who added opposites, which are few: only for them the last of each side is looked for.
torn AS (
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
    SELECT response_id, user_id, reaction, action, reacted_at, event_id
    FROM told
    QUALIFY row_number() OVER (PARTITION BY response_id, user_id, reaction ORDER BY reacted_at DESC, event_id DESC) = 1
)

SELECT
    response_id,
    user_id,
    reaction,
    CASE
        WHEN action = 'added' AND CASE stance(reaction) WHEN 1 THEN last_against WHEN -1 THEN last_for END
            > row(reacted_at, event_id) THEN 'replaced'
        ELSE action
    END AS action,
    reacted_at,
    event_id
FROM latest
LEFT JOIN sides USING (response_id, user_id);

CREATE OR REPLACE TEMP VIEW reaction_state AS SELECT * FROM reaction_state_at(now());

-- Reactions whose response has not come (yet), and for how long each has been waiting at a moment, by event time.
CREATE OR REPLACE TEMP MACRO waiting_reactions_at(moment) AS TABLE
SELECT reactions.*, moment - reacted_at AS waited
FROM reactions
ANTI JOIN responses USING (response_id)
WHERE reacted_at <= moment;

CREATE OR REPLACE TEMP VIEW waiting_reactions AS
SELECT reactions.* FROM reactions ANTI JOIN responses USING (response_id);
