//! When the keys of an issuer are fetched: a state machine of times, without I/O and without a
//! clock of its own. All times are nanoseconds of one clock that never runs backwards.

/// The least time between two attempts that unknown keys cause, whatever came of the first.
const COOLDOWN: u64 = seconds(30);

/// How long after the first failure the next attempt follows while there are keys; doubled by
/// each further failure, up to the second number.
const PATIENT: (u64, u64) = (seconds(30), seconds(300));

/// The same while there are none, so that nobody is let in.
const EAGER: (u64, u64) = (seconds(1), seconds(30));

/// When to fetch, and how long what was fetched is good.
#[derive(Debug)]
pub(crate) struct Schedule {
    refresh: u64,
    stale: u64,
    /// Of 256 parts of a tenth of each waiting time: what the nodes of a service differ by.
    spread: u8,
    attempted_at: Option<u64>,
    fetched_at: Option<u64>,
    failed: Option<Failed>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    at: u64,
    /// How often in a row.
    times: u32,
}

impl Schedule {
    pub(crate) fn new(refresh_seconds: u64, stale_seconds: u64, spread: u8) -> Self {
        Self {
            refresh: seconds(refresh_seconds.max(1)),
            stale: seconds(stale_seconds),
            spread,
            attempted_at: None,
            fetched_at: None,
            failed: None,
        }
    }

    /// Takes over what became of the attempts that another made, which has other times.
    pub(crate) fn go_on_from(&mut self, before: &Self) {
        self.attempted_at = before.attempted_at;
        self.fetched_at = before.fetched_at;
        self.failed = before.failed;
    }

    /// When a request that finds the keys old has them fetched.
    pub(crate) fn due(&self) -> u64 {
        match (self.failed, self.fetched_at) {
            (Some(failed), _) => failed.at.saturating_add(self.backoff(failed)),
            (None, Some(fetched)) => fetched.saturating_add(self.refresh),
            (None, None) => 0,
        }
    }

    /// When they are fetched without a request: a little before they are old, a little after
    /// another attempt may be made.
    pub(crate) fn timer(&self) -> u64 {
        match (self.failed, self.fetched_at) {
            (Some(failed), _) => self.due().saturating_add(self.spread(self.backoff(failed))),
            (None, Some(_)) => self.due().saturating_sub(self.spread(self.refresh)),
            (None, None) => 0,
        }
    }

    /// Whether an unknown key may have them fetched.
    pub(crate) fn may_renew(&self, now: u64) -> bool {
        self.attempted_at
            .is_none_or(|attempted| now >= attempted.saturating_add(COOLDOWN))
    }

    /// When the keys stop being good; 0 if there never were any.
    pub(crate) fn stale_at(&self) -> u64 {
        self.fetched_at
            .map_or(0, |fetched| fetched.saturating_add(self.stale))
    }

    /// An attempt begins.
    pub(crate) fn begin(&mut self, now: u64) {
        self.attempted_at = Some(now);
    }

    /// The attempt brought keys. They are as old as the attempt: the answer may have been slow.
    pub(crate) fn succeed(&mut self) {
        self.fetched_at = self.attempted_at;
        self.failed = None;
    }

    /// The attempt brought nothing.
    pub(crate) fn fail(&mut self, now: u64) {
        let times = self.failed.map_or(0, |failed| failed.times);
        self.failed = Some(Failed {
            at: now,
            times: times.saturating_add(1),
        });
    }

    /// An attempt is also made when the old keys stop serving.
    fn backoff(&self, failed: Failed) -> u64 {
        let serving = self.stale_at().saturating_sub(failed.at);
        let ((first, most), end) = match serving {
            0 => (EAGER, u64::MAX),
            _ => (PATIENT, serving),
        };
        let doublings = failed.times.saturating_sub(1).min(16);
        (first << doublings).min(most).min(end)
    }

    fn spread(&self, time: u64) -> u64 {
        time / 2560 * u64::from(self.spread)
    }
}

/// Seconds as nanoseconds.
const fn seconds(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(600, 3600, 0)
    }

    fn fetched(at: u64) -> Schedule {
        let mut schedule = schedule();
        schedule.begin(seconds(at));
        schedule.succeed();
        schedule
    }

    /// The times after which attempts follow that all fail, in seconds.
    fn waits(mut schedule: Schedule, mut now: u64) -> Vec<u64> {
        let attempt = |_| {
            schedule.begin(now);
            schedule.fail(now);
            let wait = schedule.due() - now;
            now += wait;
            wait / seconds(1)
        };
        (0..7).map(attempt).collect()
    }

    #[test]
    fn keys_are_fetched_at_once_and_then_before_they_are_old() {
        assert_eq!(schedule().due(), 0);
        let schedule = fetched(100);
        assert_eq!(schedule.due(), seconds(700));
        assert_eq!(schedule.stale_at(), seconds(3700));
    }

    #[test]
    fn an_issuer_that_is_down_is_asked_less_and_less() {
        let while_old_keys_serve = waits(fetched(0), seconds(600));
        assert_eq!(while_old_keys_serve, [30, 60, 120, 240, 300, 300, 300]);
        let while_nobody_gets_in = waits(schedule(), seconds(5));
        assert_eq!(while_nobody_gets_in, [1, 2, 4, 8, 16, 30, 30]);
        let once_they_are_stale = waits(fetched(0), seconds(3600));
        assert_eq!(once_they_are_stale, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn an_attempt_is_made_when_old_keys_stop_serving() {
        let before = waits(fetched(0), seconds(3590));
        assert_eq!(before, [10, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_success_ends_the_waiting() {
        let mut schedule = fetched(0);
        for now in [600, 630, 690] {
            schedule.begin(seconds(now));
            schedule.fail(seconds(now));
        }
        schedule.begin(seconds(810));
        schedule.succeed();
        assert_eq!(schedule.due(), seconds(1410));
        assert_eq!(schedule.stale_at(), seconds(810 + 3600));
    }

    #[test]
    fn unknown_keys_cause_one_attempt_in_thirty_seconds_whatever_came_of_it() {
        let mut schedule = schedule();
        assert!(schedule.may_renew(0));
        schedule.begin(seconds(10));
        assert!(!schedule.may_renew(seconds(39)));
        schedule.fail(seconds(15));
        assert!(!schedule.may_renew(seconds(39)));
        assert!(schedule.may_renew(seconds(40)));
        schedule.begin(seconds(40));
        schedule.succeed();
        assert!(!schedule.may_renew(seconds(69)));
        assert!(schedule.may_renew(seconds(70)));
    }

    #[test]
    fn a_slow_answer_does_not_make_keys_younger() {
        let mut schedule = schedule();
        schedule.begin(seconds(10));
        schedule.succeed();
        assert_eq!(schedule.stale_at(), seconds(3610));
    }

    #[test]
    fn nodes_differ_by_up_to_a_tenth() {
        let at = |spread| {
            let mut schedule = Schedule::new(600, 3600, spread);
            schedule.begin(0);
            schedule.succeed();
            schedule.timer() / seconds(1)
        };
        assert_eq!((at(0), at(255)), (600, 540));
    }

    #[test]
    fn no_time_overflows() {
        let mut schedule = Schedule::new(u64::MAX, u64::MAX, 255);
        schedule.begin(u64::MAX);
        schedule.succeed();
        schedule.fail(u64::MAX);
        assert_eq!(schedule.stale_at(), u64::MAX);
        assert!(schedule.timer() > 0 && schedule.due() > 0);
    }
}
