//! What the process and the machine allow.

use std::time::Duration;

use artifact_backend::{Clock as _, SystemClock};
use artifact_server::raise_open_file_limit;
use artifact_store::{DatabaseReport, Timestamp};

use super::finding::{Finding, Status};
use crate::settings::ServeSettings;

/// How far two clocks may be apart. Far more than time synchronisation leaves.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// This program was not there before: 2026-01-01.
const BEGIN: i64 = 1_767_225_600;

pub(super) fn open_files(settings: &ServeSettings) -> Finding {
    const CHECK: &str = "open-files";
    const ADVICE: &str = "raise the hard limit: LimitNOFILE= of the systemd unit, or ulimit -Hn. This is the limit of the doctor; run it \
                          under that of the server";
    let wanted = settings.max_connections;
    match raise_open_file_limit(wanted) {
        Ok(fit) if fit == wanted => Finding::ok(
            CHECK,
            format!("{wanted} connections fit (--max-connections)"),
            "a connection needs two descriptors, a socket and a file",
        ),
        Ok(fit) => Finding::new(
            Status::Warning,
            CHECK,
            format!("{fit} connections fit, and --max-connections is {wanted}"),
            "further connections are refused earlier than the settings say",
            ADVICE,
        ),
        Err(error) => Finding::new(
            Status::Problem,
            CHECK,
            error.to_string(),
            "the server does not start",
            ADVICE,
        ),
    }
}

/// Compares the clock of this machine with that of the database, if that is a server.
pub(super) fn clock(database: Option<&DatabaseReport>) -> Finding {
    let now = Timestamp::try_from(SystemClock.now()).ok();
    judge_clock(now, database.and_then(|database| database.clock_ahead_ms))
}

fn judge_clock(now: Option<Timestamp>, ahead_ms: Option<i64>) -> Finding {
    const CHECK: &str = "clock";
    const ADVICE: &str =
        "let chrony, systemd-timesyncd or the hypervisor set the clock of every machine";
    let Some(now) = now.filter(|now| now.as_second() >= BEGIN) else {
        return Finding::new(
            Status::Problem,
            CHECK,
            "the clock of this machine is years behind",
            "certificates are refused, and new artifacts get wrong times",
            ADVICE,
        );
    };
    let Some(ahead) = ahead_ms else {
        return Finding::ok(
            CHECK,
            format!("it is {now}; there is no other clock to compare it with"),
            "the clock of this machine decides what has expired",
        );
    };
    let seconds = Duration::from_millis(ahead.unsigned_abs());
    let way = if ahead < 0 { "behind" } else { "ahead of" };
    let found = format!(
        "the clock of the database is {:.1} seconds {way} this machine",
        seconds.as_secs_f64()
    );
    if seconds <= CLOCKS_APART {
        return Finding::ok(
            CHECK,
            found,
            "the clock of the database decides what has expired; certificates and log lines follow that of this machine",
        );
    }
    Finding::new(
        Status::Warning,
        CHECK,
        found,
        "the clock of the database decides what has expired: artifacts, links and tokens end earlier or later than the times \
         in this machine's log say",
        ADVICE,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(seconds: i64, ahead_ms: Option<i64>) -> (bool, bool, String) {
        let finding = judge_clock(Timestamp::from_second(seconds).ok(), ahead_ms);
        let shown = format!("{finding:?}");
        (finding.is_problem(), finding.is_warning(), shown)
    }

    #[test]
    fn clocks_that_are_far_apart_are_a_warning() {
        let now = BEGIN + 1;
        for (ahead, is_warning, said) in [
            (Some(0), false, "0.0 seconds ahead of"),
            (Some(5_000), false, "5.0 seconds ahead of"),
            (Some(5_001), true, "5.0 seconds ahead of"),
            (Some(-5_000), false, "5.0 seconds behind"),
            (Some(-90_000), true, "90.0 seconds behind"),
            (None, false, "2026-01-01T00:00:01Z"),
        ] {
            let (problem, warning, shown) = judged(now, ahead);
            assert_eq!((problem, warning), (false, is_warning), "{shown}");
            assert!(shown.contains(said), "{shown}");
        }
    }

    #[test]
    fn a_clock_before_this_program_existed_is_a_problem() {
        assert!(judged(BEGIN - 1, Some(0)).0);
        assert!(!judged(BEGIN, Some(0)).0);
    }
}
