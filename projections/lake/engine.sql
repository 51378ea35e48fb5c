-- period --
-- The billing periods' bounds, for the figures.
SELECT * FROM period_rows

-- step --
-- The counts, for the figures: instants as microseconds since the year 1.
SELECT account_no, seat_type, epoch_us("at") + 62135596800000000 AS instant,
       seats_purchased, seats_assigned, bought, retired, filled, freed
  FROM seat_count

-- held --
-- The holdings, likewise.
SELECT account_no, seat_type, number, user_no,
       epoch_us(held_from) + 62135596800000000 AS held_from,
       epoch_us(held_until) + 62135596800000000 AS held_until
  FROM seat_holding
 WHERE NOT reversed

-- account --
-- The accounts by number and key, as checks name them.
SELECT account_no, json_extract_string(details, '$.account_key') AS account_key
  FROM journal
 WHERE topic = 'AccountOpened'

-- contracts --
-- The contract of every account that is known.
SELECT account_no, topic, "position", epoch_us(effective_at) AS effective_at, details,
       reversed
  FROM contract_at(%(known)s)
 WHERE account_no <= %(known)s
 ORDER BY account_no, "position"

-- contract_reversals --
-- Every reversal of what a contract consists of, and whether it holds after it.
SELECT reversal.account_no, reversal."position", reversal.root, reversal.holds
  FROM journal AS reversal
  JOIN journal AS entry
    ON entry."position" = reversal.root
 WHERE reversal.topic = 'EntryReversed'
   AND entry.topic IN ('BillingPolicyChanged', 'ContractChanged', 'AccountClosed')
 ORDER BY reversal."position"

-- prices --
-- The prices that are recorded and hold, as known; account 0 is all (R90).
SELECT account_no, "position", effective_at, seat_type, details
  FROM entry_at(%(known)s)
 WHERE topic = 'PriceSet'
 ORDER BY account_no, effective_at, "position"

-- with_windows --
-- The accounts in which anything was derived from dated lists (R85).
SELECT DISTINCT account_no
  FROM journal
 WHERE effective_after IS NOT NULL
   AND "position" <= %(known)s

-- requests --
-- How many unassignments were ever requested for the end of a period (R98).
SELECT count(*) AS requests
  FROM journal
 WHERE topic = 'UnassignmentRequested'

-- gaps --
-- How many dates of a zone do not begin where the one before ends, or lack one of the UTC
-- days that they touch: none, or a figure would be missing without a sound.
SELECT count(*)
  FROM (
       SELECT starts, utc_days,
              lag(ends) OVER (PARTITION BY time_zone ORDER BY starts) AS before,
              (ends - 1) // 86400000000 - starts // 86400000000 + 1 AS touched
         FROM (SELECT time_zone, starts, ends, count(DISTINCT utc_day) AS utc_days
                 FROM zone_date
                GROUP BY time_zone, starts, ends) AS day
       ) AS day
 WHERE day.before <> day.starts
    OR day.touched <> day.utc_days

-- uncovered --
-- How many periods have an instant before the first date of their zone, or behind the
-- last: likewise none.
SELECT count(*)
  FROM (SELECT DISTINCT time_zone, starts, ends FROM period_key) AS within
  LEFT JOIN (SELECT time_zone, min(starts) AS starts, max(ends) AS ends
               FROM zone_date
              GROUP BY time_zone) AS dated
    ON dated.time_zone = within.time_zone
   AND dated.starts <= within.starts
   AND dated.ends >= within.ends
 WHERE dated.time_zone IS NULL

-- sums_apart --
-- In how many types what changes the counts is not what holdings and seats change: the
-- hashed instants of all changes, added up.
SELECT count(*)
  FROM (
       SELECT account_no, seat_type
         FROM (
              SELECT account_no, seat_type, hash(held_from) >> 1 AS h, 1 AS filled,
                     0 AS freed, 0 AS bought, 0 AS retired
                FROM seat_holding WHERE NOT reversed
              UNION ALL
              SELECT account_no, seat_type, hash(held_until) >> 1, 0, 1, 0, 0
                FROM seat_holding WHERE NOT reversed AND held_until IS NOT NULL
              UNION ALL
              SELECT account_no, seat_type, hash(purchased_at) >> 1, 0, 0, 1, 0 FROM seat
              UNION ALL
              SELECT account_no, seat_type, hash(retires_at) >> 1, 0, 0, 0, 1
                FROM seat WHERE retires_at IS NOT NULL
              UNION ALL
              SELECT account_no, seat_type, hash("at") >> 1, -filled, -freed, -bought,
                     -retired
                FROM seat_count
              ) AS changes
        GROUP BY account_no, seat_type
       HAVING sum(h::HUGEINT * filled) <> 0 OR sum(h::HUGEINT * freed) <> 0
           OR sum(h::HUGEINT * bought) <> 0 OR sum(h::HUGEINT * retired) <> 0
       ) AS types

-- counts_equal_holdings --
-- The counts, which come straight from the journal, are those of the holdings and of the
-- seats: at each instant nothing else changed.
SELECT account.account_key AS account, kind.name AS seat_type,
       (SELECT max(entry.position)
          FROM journal AS entry
         WHERE entry.account_no = differing.account_no
           AND entry.seat_type = differing.seat_type
           AND entry.number IS NOT NULL
           AND entry.effective_at = differing.since) AS position
  FROM (
       SELECT account_no, seat_type, "at" AS since
         FROM (
              SELECT account_no, seat_type, held_from AS "at", 1 AS filled, 0 AS freed,
                     0 AS bought, 0 AS retired
                FROM seat_holding WHERE NOT reversed
              UNION ALL
              SELECT account_no, seat_type, held_until, 0, 1, 0, 0
                FROM seat_holding WHERE NOT reversed AND held_until IS NOT NULL
              UNION ALL
              SELECT account_no, seat_type, purchased_at, 0, 0, 1, 0 FROM seat
              UNION ALL
              SELECT account_no, seat_type, retires_at, 0, 0, 0, 1
                FROM seat WHERE retires_at IS NOT NULL
              UNION ALL
              SELECT account_no, seat_type, "at", -filled, -freed, -bought, -retired
                FROM seat_count
              ) AS changes
        GROUP BY account_no, seat_type, "at"
       HAVING sum(filled) <> 0 OR sum(freed) <> 0 OR sum(bought) <> 0
           OR sum(retired) <> 0
       ) AS differing
  JOIN account ON account.account_no = differing.account_no
  JOIN seat_type AS kind ON kind.type_no = differing.seat_type
 ORDER BY differing.since
 LIMIT 1
