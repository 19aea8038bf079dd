-- Events of a long past, made in the database: the shape of `load`, 20 responses and reactions a block. Parameters: first and last
-- number, microseconds of the first event and between two events, users. Every tenth block belongs to one of 20 heavy users.
CREATE OR REPLACE TEMP TABLE past AS
SELECT
    range AS number,
    $first_us + range * $step_us AS us,
    md5(range::VARCHAR) AS noise,
    range // 20 AS block,
    CASE WHEN range % 20 = 19 THEN range - 1 - hash(range) % 18 ELSE range END AS shown
FROM range($first, $last);

CREATE OR REPLACE TEMP TABLE events AS
WITH hexed AS (SELECT *, format('{:012x}', us // 1000) AS ms FROM past)
SELECT
    number,
    make_timestamp(us) AT TIME ZONE 'UTC' AS moment,
    noise,
    CAST(concat(ms[1:8], '-', ms[9:12], '-7', noise[1:3], '-8', noise[4:6], '-', noise[7:18]) AS UUID) AS event_id,
    CASE WHEN block % 10 = 0 THEN format('heavy{:02d}', block // 10 % 20) ELSE format('h{:06x}', hash(shown) % $users) END AS user_id,
    format('h{:07x}', shown) AS name
FROM hexed;
