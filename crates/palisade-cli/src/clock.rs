//! Moments on the command line, and a clock that stands still.

use palisade_core::{Clock, SystemClock, looks_like_milliseconds};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A clock that always shows the same date and time; what is measured goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    unix_seconds: u64,
    system: SystemClock,
}

impl Standing {
    /// The clock that shows this moment.
    pub(crate) fn at(unix_seconds: u64) -> Self {
        Self {
            unix_seconds,
            system: SystemClock::default(),
        }
    }
}

impl Clock for Standing {
    fn unix_millis(&self) -> u64 {
        self.unix_seconds.saturating_mul(1000)
    }

    fn monotonic_nanos(&self) -> u64 {
        self.system.monotonic_nanos()
    }
}

/// Reads Unix seconds or a date-time of RFC 3339.
pub(crate) fn moment(text: &str) -> Result<u64, String> {
    let unix = match text.parse::<u64>() {
        Ok(seconds) if looks_like_milliseconds(seconds) => {
            return Err("is in milliseconds; write Unix seconds, a thousandth of it".to_owned());
        }
        Ok(seconds) => Some(seconds),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|moment| u64::try_from(moment.unix_timestamp()).ok()),
    };
    unix.ok_or_else(|| {
        "is no moment; write Unix seconds, or date, time and offset as in 2027-01-01T00:00:00Z"
            .to_owned()
    })
}

/// Reads a duration such as `90`, `10m` or `1d`, in seconds.
pub(crate) fn duration(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    let number: Option<u64> = number.parse().ok().filter(|_| factor > 0);
    let seconds = number.and_then(|number| number.checked_mul(factor));
    seconds.ok_or_else(|| "is no duration; write 90, 90s, 10m, 1h or 1d".to_owned())
}

/// The moment in RFC 3339, or the number where a calendar does not reach.
pub(crate) fn shown(unix_seconds: u64) -> String {
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_seconds.to_string())
}

/// Seconds since 1970-01-01T00:00:00Z.
pub(crate) fn now() -> u64 {
    SystemClock::default().unix_millis() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_unix_seconds_or_rfc_3339() {
        assert_eq!(moment("1798761600"), Ok(1_798_761_600));
        assert_eq!(moment("2027-01-01T01:00:00+01:00"), Ok(1_798_761_600));
        assert_eq!(shown(1_798_761_600), "2027-01-01T00:00:00Z");
        for bad in ["", "yesterday", "2027-01-01", "1969-12-31T00:00:00Z"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
        let why = moment("1798761600123").unwrap_err();
        assert!(
            why.contains("milliseconds") && why.contains("Unix seconds"),
            "{why}"
        );
        assert_eq!(moment("253402300799"), Ok(253_402_300_799));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(
            (duration("90"), duration("10m"), duration("1d")),
            (Ok(90), Ok(600), Ok(86_400))
        );
        for bad in ["", "m", "1w", "-1", "99999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
