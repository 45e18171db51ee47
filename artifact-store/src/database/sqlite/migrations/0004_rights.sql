-- The version of all rights: of the credentials of the workers, and of the members of the groups. A server
-- uses a right that it has cached only while the version stays the same. The version is random, so that
-- the file never has one again that was used for other rights, not even if an older copy is restored.

CREATE TABLE rights (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    version  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO rights VALUES (1, random());

-- A new worker changes no right, unless it replaces another one (INSERT OR REPLACE).
CREATE TRIGGER workers_replaced BEFORE INSERT ON workers
    WHEN EXISTS (SELECT 1 FROM workers WHERE id = NEW.id)
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER workers_updated AFTER UPDATE OF id, experiment, credential ON workers
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER workers_deleted AFTER DELETE ON workers
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER groups_inserted AFTER INSERT ON groups
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER groups_updated AFTER UPDATE ON groups
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER groups_deleted AFTER DELETE ON groups
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER members_inserted AFTER INSERT ON members
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER members_updated AFTER UPDATE ON members
BEGIN
    UPDATE rights SET version = random();
END;

CREATE TRIGGER members_deleted AFTER DELETE ON members
BEGIN
    UPDATE rights SET version = random();
END;
