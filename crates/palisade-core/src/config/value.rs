//! A single value of the policy file: what it must be, and what it is instead.

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};
use toml::{
    de::{DeInteger, DeValue},
    value::{Datetime, Offset},
};

/// Why a value cannot be used.
pub(super) enum Unfit {
    /// It is of another type than the one needed.
    Type,
    /// What is wrong with it, and what would be right.
    Value(String),
}

/// What a value is, in words.
pub(super) fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Unfit> {
    value.as_bool().ok_or(Unfit::Type)
}

pub(super) fn string(value: &DeValue<'_>) -> Result<String, Unfit> {
    value.as_str().map(str::to_owned).ok_or(Unfit::Type)
}

pub(super) fn unsigned<N: TryFrom<u64>>(value: &DeValue<'_>) -> Result<N, Unfit> {
    match value {
        DeValue::Integer(integer) => narrow(whole(integer)?),
        _ => Err(Unfit::Type),
    }
}

/// Bytes: a number, or a text such as `16 KiB`.
pub(super) fn size<N: TryFrom<u64>>(value: &DeValue<'_>) -> Result<N, Unfit> {
    let units = [
        ("", 1),
        ("B", 1),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
    ];
    let right = "is no size; write bytes as in `16384`, or a text such as \"16 KiB\" or \"1 MB\"";
    narrow(measured(value, &units, right)?)
}

/// Seconds: a number, or a text such as `60s`.
pub(super) fn seconds(value: &DeValue<'_>) -> Result<u64, Unfit> {
    let units = [
        ("", 1),
        ("s", 1),
        ("m", 60),
        ("min", 60),
        ("h", 3600),
        ("d", 86_400),
    ];
    let right = "is no duration; write seconds as in `60`, or a text such as \"60s\" or \"10m\"";
    measured(value, &units, right)
}

/// Seconds since 1970 of a date-time with an offset.
pub(super) fn unix_seconds(value: &DeValue<'_>) -> Result<u64, Unfit> {
    let DeValue::Datetime(datetime) = value else {
        return Err(Unfit::Type);
    };
    if datetime.date.is_none() || datetime.time.is_none() || datetime.offset.is_none() {
        return Err(Unfit::Value(
            "names no moment; write date, time and offset, as in 2027-01-01T00:00:00Z".to_owned(),
        ));
    }
    moment(datetime)
        .and_then(|seconds| u64::try_from(seconds).ok())
        .ok_or_else(|| {
            Unfit::Value("is out of range; write a moment after 1970-01-01T00:00:00Z".to_owned())
        })
}

fn whole(integer: &DeInteger<'_>) -> Result<u64, Unfit> {
    let digits = integer.as_str();
    if digits.starts_with('-') {
        return Err(Unfit::Value("is negative; write 0 or more".to_owned()));
    }
    u64::from_str_radix(digits, integer.radix()).map_err(|_| too_large())
}

fn narrow<N: TryFrom<u64>>(number: u64) -> Result<N, Unfit> {
    N::try_from(number).map_err(|_| too_large())
}

fn too_large() -> Unfit {
    Unfit::Value("is too large; write a smaller number".to_owned())
}

fn measured(value: &DeValue<'_>, units: &[(&str, u64)], right: &str) -> Result<u64, Unfit> {
    let text = match value {
        DeValue::Integer(integer) => return whole(integer),
        DeValue::String(text) => text.trim(),
        _ => return Err(Unfit::Type),
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor = units
        .iter()
        .find(|(name, _)| *name == unit.trim_start())
        .map(|&(_, factor)| factor);
    match factor {
        Some(factor) if digits > 0 => number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .ok_or_else(too_large),
        _ => Err(Unfit::Value(right.to_owned())),
    }
}

fn moment(datetime: &Datetime) -> Option<i64> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let month = Month::try_from(date.month).ok()?;
    let date = Date::from_calendar_date(i32::from(date.year), month, date.day).ok()?;
    // A leap second is taken as the second before it.
    let second = time.second.unwrap_or(0).min(59);
    let time = Time::from_hms(time.hour, time.minute, second).ok()?;
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i32::from(minutes),
    };
    let offset = UtcOffset::from_whole_seconds(minutes * 60).ok()?;
    let moment = PrimitiveDateTime::new(date, time).assume_offset(offset);
    Some(moment.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<T>(text: &str, read: impl Fn(&DeValue<'_>) -> Result<T, Unfit>) -> Result<T, String> {
        let value = DeValue::parse(text).unwrap();
        read(value.get_ref()).map_err(|unfit| match unfit {
            Unfit::Type => "type".to_owned(),
            Unfit::Value(message) => message,
        })
    }

    #[test]
    fn sizes_take_bytes_and_units() {
        for (text, bytes) in [
            ("8192", 8192),
            ("0x10", 16),
            ("1_000", 1000),
            ("'16 KiB'", 16_384),
            ("'1MiB'", 1 << 20),
            ("'2 kB'", 2000),
            ("'3 MB'", 3_000_000),
            ("'7'", 7),
        ] {
            assert_eq!(parsed(text, size::<u64>), Ok(bytes), "{text}");
        }
        for text in ["'KiB'", "'1 kib'", "'1.5 MiB'", "''", "'-1'", "'1 KiB 2'"] {
            assert!(parsed(text, size::<u64>).unwrap_err().contains("no size"));
        }
        for text in ["'99999999999999999999'", "'18446744073709551615 KiB'"] {
            assert!(parsed(text, size::<u64>).unwrap_err().contains("too large"));
        }
        assert!(parsed("300", unsigned::<u8>).unwrap_err().contains("large"));
        assert!(
            parsed("-1", unsigned::<u8>)
                .unwrap_err()
                .contains("negative")
        );
        assert_eq!(parsed("1.5", size::<u64>), Err("type".to_owned()));
    }

    #[test]
    fn durations_take_seconds_and_units() {
        for (text, expected) in [
            ("60", 60),
            ("'60s'", 60),
            ("'10m'", 600),
            ("'10 min'", 600),
            ("'1 d'", 86_400),
        ] {
            assert_eq!(parsed(text, seconds), Ok(expected), "{text}");
        }
        assert!(parsed("'1 week'", seconds).is_err());
    }

    #[test]
    fn a_moment_needs_its_offset() {
        for (text, expected) in [
            ("2027-01-01T00:00:00Z", 1_798_761_600),
            ("2027-01-01T01:30:00.9+01:30", 1_798_761_600),
            ("1970-01-01T00:00:59Z", 59),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
        ] {
            assert_eq!(parsed(text, unix_seconds), Ok(expected), "{text}");
        }
        for text in ["2027-01-01", "00:00:00", "2027-01-01T00:00:00"] {
            assert!(
                parsed(text, unix_seconds)
                    .unwrap_err()
                    .contains("no moment")
            );
        }
        let early = parsed("1969-12-31T23:59:59Z", unix_seconds);
        assert!(early.unwrap_err().contains("out of range"));
        assert_eq!(parsed("'2027-01-01'", unix_seconds), Err("type".to_owned()));
    }
}
