-- tables --
-- A line of the file; what its period, its time of issue and its rule stand for, by
-- account, and lines with them; and a row of the answer, in the order of the file, with what is
-- missing behind, by account.
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
    currency TEXT,
    corrects INTEGER NOT NULL,
    written_rule TEXT NOT NULL AS (
        coalesce(mode, '') || ' ' || coalesce(granularity, ''))
);
CREATE TABLE meaning (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT NOT NULL,
    means NOT NULL,
    PRIMARY KEY (account, kind, reference)
) WITHOUT ROWID;
CREATE VIEW meant AS
SELECT line.*, label.means AS label, issue.means AS position, rule.means AS rule
  FROM line
  JOIN meaning AS label
    ON label.account = line.account
   AND label.kind = 'period'
   AND label.reference = line.period
  JOIN meaning AS issue
    ON issue.account = line.account
   AND issue.kind = 'issued'
   AND issue.reference = line.issued
  JOIN meaning AS rule
    ON rule.account = line.account
   AND rule.kind = 'rule'
   AND rule.reference = line.period || ' ' || line.written_rule;
CREATE TABLE answer (
    place INTEGER NOT NULL,
    account TEXT NOT NULL,
    nth INTEGER NOT NULL,
    is_finding INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (place, account, nth)
);

-- keep --
INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- indexes --
CREATE INDEX line_by_account ON line (account, seat_type, invoice);

-- lines_as_read --
-- The lines in the order of the file.
SELECT no, account, invoice, issued, period, seat_type, quantity, unit_price, amount,
       mode, granularity, currency, corrects
  FROM line
 ORDER BY no;

-- accounts --
-- The accounts of the file.
SELECT DISTINCT account FROM line ORDER BY account;

-- issues --
-- Every way in which the file says when an invoice was issued.
SELECT DISTINCT issued FROM line;

-- references --
-- What the lines of an account say of periods, of times of issue, and of rules beside
-- their periods, with a line of each.
SELECT 'period' AS kind, period AS reference, min(no) AS no
  FROM line
 WHERE account = :account
 GROUP BY period
UNION ALL
SELECT 'rule', period || ' ' || written_rule, min(no)
  FROM line
 WHERE account = :account
 GROUP BY period, written_rule
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
SELECT no, account, invoice, issued, period, seat_type, quantity, unit_price, amount,
       mode, granularity, currency, corrects, label, position, rule,
       count(*) OVER (
           PARTITION BY label, seat_type, rule) AS of_figure,
       count(*) OVER (
           PARTITION BY label, seat_type, rule, position, invoice) AS of_invoice
  FROM meant
 WHERE account = :account
 ORDER BY label, seat_type, rule, position DESC, invoice DESC, no DESC;

-- of_figure --
-- What the lines of one figure bill, from the last to the first.
SELECT position, invoice, quantity, unit_price, amount, corrects
  FROM meant
 WHERE account = :account
   AND seat_type = :seat_type
   AND label = :label
   AND rule = :rule
 ORDER BY position DESC, invoice DESC, no DESC;

-- of_invoice --
-- The same of one invoice.
SELECT position, invoice, quantity, unit_price, amount, corrects
  FROM meant
 WHERE account = :account
   AND seat_type = :seat_type
   AND invoice = :invoice
   AND position = :position
   AND label = :label
   AND rule = :rule
 ORDER BY no DESC;

-- invoiced --
-- The periods that an account was invoiced for: their types, and the first invoice.
SELECT label, group_concat(DISTINCT seat_type) AS seat_types, invoice, mode, granularity,
       position, min(position) AS first_position
  FROM meant
 WHERE account = :account
 GROUP BY label
 ORDER BY label;

-- billed --
-- What an account was billed for, by label and type, in the order of issue.
SELECT label, seat_type
  FROM meant
 WHERE account = :account
 GROUP BY label, seat_type
 ORDER BY min(position), min(no);

-- places --
-- The most decimal places that an account's amounts need, where no currency is said.
SELECT coalesce(max(length(rtrim(substr(amount, instr(amount, '.') + 1), '0'))), 0)
       AS places
  FROM line
 WHERE account = :account
   AND currency IS NULL
   AND instr(amount, '.') > 0;

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

-- add_answer --
INSERT INTO answer (place, account, nth, is_finding, document) VALUES (?, ?, ?, ?, ?);

-- answers --
-- The rows of the answer, in order.
SELECT document
  FROM answer
 WHERE is_finding >= :findings
 ORDER BY place, account, nth;

-- owed_lines --
-- The first line of each period and rule of a type to which something is owed, and how
-- many such lines there are.
SELECT json_extract(answer.document, '$.period') AS period,
       json_extract(answer.document, '$.mode') AS mode,
       json_extract(answer.document, '$.granularity') AS granularity,
       min(line.no) AS line, line.invoice, count(*) AS lines
  FROM line
  JOIN answer ON answer.place = line.no
 WHERE line.account = :account
   AND line.seat_type = :seat_type
   AND json_extract(answer.document, '$.ledger_quantity') <> '0'
 GROUP BY 1, 2, 3;
