-- With the position and the size in the index, usage is added up without a look at the rows.
--
-- Every write waits for it, reads go on. One million rows took 44 seconds on a machine that was busy with other work, most of
-- it waiting for the disk. An older server runs on with the wider index.
DROP INDEX artifact_rows_by_depositor;
CREATE INDEX artifact_rows_by_depositor ON artifact_rows (experiment, created_by, seq, size)
    WHERE experiment IS NOT NULL;
