//! Tests that need Rust and a server at once. What SQL can show is shown in tests/pg_regress.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use pgrx::prelude::*;

#[pg_schema]
mod tests {
    use super::*;
    use crate::error::Failure;
    use crate::pg::owner;
    use crate::pg::spi::{self, Arg};
    use crate::pg::{CaughtError, as_next_statement};
    use crate::registry;
    use crate::registry::lexicon::{self, Space};
    use crate::store::{append, sets};
    use engine::chunk::USER;
    use engine::error::Error;

    fn sql(text: &str) {
        Spi::run(text).unwrap();
    }

    fn track(user: &str) {
        sql(&format!(
            "SELECT analytics_groups.track('Login', '{user}', '{{}}'::jsonb, '2024-01-01 10:00Z')"
        ));
    }

    #[pg_test]
    fn a_rolled_back_number_is_forgotten() {
        track("stays");
        sql("DO $$ BEGIN
                 PERFORM analytics_groups.track('Login', 'goes', '{}'::jsonb);
                 RAISE EXCEPTION 'undo';
             EXCEPTION WHEN raise_exception THEN NULL; END $$");
        spi::connect(|sql| {
            let project = registry::open_for_writing(sql, None)?;
            assert_eq!(lexicon::recall(project.table, Space::Subject(USER), "goes"), None);
            // What was looked up before the rollback is looked up again rather than trusted.
            let found = lexicon::assign(sql, &project, Space::Subject(USER), ["stays", "goes"])?;
            let rows = sql.write(&project.sql("SELECT no FROM @.subject WHERE id = 'goes'"), &[])?;
            assert_eq!(i64::from(found["goes"]), rows.int(0, 0)?);
            Ok(())
        })
        .unwrap();
    }

    #[pg_test]
    fn a_reading_statement_keeps_the_snapshot_of_its_caller() {
        sql("CREATE TABLE public.counted (n int)");
        spi::connect(|sql| {
            sql.write("INSERT INTO public.counted VALUES (1)", &[])?;
            // The insert is later than the statement that called us: only a writing statement sees it.
            assert_eq!(sql.read("SELECT count(*) FROM public.counted", &[])?.int(0, 0)?, 0);
            assert_eq!(sql.write("SELECT count(*) FROM public.counted", &[])?.int(0, 0)?, 1);
            Ok(())
        })
        .unwrap();
    }

    /// Whatever the caller's search_path is, and whether or not the function has one of its own.
    #[pg_test]
    fn statements_have_a_search_path_of_their_own() {
        let path = || {
            Spi::get_one::<String>("SELECT current_setting('search_path')")
                .unwrap()
                .unwrap()
        };
        let inside = || {
            spi::connect(|sql| {
                Ok(sql
                    .read("SELECT current_setting('search_path')", &[])?
                    .text(0, 0)?
                    .to_string())
            })
        };
        for callers in ["public, tests", "pg_catalog, pg_temp", "evil, pg_catalog"] {
            sql(&format!("SET LOCAL search_path = {callers}"));
            assert_eq!(inside().unwrap(), "pg_catalog, pg_temp");
            assert_eq!(path(), callers, "and afterwards the caller has its own again");
        }
        let failed: Result<(), _> = spi::connect(|_| Err(Failure::internal("on purpose")));
        assert!(failed.is_err());
        assert_eq!(path(), "evil, pg_catalog", "after an error, too");
    }

    #[pg_test]
    fn values_come_back_as_they_went_in() {
        let long = "x".repeat(100_000);
        spi::connect(|sql| {
            let rows = sql.read(
                "SELECT $1, $2, $3, NULL::text, $4",
                &[
                    Arg::Int(-1),
                    Arg::Text(&long),
                    Arg::Bytes(&[0, 255, 7]),
                    Arg::Texts(&["a", "b"]),
                ],
            )?;
            assert_eq!(rows.len(), 1);
            assert_eq!(rows.int(0, 0)?, -1);
            assert_eq!(rows.text(0, 1)?, long);
            assert_eq!(rows.bytes(0, 2)?, vec![0, 255, 7]);
            assert_eq!(rows.bytes_or_null(0, 3, true)?, None);
            assert_eq!(rows.get::<Vec<String>>(0, 4), Some(vec!["a".into(), "b".into()]));
            assert!(rows.int(0, 3).is_err(), "NULL is an error where a value is needed");
            assert!(rows.int(1, 0).is_err(), "a row that is not there is NULL");
            assert!(rows.int(0, 9).is_err(), "a column that is not there is NULL");
            Ok(())
        })
        .unwrap();
    }

    #[pg_test]
    fn statements_are_prepared_once() {
        spi::connect(|sql| {
            for i in 0..2000 {
                // More different texts than are kept: the plans are made anew, none is used after it was freed.
                let rows = sql.read(&format!("SELECT $1 + {i}"), &[Arg::Int(1)])?;
                assert_eq!(rows.int(0, 0)?, 1 + i);
            }
            Ok(())
        })
        .unwrap();
    }

    #[pg_test]
    fn the_previous_user_is_back_after_an_error() {
        sql("CREATE ROLE maintained");
        let oid = Spi::get_one::<crate::pg::Oid>("SELECT 'maintained'::regrole::oid")
            .unwrap()
            .unwrap();
        let before = Spi::get_one::<String>("SELECT current_user::text").unwrap();
        let inside = owner::as_owner(oid, || {
            spi::connect(|sql| Ok(sql.read("SELECT current_user::text", &[])?.text(0, 0)?.to_string())).unwrap()
        });
        assert_eq!(inside, "maintained");
        let failed = std::panic::catch_unwind(|| owner::as_owner(oid, || std::panic::panic_any(1)));
        assert!(failed.is_err());
        assert_eq!(Spi::get_one::<String>("SELECT current_user::text").unwrap(), before);
    }

    #[pg_test]
    fn engine_errors_have_their_sqlstates() {
        let code = |e: Error| Failure::from(e).code;
        assert_eq!(code(Error::corrupt("x")), PgSqlErrorCode::ERRCODE_DATA_CORRUPTED);
        assert_eq!(code(Error::param("x")), PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE);
        assert_eq!(code(Error::OutOfMemory("x")), PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY);
        assert_eq!(
            code(Error::Limit {
                message: "x".into(),
                hint: None
            }),
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED
        );
    }

    #[pg_test]
    fn a_damaged_buffer_is_an_error_and_verify_names_it() {
        sql("SELECT analytics_groups.track_ndjson(string_agg(format(
                 '{\"event\":\"Login\",\"properties\":{\"time\":%s,\"distinct_id\":\"u%s\"}}', 1704067200 + i, i % 9), e'\\n'))
             FROM generate_series(1, 300) i");
        sql(
            "UPDATE analytics_default.event_block SET data = set_byte(data, length(data) / 2, (get_byte(data, length(data) / 2) + 1) % 256)",
        );
        let problems =
            Spi::get_one::<i64>("SELECT count(*) FROM analytics_groups.verify() WHERE object LIKE 'block %'");
        assert_eq!(problems.unwrap(), Some(1));
        let code = PgTryBuilder::new(|| {
            sql("SELECT count(*) FROM analytics_groups.insights('[\"$any\"]', '2024-01-01', '2024-01-01')");
            None
        })
        .catch_others(|e| match e {
            CaughtError::PostgresError(e) | CaughtError::ErrorReport(e) => Some(e.sql_error_code()),
            CaughtError::RustPanic { ereport, .. } => Some(ereport.sql_error_code()),
        })
        .execute();
        assert_eq!(code, Some(PgSqlErrorCode::ERRCODE_DATA_CORRUPTED));
    }

    #[pg_test]
    fn an_empty_buffer_has_no_bounds() {
        assert!(append::bounds(&[]).is_err());
        assert_eq!(append::bounds(&[3, -1, 2]).unwrap(), (-1, 3));
    }

    #[pg_test(error = "unknown value \"newest\" of analytics_groups.dedupe")]
    fn a_wrong_dedupe_mode_is_refused() {
        sql("SET analytics_groups.dedupe = 'newest'");
        track("u1");
    }

    #[pg_test]
    fn the_first_stays_in_mode_skip() {
        let send = |amount: i32| {
            sql(&format!(
                "SELECT analytics_groups.track('Buy', 'u1', '{{\"amount\": {amount}}}'::jsonb, '2024-01-01 10:00Z', 'one')"
            ));
        };
        let kept = || {
            Spi::get_one::<String>(
                "SELECT string_agg(segment[1], ',' ORDER BY segment) FROM analytics_groups.insights('[\"Buy\"]', '2024-01-01',
                 '2024-01-01', breakdown => '[\"amount\"]') WHERE value > 0",
            )
            .unwrap()
        };
        sql("SET analytics_groups.dedupe = 'skip'");
        send(1);
        send(2);
        assert_eq!(kept().as_deref(), Some("1"));
        sql("CALL analytics_groups.maintain()");
        send(3);
        assert_eq!(kept().as_deref(), Some("1"));
        sql("SET analytics_groups.dedupe = 'replace'");
        send(4);
        assert_eq!(kept().as_deref(), Some("4"));
        sql("CALL analytics_groups.maintain()");
        assert_eq!(kept().as_deref(), Some("4"));
    }

    #[pg_test]
    fn sets_are_read_with_what_they_leave_out() {
        for (event, day, n) in [
            ("Login", "2024-01-01", 200),
            ("Login", "2024-01-03", 90),
            ("Rare", "2024-01-01", 3),
        ] {
            sql(&format!(
                "SELECT analytics_groups.track(jsonb_agg(jsonb_build_object('event', '{event}', 'properties', jsonb_build_object(
                     'distinct_id', 'u' || i % 50, 'time', extract(epoch FROM timestamptz '{day} Z')::bigint + i))))
                 FROM generate_series(1, {n}) i"
            ));
        }
        let read = |events: &[u32], with_subjects| {
            as_next_statement(|| {
                spi::connect(|sql| {
                    let project = registry::open(sql, None)?;
                    sets::read(sql, &project, &[USER], events, 19_723, 19_725, with_subjects)
                })
            })
            .unwrap()
        };
        let number = |name: &str| {
            let text = format!("SELECT no FROM analytics_default.event_name WHERE name = '{name}'");
            Spi::get_one::<i32>(&text).unwrap().unwrap() as u32
        };
        let (login, rare) = (number("Login"), number("Rare"));
        assert!(read(&[login, sets::ANY], false).sets.is_empty(), "nothing is sealed");
        sql("CALL analytics_groups.maintain()");
        let all = read(&[login, rare, sets::ANY], true);
        let found: Vec<_> = all
            .sets
            .iter()
            .map(|s| (s.event, s.day, s.rows, s.events, s.card))
            .collect();
        let want = [
            (sets::ANY, 19_723, 203, 203, 50),
            (sets::ANY, 19_725, 90, 90, 50),
            (login, 19_723, 200, 200, 50),
            (login, 19_725, 90, 90, 50),
        ];
        assert_eq!(found, want);
        assert_eq!(all.uncovered, [(rare, 19_723)]);
        for set in &all.sets {
            let mut union = engine::subjects::SubjectSet::default();
            let mut room = engine::gather::Budget::new(1 << 20);
            union.union_portable(set.portable().unwrap(), &mut room).unwrap();
            assert_eq!(union.count(), set.card);
        }
        assert!(read(&[login], false).sets.iter().all(|s| s.data.is_none()));
    }
}
