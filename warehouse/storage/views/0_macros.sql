-- What many queries say, said once. Every connection has these, inside the ingest transaction too; the views of the other files are made for
-- readers. DuckDB puts a macro's text in the place of its name when it binds a query: plans are those of the written-out expression.

-- Whether a change adds a love.
CREATE OR REPLACE TEMP MACRO is_love(reaction, action) AS reaction = 'love' AND action = 'added';

-- The UTC day of a moment, in days since 1970.
CREATE OR REPLACE TEMP MACRO day_number(moment) AS epoch_us(moment) // 86_400_000_000;

-- Responses served until then are mature at the moment: `hours` old, to the microsecond.
CREATE OR REPLACE TEMP MACRO mature_until(moment, hours) AS
CAST(moment AS TIMESTAMPTZ) - to_microseconds(CAST(hours * 3_600_000_000 AS BIGINT));
