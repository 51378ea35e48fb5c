-- account --
-- Rows, and the sum of their hashes: equal for equal rows in any order and generation.
SELECT count(*), sum(hash_record_extended(ROW(
           account_no, account_id, account_key, name, opened_at), 0))
  FROM account;

-- person --
SELECT count(*), sum(hash_record_extended(ROW(user_no, user_id, account_no), 0))
  FROM person;

-- user_directory --
SELECT count(*), sum(hash_record_extended(ROW(
           user_no, user_id, account_no, user_key, email, folded_key, folded_email,
           folded_name, name), 0))
  FROM user_directory;

-- journal --
-- An erasure says nothing of seats, and leaves this as it was; the directory shows it.
SELECT count(*), sum(hash_record_extended(ROW(
           position, recorded_at, effective_at, account_no, user_no, version,
           topic::text COLLATE "C", seat_type::text COLLATE "C", number, quantity,
           renewal, request, entry, root, holds, super_admin, account_access, hub,
           actor, reason, idempotency_key, correlation_id, details), 0))
  FROM journal
 WHERE topic <> 'UserErased';

-- seat --
SELECT count(*), sum(hash_record_extended(ROW(
           account_no, seat_type::text COLLATE "C", number, purchased_at, retires_at,
           purchased_position, retired_position), 0))
  FROM seat;

-- seat_holding --
SELECT count(*), sum(hash_record_extended(ROW(
           entry, account_no, seat_type::text COLLATE "C", number, user_no, held_from,
           held_until, assigned_position, unassigned_position, reversed), 0))
  FROM seat_holding;

-- current_assignment --
SELECT count(*), sum(hash_record_extended(ROW(
           account_no, seat_type::text COLLATE "C", number, user_no, held_from,
           assigned_position), 0))
  FROM current_assignment;

-- seat_count --
SELECT count(*), sum(hash_record_extended(ROW(
           account_no, seat_type::text COLLATE "C", at, seats_purchased, seats_assigned, bought,
           retired, filled, freed), 0))
  FROM seat_count;

-- billing_period --
SELECT count(*), sum(hash_record_extended(ROW(
           account_no, period_no, label, starts, ends, until, days, time_zone, mode,
           granularity, day_starts), 0))
  FROM billing_period;

-- billable_seats --
SELECT count(*), sum(hash_record_extended(ROW(
           account_no, seat_type::text COLLATE "C", period_no, opening, bought,
           retired, closing, assigned_opening, assigned_peak, assigned_closing,
           idle_days, contracted_days, contracted_time, rises_days, rises_time,
           held_time, peak_days, touched_days, holders), 0))
  FROM billable_seats;
