-- paired_steps --
-- The counts of some accounts, each knowing the events up to a position of its own.
-- A pair stands where the account stands otherwise.
SELECT pair.pair_no AS account_no, counted.seat_type, counted.at,
       counted.seats_purchased, counted.seats_assigned, counted.bought,
       counted.retired, counted.filled, counted.freed
  FROM unnest(%(pairs)s::bigint[], %(pair_accounts)s::bigint[], %(pair_positions)s::bigint[])
       AS pair(pair_no, account_no, known_position)
 CROSS JOIN LATERAL (
       SELECT seat_type, at, seats_purchased, seats_assigned, bought, retired, filled,
              freed
         FROM seat_count_at(pair.known_position)
        WHERE account_no = pair.account_no
       OFFSET 0) AS counted

-- paired_held --
-- Their holdings, likewise.
SELECT pair.pair_no AS account_no, held.seat_type, held.number, held.user_no,
       held.held_from, held.held_until
  FROM unnest(%(pairs)s::bigint[], %(pair_accounts)s::bigint[], %(pair_positions)s::bigint[])
       AS pair(pair_no, account_no, known_position)
 CROSS JOIN LATERAL (
       SELECT seat_type, number, user_no, held_from, held_until
         FROM seat_holding_at(pair.known_position)
        WHERE account_no = pair.account_no
          AND NOT reversed
       OFFSET 0) AS held
