-- What the log means. A macro takes the moment; the view of the same name asks about now. Both are temporary: made on every opening, in the
-- order of the files' names, so that a catalogue holds tables alone (DuckLake 1.5.5 crashes on a stored macro).

-- One row a response_id: the first telling wins, by event time and then event_id, whatever came in first.
CREATE OR REPLACE TEMP VIEW served AS
SELECT * FROM responses
QUALIFY row_number() OVER (PARTITION BY response_id ORDER BY served_at, event_id) = 1;

-- The state of every (response, user, reaction) at a moment: its latest change, ties by event_id.
CREATE OR REPLACE TEMP MACRO reaction_state_at(moment) AS TABLE
SELECT response_id, user_id, reaction, action, reacted_at, event_id
FROM reactions
WHERE reacted_at <= moment
QUALIFY row_number() OVER (PARTITION BY response_id, user_id, reaction ORDER BY reacted_at DESC, event_id DESC) = 1;

CREATE OR REPLACE TEMP VIEW reaction_state AS SELECT * FROM reaction_state_at(now());

-- Reactions whose response has not come (yet), and for how long each has been waiting at a moment, by event time.
CREATE OR REPLACE TEMP MACRO waiting_reactions_at(moment) AS TABLE
SELECT reactions.*, moment - reacted_at AS waited
FROM reactions
ANTI JOIN responses USING (response_id)
WHERE reacted_at <= moment;

CREATE OR REPLACE TEMP VIEW waiting_reactions AS
SELECT reactions.* FROM reactions ANTI JOIN responses USING (response_id);
