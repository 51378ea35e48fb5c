-- What an audit asks about accounts, over the journal of some of them in DuckDB. The rows
-- are those of the texts of the same names in billing/audit/queries.sql, which read
-- PostgreSQL's tables by their indexes; here the questions are a table `question`.

-- invoices --
-- What invoices keep of their periods.
SELECT account_no, "position", details
  FROM journal
 WHERE topic = 'InvoiceIssued'
   AND account_no IN (SELECT account_no FROM question)

-- touched --
-- By account, type, and how many of the account's instants lie before: the last entry that
-- can touch a figure of its contract, and of what was held.
SELECT entry.account_no, entry.seat_type, coalesce(question.n, 0) AS bucket,
       max(entry."position") FILTER (
           WHERE entry.topic IN ('SeatPurchased', 'SeatRetired')) AS contract,
       max(entry."position") FILTER (
           WHERE entry.topic IN ('SeatAssigned', 'SeatUnassigned')) AS held
  FROM (
       SELECT entry.account_no, entry."position", entry.effective_at,
              coalesce(root.seat_type, entry.seat_type) AS seat_type,
              coalesce(root.topic, entry.topic) AS topic
         FROM journal AS entry
         LEFT JOIN journal AS root
           ON entry.topic = 'EntryReversed'
          AND root."position" = entry.root
        WHERE entry."position" > %(after)s
          AND entry."position" <= %(until_position)s
          AND entry.topic IN ('SeatPurchased', 'SeatRetired', 'SeatAssigned',
                              'SeatUnassigned', 'EntryReversed')
          AND entry.account_no IN (SELECT account_no FROM question)
       ) AS entry
  ASOF LEFT JOIN question
    ON question.account_no = entry.account_no
   AND question.ends <= entry.effective_at
 WHERE entry.seat_type IS NOT NULL
 GROUP BY ALL

-- own_contract --
-- The entries that make up a contracted figure: purchases, and retirements inside.
SELECT part.n, list_sort(list(DISTINCT part.entry)) AS entries
  FROM (
       SELECT question.n,
              unnest([life.purchased_position,
                      CASE WHEN life.retires_at <= question.ends
                           THEN life.retired_position END]) AS entry
         FROM question
         JOIN seat AS life
           ON life.account_no = question.account_no
          AND life.seat_type = question.seat_type
        WHERE life.purchased_at < question.ends
          AND (life.retires_at IS NULL OR life.retires_at > question.starts)
       ) AS part
 WHERE part.entry IS NOT NULL
 GROUP BY part.n

-- own_held --
-- The entries that make up a figure of what was held: assignments, and ends inside.
SELECT part.n, list_sort(list(DISTINCT part.entry)) AS entries
  FROM (
       SELECT question.n,
              unnest([held.assigned_position,
                      CASE WHEN held.held_until <= question.ends
                           THEN held.unassigned_position END]) AS entry
         FROM question
         JOIN seat_holding AS held
           ON held.account_no = question.account_no
          AND held.seat_type = question.seat_type
        WHERE NOT held.reversed
          AND held.held_from < question.ends
          AND (held.held_until IS NULL OR held.held_until > question.starts)
          AND held.held_until IS DISTINCT FROM held.held_from
       ) AS part
 WHERE part.entry IS NOT NULL
 GROUP BY part.n

-- recorded_since --
-- What was recorded of a type's seats between two positions, with an effect before an
-- instant; a reversal stands for the entry that it reverses.
SELECT question.n, entry."position", coalesce(root.number, entry.number) AS number,
       entry.root
  FROM question
  JOIN journal AS entry
    ON entry.account_no = question.account_no
   AND entry.effective_at < question.ends
   AND entry."position" > question.issued
  LEFT JOIN journal AS root
    ON entry.topic = 'EntryReversed'
   AND root."position" = entry.root
 WHERE entry."position" <= %(until_position)s
   AND coalesce(root.seat_type, entry.seat_type) = question.seat_type
   AND coalesce(root.topic, entry.topic) IN (SELECT topic FROM selected_topic)
 ORDER BY entry."position"

-- sizes --
-- How many events each account has.
SELECT account_no, count(*) AS events FROM journal GROUP BY account_no

-- each_known --
-- The journal of accounts, each up to a position of its own: under the place of that in the
-- list instead of the account's number, and with positions that say the place too, so that
-- the definitions find each as known there.
SELECT entry.* REPLACE (
           question.n AS account_no,
           (question.n << 40) + entry."position" AS "position",
           (question.n << 40) + entry.root AS root)
  FROM question
  JOIN journal AS entry
    ON entry.account_no = question.account_no
   AND entry."position" <= question.known_position
 WHERE entry.topic IN ('SeatPurchased', 'SeatRetired', 'SeatAssigned', 'SeatUnassigned',
                       'EntryReversed')

-- lives_known --
-- From when to when seats were under contract, by the place of what was known.
SELECT life.account_no AS n, life.seat_type AS type_no, life.number,
       NULL::BIGINT AS user_no, life.purchased_at AS since, life.retires_at AS until,
       life.purchased_position & 1099511627775 AS opened,
       life.retired_position & 1099511627775 AS closed
  FROM seat AS life
  JOIN selected_seat AS selected
    ON selected.n = life.account_no
   AND selected.type_no = life.seat_type
   AND selected.number = life.number

-- held_known --
-- Who held seats, likewise.
SELECT held.account_no AS n, held.seat_type AS type_no, held.number, held.user_no,
       held.held_from AS since, held.held_until AS until,
       held.assigned_position & 1099511627775 AS opened,
       held.unassigned_position & 1099511627775 AS closed
  FROM seat_holding AS held
  JOIN selected_seat AS selected
    ON selected.n = held.account_no
   AND selected.type_no = held.seat_type
   AND selected.number = held.number
 WHERE NOT held.reversed
