-- Up to which position of the backend the database has all rows that are also notes there.
--
-- Creates a table, and locks the file for writes for some milliseconds. It is empty until a server writes rows as notes.
CREATE TABLE note_position (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    position BLOB    NOT NULL CHECK (octet_length(position) = 16)
) STRICT, WITHOUT ROWID;
