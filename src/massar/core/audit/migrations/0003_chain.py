"""Segments and the chain of seals; the database refuses TRUNCATE too, and DELETE but of a segment that is retired.

The rows of PostgreSQL move into a table that is partitioned by segment. A statement that only changes the definition
(DROP, ALTER, DISABLE TRIGGER) can't be refused by a trigger: the chain and its checkpoints show what it did."""

from django.db import migrations, models

COLUMNS = "id, segment, uid, at, event, outcome, person_id, session_id, network, browser, detail, signature"
FROM_BEFORE = COLUMNS.replace("segment", "{segment}")
REFUSED = """(CASE WHEN event LIKE '%%\\_refused' ESCAPE '\\' OR (event LIKE '%%\\_asked' ESCAPE '\\' AND outcome NOT LIKE 'sent%%')
              THEN 'refused-' ELSE 'kept-' END)"""
FACTS = """segment varchar(16) NOT NULL DEFAULT 'late-9000-01', uid varchar(22) NOT NULL, at {moment} NOT NULL, event varchar(40) NOT NULL,
    outcome varchar(40) NOT NULL, person_id bigint NULL, session_id bigint NULL, network varchar(50) NOT NULL,
    browser varchar(60) NOT NULL, detail text NOT NULL, signature varchar(64) NOT NULL"""
KIND = "substr({0}, 1, length({0}) - 8)"
A_YEAR_LATER = """substr(NEW.segment, 1, length(NEW.segment) - 7)
    || (CAST(substr(NEW.segment, length(NEW.segment) - 6, 4) AS integer) + 1)
    || substr(NEW.segment, length(NEW.segment) - 2, 3)"""
# The open month is never deleted: a later one of that kind is sealed, of what is kept one of the next year.
OLD_ENOUGH = f"""EXISTS (SELECT 1 FROM audit_seal s
    WHERE s.segment >= CASE {KIND.format("NEW.segment")} WHEN 'refused' THEN NEW.segment ELSE {A_YEAR_LATER} END
    AND s.segment <> NEW.segment AND {KIND.format("s.segment")} = {KIND.format("NEW.segment")})"""
ALL_SEALED = "NEW.count = (SELECT COALESCE(SUM(s.count), 0) FROM audit_seal s WHERE s.segment = NEW.segment)"
MAY_GO = "EXISTS (SELECT 1 FROM audit_retired r WHERE r.segment = OLD.segment)"
GUARDED = ("audit_event", "audit_seal")

POSTGRES_TABLE = [
    "DROP TRIGGER audit_no_change ON audit_event",
    "ALTER TABLE audit_event RENAME TO audit_event_before",
    "CREATE SEQUENCE audit_event_seq",
    f"CREATE TABLE audit_event (id bigint NOT NULL DEFAULT nextval('audit_event_seq'), {FACTS.format(moment='timestamptz')}) "
    "PARTITION BY LIST (segment)",
    "ALTER SEQUENCE audit_event_seq OWNED BY audit_event.id",
    "CREATE TABLE audit_event_other PARTITION OF audit_event DEFAULT",
    # What is there already goes into partitions of its own: every later ATTACH reads the whole default partition,
    # and shuts it meanwhile.
    f"""DO $$ DECLARE s text; BEGIN
        FOR s IN SELECT DISTINCT {REFUSED} || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM') FROM audit_event_before LOOP
            EXECUTE format('CREATE TABLE %%I PARTITION OF audit_event FOR VALUES IN (%%L)',
                           'audit_event_' || replace(s, '-', '_'), s);
        END LOOP; END $$""",
    f"INSERT INTO audit_event ({COLUMNS}) SELECT "
    + FROM_BEFORE.format(segment=f"{REFUSED} || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM')")
    + " FROM audit_event_before",
    "SELECT setval('audit_event_seq', COALESCE(MAX(id), 1), MAX(id) IS NOT NULL) FROM audit_event",
    "DROP TABLE audit_event_before",
    "ALTER TABLE audit_event ADD CONSTRAINT audit_event_pkey PRIMARY KEY (id, segment)",
    "CREATE INDEX audit_by_person ON audit_event (person_id, id DESC)",
]
SQLITE_TABLE = [
    "DROP TRIGGER audit_no_update",
    "DROP TRIGGER audit_no_delete",
    "ALTER TABLE audit_event RENAME TO audit_event_before",
    f"CREATE TABLE audit_event (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, {FACTS.format(moment='datetime')})",
    f"INSERT INTO audit_event ({COLUMNS}) SELECT "
    + FROM_BEFORE.format(segment=f"{REFUSED} || substr(at, 1, 7)")
    + " FROM audit_event_before",
    "DROP TABLE audit_event_before",
    "CREATE INDEX audit_by_person ON audit_event (person_id, id DESC)",
]
POSTGRES_GUARDS = [
    f"""CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN IF {MAY_GO} THEN RETURN OLD; END IF; END IF;
        RAISE EXCEPTION 'the audit log is append-only'; END $$""",
    # What is empty may be emptied: so whole databases of tests are, and nobody is harmed.
    """CREATE FUNCTION audit_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE held boolean; BEGIN
       EXECUTE format('SELECT EXISTS (SELECT 1 FROM %%s)', TG_RELID::regclass) INTO held;
       IF held THEN RAISE EXCEPTION 'the audit log is append-only'; END IF; RETURN NULL; END $$""",
    f"""CREATE FUNCTION audit_retire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'INSERT' THEN IF {OLD_ENOUGH} AND {ALL_SEALED} THEN RETURN NEW; END IF; END IF;
        RAISE EXCEPTION 'only an old segment, sealed to its end, may be retired'; END $$""",
    *(
        f"CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION audit_append_only()"
        for table in GUARDED
    ),
    *(
        f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION audit_no_truncate()"
        for table in (*GUARDED, "audit_event_other", "audit_retired")
    ),
    """CREATE TRIGGER audit_retire BEFORE INSERT OR UPDATE OR DELETE ON audit_retired
       FOR EACH ROW EXECUTE FUNCTION audit_retire()""",
    """DO $$ DECLARE p regclass; BEGIN
       FOR p IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit_event'::regclass
           AND inhrelid <> 'audit_event_other'::regclass LOOP
           EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON %%s '
                          'FOR EACH STATEMENT EXECUTE FUNCTION audit_no_truncate()', p);
       END LOOP; END $$""",
]
REFUSE = "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
SQLITE_GUARDS = [
    *(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {REFUSE}" for table in (*GUARDED, "audit_retired")),
    *(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN NOT {MAY_GO} {REFUSE}" for table in GUARDED),
    f"CREATE TRIGGER audit_retired_no_delete BEFORE DELETE ON audit_retired {REFUSE}",
    f"""CREATE TRIGGER audit_retired_no_insert BEFORE INSERT ON audit_retired WHEN NOT ({OLD_ENOUGH} AND {ALL_SEALED})
        BEGIN SELECT RAISE(ABORT, 'only an old segment, sealed to its end, may be retired'); END""",
]


def _run(postgres, sqlite):
    def run(apps, editor):
        with editor.connection.cursor() as cursor:
            for statement in postgres if editor.connection.vendor == "postgresql" else sqlite:
                cursor.execute(statement.replace("%%", "%"), None)

    return run


STATE = [
    migrations.AddField("event", "segment", models.CharField(db_default="late-9000-01", max_length=16)),
    migrations.AlterField("event", "uid", models.CharField(max_length=22)),
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(_run(POSTGRES_TABLE, SQLITE_TABLE))], state_operations=STATE
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("first_seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("segment", models.CharField(max_length=16)),
                ("count", models.IntegerField()),
                ("total", models.BigIntegerField()),
                ("ids", models.BinaryField()),
                ("hashes", models.BinaryField()),
                ("at", models.DateTimeField()),
            ],
            options={"indexes": [models.Index(fields=["segment", "-first_seq"], name="audit_seal_by_segment")]},
        ),
        migrations.CreateModel(
            name="LogCursor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("database", models.CharField(max_length=22)),
                ("version", models.BigIntegerField(default=0)),
                ("last_id", models.BigIntegerField(default=0)),
                ("last_seq", models.BigIntegerField(default=0)),
                ("gaps", models.TextField(default="[]")),
                ("signed_seq", models.BigIntegerField(default=0)),
                ("sent_seq", models.BigIntegerField(default=0)),
                ("sender", models.CharField(blank=True, max_length=22)),
                ("sender_until", models.DateTimeField(null=True)),
            ],
            options={"db_table": "audit_cursor"},
        ),
        migrations.CreateModel(
            name="Retired",
            fields=[
                ("segment", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("count", models.BigIntegerField()),
                ("line", models.TextField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="CountedEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person_id", models.BigIntegerField()),
                ("minute", models.BigIntegerField()),
                ("event", models.CharField(max_length=40)),
                ("outcome", models.CharField(max_length=40)),
                ("network", models.CharField(max_length=50)),
                ("detail", models.TextField()),
                ("browser", models.CharField(max_length=60)),
                ("at", models.DateTimeField()),
                ("count", models.BigIntegerField()),
            ],
            options={
                "db_table": "audit_tally",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("person_id", "minute", "event", "outcome", "network", "detail"), name="audit_tally_key"
                    )
                ],
            },
        ),
        migrations.RunPython(_run(POSTGRES_GUARDS, SQLITE_GUARDS)),
    ]
