-- The events of a past with the given numbers (table `numbers`): every value follows from the number. 20 numbers are a block: 19 responses
-- and a reaction to one of them by the user who was shown it; every tenth block belongs to one of 20 heavy users.
CREATE OR REPLACE TEMP TABLE placed AS
SELECT
    number,
    $start_us + number * $step_us AS us,
    md5(number::VARCHAR) AS noise,
    number // 20 AS block,
    CASE WHEN number % 20 = 19 THEN number - 1 - hash(number) % 18 ELSE number END AS shown
FROM numbers;

CREATE OR REPLACE TEMP TABLE events AS
WITH hexed AS (SELECT *, format('{:012x}', us // 1000) AS ms FROM placed)
SELECT
    number,
    make_timestamp(us) AT TIME ZONE 'UTC' AS moment,
    noise,
    CAST(concat(ms[1:8], '-', ms[9:12], '-7', noise[1:3], '-8', noise[4:6], '-', noise[7:18]) AS UUID) AS event_id,
    CASE
        WHEN block % 10 = 0 THEN format('heavy{:02d}', block // 10 % 20) ELSE format('h{:06x}', hash(shown) % $users)
    END AS user_id,
    format('h{:07x}', shown) AS name
FROM hexed
