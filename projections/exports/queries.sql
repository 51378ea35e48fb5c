-- holdings --
-- Every holding of some accounts, with what was reversed.
SELECT account_no, seat_type, number, user_no, held_from, held_until,
       assigned_position AS assigned, unassigned_position AS unassigned, reversed
  FROM {seat_holding} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
 WHERE account_no = ANY (%(account_nos)s::bigint[])
 ORDER BY account_no, kind.name COLLATE "C", number, held_from, held_until, entry;

-- counts --
-- The step functions of some accounts.
SELECT account_no, seat_type, at, seats_purchased AS purchased,
       seats_assigned AS assigned
  FROM {seat_count} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
 WHERE account_no = ANY (%(account_nos)s::bigint[])
 ORDER BY account_no, kind.name COLLATE "C", at;
