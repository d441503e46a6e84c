//! `n per duration`, in the words people write.

use std::fmt;
use std::str::FromStr;

/// The longest period a quota may have: a leap year.
const MAX_SECONDS: u32 = 366 * 86_400;

/// The fastest rate: above it, rounding a unit to whole nanoseconds would cost more than 0.1 %.
const MAX_UNITS_PER_SECOND: u64 = 1_000_000;

/// So many units per period: `n per d`, never "one unit per n".
///
/// A unit comes back every `d / n`, so any window of length `T` admits at most
/// `n + floor(n * T / d)` units. The first period after a quiet time therefore admits up to
/// `2n - 1`; a limit marked `strict` admits at most `n` in every window instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many units a period admits, at least 1.
    pub units: u32,
    /// The length of the period in seconds, at least 1 and at most 366 days.
    pub seconds: u32,
}

impl Quota {
    /// Reads one quota or several separated by `;`: `200 per day; 50 per hour`.
    ///
    /// A quota is `n/unit`, `n per unit` or `n per m units`, with the units `second`, `minute`,
    /// `hour`, `day`, their plurals, and `s`, `m`, `min`, `h`, `d`, as in durations.
    ///
    /// # Errors
    ///
    /// The first part that is no quota, with what would be right.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        text.split(';').map(str::parse).collect()
    }

    /// Whether the numbers make a quota that can be kept.
    ///
    /// # Errors
    ///
    /// What is wrong with the numbers and what would be right.
    pub fn check(self) -> Result<(), String> {
        if self.units == 0 {
            return Err("0 units would refuse everybody: write at least 1".to_owned());
        }
        if self.seconds == 0 {
            return Err("a period of 0 has no rate: write at least 1 second".to_owned());
        }
        if self.seconds > MAX_SECONDS {
            return Err("the period is too long: write at most 366 days".to_owned());
        }
        if u64::from(self.units) > MAX_UNITS_PER_SECOND * u64::from(self.seconds) {
            return Err("the rate is too high: write at most 1000000 per second".to_owned());
        }
        Ok(())
    }
}

impl FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |why: &str| format!("\"{text}\" is not a quota: {why}");
        let (units, rest) = split_number(text);
        let rest = rest.trim_start();
        let period = rest.strip_prefix('/').or_else(|| rest.strip_prefix("per "));
        let (false, Some(period)) = (units.is_empty(), period) else {
            return Err(wrong(
                "write \"100/minute\", \"10 per minute\" or \"5 per 30 seconds\", several separated by \";\"",
            ));
        };
        let (count, unit) = split_number(period.trim());
        let count = if count.is_empty() { "1" } else { count };
        let (Ok(units), Ok(count)) = (units.parse(), count.parse::<u32>()) else {
            return Err(wrong("a number is too large: write at most 4294967295"));
        };
        let seconds = match unit.trim_start() {
            "s" | "second" | "seconds" => 1,
            // `m` is a minute in durations too.
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3_600,
            "d" | "day" | "days" => 86_400,
            _ => {
                return Err(wrong(
                    "the unit is unknown: write second, minute, hour or day",
                ));
            }
        };
        // Too long a period saturates, and is then refused as too long.
        let quota = Self {
            units,
            seconds: count.saturating_mul(seconds),
        };
        quota.check().map(|()| quota).map_err(|why| wrong(&why))
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            1 => write!(f, "{}/second", self.units),
            60 => write!(f, "{}/minute", self.units),
            3_600 => write!(f, "{}/hour", self.units),
            86_400 => write!(f, "{}/day", self.units),
            seconds => write!(f, "{} per {seconds} seconds", self.units),
        }
    }
}

/// The decimal digits at the start, and what follows them.
fn split_number(text: &str) -> (&str, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (text.strip_suffix(rest).unwrap_or_default(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quota(units: u32, seconds: u32) -> Quota {
        Quota { units, seconds }
    }

    #[test]
    fn reads_the_words_people_write() {
        for (text, units, seconds) in [
            ("100/minute", 100, 60),
            ("10 per minute", 10, 60),
            (" 7 / second ", 7, 1),
            ("5 per 30 seconds", 5, 30),
            ("5/30s", 5, 30),
            ("1 per 2 hours", 1, 7_200),
            ("3/min", 3, 60),
            ("3/m", 3, 60),
            ("3 per 5m", 3, 300),
            ("3/h", 3, 3_600),
            ("200 per day", 200, 86_400),
        ] {
            assert_eq!(
                Quota::parse_list(text),
                Ok(vec![quota(units, seconds)]),
                "{text}"
            );
        }
        assert_eq!(
            Quota::parse_list("200 per day; 50 per hour"),
            Ok(vec![quota(200, 86_400), quota(50, 3_600)])
        );
    }

    #[test]
    fn says_what_would_be_right() {
        for (text, part) in [
            ("", "write \"100/minute\""),
            ("minute", "write \"100/minute\""),
            ("100", "write \"100/minute\""),
            ("-1/minute", "write \"100/minute\""),
            ("1.5/minute", "write \"100/minute\""),
            ("10/minute;", "\"\" is not a quota"),
            ("10 perminute", "write \"100/minute\""),
            ("10/fortnight", "second, minute, hour or day"),
            ("10/", "second, minute, hour or day"),
            ("0/minute", "at least 1"),
            ("1 per 0 seconds", "at least 1 second"),
            ("1 per 367 days", "at most 366 days"),
            ("1 per 4294967295 days", "at most 366 days"),
            ("99999999999/minute", "at most 4294967295"),
            ("1000001/second", "at most 1000000 per second"),
        ] {
            let message = Quota::parse_list(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9per/; smindayhou]{0,24}|\\PC{0,12}") {
            for quota in Quota::parse_list(&text).unwrap_or_default() {
                prop_assert_eq!(quota.check(), Ok(()));
            }
        }

        #[test]
        fn display_reads_back(units in 1u32..1_000_000, seconds in 1u32..MAX_SECONDS) {
            let quota = quota(units, seconds);
            prop_assert_eq!(quota.to_string().parse(), Ok(quota));
        }
    }
}
