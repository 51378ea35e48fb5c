-- tables --
-- A line of the file; what its period and its time of issue stand for, by account; and
-- a row of the answer, in the order of the file, with what is missing behind.
CREATE TABLE line (
    no INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    invoice TEXT NOT NULL,
    issued TEXT NOT NULL,
    period TEXT NOT NULL,
    seat_type TEXT NOT NULL,
    quantity TEXT NOT NULL,
    unit_price TEXT NOT NULL,
    amount TEXT NOT NULL,
    mode TEXT,
    granularity TEXT,
    currency TEXT
);
CREATE TABLE meaning (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    said TEXT NOT NULL,
    means NOT NULL,
    PRIMARY KEY (account, kind, said)
) WITHOUT ROWID;
CREATE TABLE answer (
    place INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    is_finding INTEGER NOT NULL,
    told TEXT NOT NULL
);

-- keep --
INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- indexes --
CREATE INDEX line_by_account ON line (account, seat_type);

-- accounts --
-- The accounts of the file.
SELECT DISTINCT account FROM line ORDER BY account;

-- issues --
-- Every way in which the file says when an invoice was issued.
SELECT DISTINCT issued FROM line;

-- said --
-- What the lines of an account say of periods and times of issue, with a line of each.
SELECT 'period' AS kind, period AS said, min(no) AS no
  FROM line
 WHERE account = :account
 GROUP BY period
UNION ALL
SELECT 'issued', issued, min(no)
  FROM line
 WHERE account = :account
 GROUP BY issued;

-- forget --
DELETE FROM meaning;

-- mean --
INSERT OR REPLACE INTO meaning VALUES (?, ?, ?, ?);

-- lines --
-- The lines of an account, those of one figure and rule together, from the last back.
SELECT line.no, line.account, line.invoice, line.issued, line.period, line.seat_type,
       line.quantity, line.unit_price, line.amount, line.mode, line.granularity,
       line.currency, label.means AS label, issue.means AS position,
       count(*) OVER (
           PARTITION BY label.means, line.seat_type, line.mode, line.granularity
           ) AS of_figure,
       count(*) OVER (
           PARTITION BY label.means, line.seat_type, line.mode, line.granularity,
                        issue.means, line.invoice) AS of_invoice
  FROM line
  JOIN meaning AS label
    ON label.account = line.account
   AND label.kind = 'period'
   AND label.said = line.period
  JOIN meaning AS issue
    ON issue.account = line.account
   AND issue.kind = 'issued'
   AND issue.said = line.issued
 WHERE line.account = :account
 ORDER BY label.means, line.seat_type, line.mode, line.granularity,
          issue.means DESC, line.invoice DESC, line.no DESC;

-- quantities --
-- What the lines of one figure bill, from the first to the last; or those of one invoice.
SELECT issue.means AS position, line.invoice, line.quantity
  FROM line
  JOIN meaning AS label
    ON label.account = line.account
   AND label.kind = 'period'
   AND label.said = line.period
  JOIN meaning AS issue
    ON issue.account = line.account
   AND issue.kind = 'issued'
   AND issue.said = line.issued
 WHERE line.account = :account
   AND line.seat_type = :seat_type
   AND label.means = :label
   AND line.mode IS :mode
   AND line.granularity IS :granularity
   AND (:invoice IS NULL OR (line.invoice = :invoice AND issue.means = :position))
 ORDER BY issue.means, line.invoice, line.no;

-- invoiced --
-- The periods that an account was invoiced for: their types, and the first invoice.
SELECT label.means AS label, group_concat(DISTINCT line.seat_type) AS seat_types,
       line.invoice, line.mode, line.granularity,
       issue.means AS position, min(issue.means) AS first_position
  FROM line
  JOIN meaning AS label
    ON label.account = line.account
   AND label.kind = 'period'
   AND label.said = line.period
  JOIN meaning AS issue
    ON issue.account = line.account
   AND issue.kind = 'issued'
   AND issue.said = line.issued
 WHERE line.account = :account
 GROUP BY label.means
 ORDER BY label.means;

-- price --
-- What a type costs by another line of the same account.
SELECT unit_price, currency
  FROM line
 WHERE account = :account
   AND seat_type = :seat_type
 ORDER BY no
 LIMIT 1;

-- currency --
-- The currency of an account's invoices.
SELECT currency
  FROM line
 WHERE account = :account
 ORDER BY no
 LIMIT 1;

-- tell --
INSERT INTO answer (account, is_finding, told, place) VALUES (?, ?, ?, ?);

-- answers --
-- The rows of the answer, in order.
SELECT told FROM answer WHERE is_finding >= :findings ORDER BY place;

-- answers_of --
-- The rows of an account.
SELECT told FROM answer WHERE account = :account ORDER BY place;
