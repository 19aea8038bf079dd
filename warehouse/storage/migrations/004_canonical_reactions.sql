-- Version 2 of the event contract: names of reactions are canonical. Rows of version 1 get the names that streams/upcasters.py gives
-- their lines today (white space is Python's, listed), so that a line read again is still a copy of its row.

UPDATE reactions SET reaction = '_'
WHERE schema_version = 1
    AND regexp_full_match(reaction, '[\t-\r\x1c- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+');

UPDATE reactions SET reaction = regexp_replace(
    reaction,
    '^[\t-\r\x1c- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+'
    || '|[\t-\r\x1c- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+$',
    '',
    'g'
)
WHERE schema_version = 1
    AND regexp_matches(reaction, '[\t-\r\x1c- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]');

UPDATE reactions SET reaction = translate(
    regexp_replace(
        reaction,
        '[\t-\r\x1c- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+',
        '_',
        'g'
    ),
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
    'abcdefghijklmnopqrstuvwxyz'
)
WHERE schema_version = 1
    AND regexp_matches(reaction, '[A-Z\t-\r\x1c- \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]');

UPDATE reactions SET reaction = 'love'
WHERE schema_version = 1 AND reaction IN ('heart', 'hearts', 'loved', '❤', '❤️', '♥', '♥️');

UPDATE reactions SET reaction = 'like'
WHERE schema_version = 1
    AND reaction IN ('thumbs_up', 'thumbsup', 'upvote', '+1', '👍', '👍️', '👍🏻', '👍🏼', '👍🏽', '👍🏾', '👍🏿');

UPDATE reactions SET reaction = 'dislike'
WHERE schema_version = 1
    AND reaction IN ('thumbs_down', 'thumbsdown', 'downvote', '-1', '👎', '👎️', '👎🏻', '👎🏼', '👎🏽', '👎🏾', '👎🏿');

-- What was not counted may be too much now: a flag of a rule that is no more makes `migrate` judge the log anew.
INSERT INTO flags (source, rule, rule_version)
SELECT 'ingest', 'names_changed', 0
WHERE EXISTS (SELECT 1 FROM reactions WHERE schema_version = 1);
