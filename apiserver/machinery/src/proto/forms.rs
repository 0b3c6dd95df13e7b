//! Values whose JSON and protobuf forms differ: times, durations, IntOrString, numbers.

use super::ProtoError;
use super::wire::{put_bytes, put_integer};
use serde_json::Value;

/// Seconds from the Unix epoch to 0001-01-01T00:00:00Z, Go's zero time.
const GO_ZERO_SECONDS: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
const LAST_SECOND: i64 = 253_402_300_799;
const DAY_SECONDS: i64 = 86_400;

pub(super) fn text(value: Option<&Value>) -> Result<&str, ProtoError> {
    match value {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(ProtoError::value("a string")),
    }
}

pub(super) fn integer(value: Option<&Value>) -> Result<i64, ProtoError> {
    value.map_or(Some(0), Value::as_i64).ok_or(ProtoError::value("an integer"))
}

pub(super) fn boolean(value: Option<&Value>) -> Result<bool, ProtoError> {
    value.map_or(Some(false), Value::as_bool).ok_or(ProtoError::value("a boolean"))
}

/// Prints a float as Go's JSON encoder does: whole numbers without a fraction.
pub(super) fn float(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT { Value::from(value as i64) } else { Value::from(value) }
}

pub(super) fn put_int_or_string(out: &mut Vec<u8>, value: Option<&Value>) -> Result<(), ProtoError> {
    let (kind, number, text) = match value {
        None => (0, 0, ""),
        Some(Value::String(text)) => (1, 0, text.as_str()),
        Some(Value::Number(_)) => (0, integer(value)?, ""),
        Some(_) => return Err(ProtoError::value("an integer or a string")),
    };
    put_integer(out, 1, kind);
    put_integer(out, 2, number);
    put_bytes(out, 3, text.as_bytes());
    Ok(())
}

/// Writes a timestamp; Go's zero time is an empty message.
pub(super) fn put_time(out: &mut Vec<u8>, value: Option<&Value>, with_micros: bool) -> Result<(), ProtoError> {
    let text = text(value)?;
    if value.is_none() {
        return Ok(());
    }
    let (seconds, nanos) = parse_time(text).ok_or(ProtoError::value("a time in RFC 3339"))?;
    if seconds == GO_ZERO_SECONDS && nanos == 0 {
        return Ok(());
    }
    put_integer(out, 1, seconds);
    put_integer(out, 2, if with_micros { nanos / 1000 * 1000 } else { 0 });
    Ok(())
}

/// Prints a timestamp as RFC 3339 in UTC, with six digits of fraction for a MicroTime.
pub(super) fn time(seconds: i64, nanos: i64, with_micros: bool) -> Result<Value, ProtoError> {
    let micros = if with_micros { nanos / 1000 } else { 0 };
    let seconds = seconds.checked_add(micros.div_euclid(1_000_000)).ok_or(ProtoError::Overflow)?;
    let micros = micros.rem_euclid(1_000_000);
    if !(GO_ZERO_SECONDS..=LAST_SECOND).contains(&seconds) {
        return Err(ProtoError::value("a time between the years 1 and 9999"));
    }
    let (year, month, day) = civil(seconds.div_euclid(DAY_SECONDS));
    let second = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let head = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    Ok(Value::from(if with_micros { format!("{head}.{micros:06}Z") } else { format!("{head}Z") }))
}

/// Reads RFC 3339 and returns seconds since the epoch and nanoseconds.
fn parse_time(text: &str) -> Option<(i64, i64)> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = bytes.get(range)?;
        digits.iter().try_fold(0_i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut nanos = 0;
    if bytes.get(at) == Some(&b'.') {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        nanos = number(at + 1..at + 1 + digits.min(9))? * 10_i64.pow(9 - u32::try_from(digits.min(9)).ok()?);
        at += 1 + digits;
    }
    let offset = match (bytes.get(at)?, bytes.len() - at) {
        (b'Z', 1) => 0,
        (sign @ (b'+' | b'-'), 6) if bytes[at + 3] == b':' => {
            let offset = number(at + 1..at + 3)? * 3600 + number(at + 4..at + 6)? * 60;
            if *sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    Some((days(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset, nanos))
}

/// Returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// Go's duration units in nanoseconds, in the order a unit must be looked for.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1000),
    ("µs", 1000),
    ("μs", 1000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

pub(super) fn put_duration(out: &mut Vec<u8>, value: Option<&Value>) -> Result<(), ProtoError> {
    let nanos = match value {
        None => 0,
        Some(_) => parse_duration(text(value)?).ok_or(ProtoError::value("a duration such as 1m30s"))?,
    };
    put_integer(out, 1, nanos);
    Ok(())
}

/// Reads a Go duration such as `-1h2m3.5s`.
fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut part = whole.checked_mul(*scale)?;
        let mut digit_scale = *scale as f64;
        for digit in fraction.bytes() {
            digit_scale /= 10.0;
            part = part.checked_add((f64::from(digit - b'0') * digit_scale).round() as u64)?;
        }
        nanos = nanos.checked_add(part)?;
        rest = after;
    }
    i64::try_from(nanos).ok().map(|nanos| sign * nanos)
}

/// Prints a duration as Go does: `1h2m3.5s`, `1.5ms`, `0s`.
pub(super) fn duration(nanos: i64) -> Value {
    let sign = if nanos < 0 { "-" } else { "" };
    let total = nanos.unsigned_abs();
    let text = match total {
        0 => return Value::from("0s"),
        1..1000 => format!("{total}ns"),
        1000..1_000_000 => format!("{}µs", decimal(total, 1000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(total, 1_000_000)),
        _ => {
            let (minutes, rest) = (total / 60_000_000_000, total % 60_000_000_000);
            let seconds = decimal(rest, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    Value::from(format!("{sign}{text}"))
}

/// Prints `value / scale` without trailing zeros; `scale` is a power of ten.
fn decimal(value: u64, scale: u64) -> String {
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = scale.ilog10() as usize;
    format!("{whole}.{}", format!("{fraction:0digits$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_calendar() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("1969-12-31T23:59:59Z", -1),
            ("9999-12-31T23:59:59Z", LAST_SECOND),
            ("0001-01-01T00:00:00Z", GO_ZERO_SECONDS),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_time(text), Some((seconds, 0)), "{text}");
            assert_eq!(time(seconds, 0, false), Ok(Value::from(text)));
        }
        assert_eq!(parse_time("2000-02-29T14:34:56.25+02:00"), Some((951_827_696, 250_000_000)));
        assert_eq!(time(1, 1_234_567, true), Ok(Value::from("1970-01-01T00:00:01.001234Z")));
        for bad in [
            "",
            "2000-13-01T00:00:00Z",
            "2000-01-01",
            "2000-01-01T00:00:00",
            "2000-01-01T00:00:00.Z",
            "2000-01-01T00:00:00+0200",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_read_and_print_as_in_go() {
        let cases = [
            ("0s", 0),
            ("1ns", 1),
            ("1.5µs", 1500),
            ("2.25ms", 2_250_000),
            ("1m0s", 60_000_000_000),
            ("1h0m0.5s", 3_600_500_000_000),
            ("-1.5s", -1_500_000_000),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
            assert_eq!(duration(nanos), Value::from(text));
        }
        assert_eq!(parse_duration("90m"), Some(5_400_000_000_000));
        for bad in ["", "-", "1", "s", ".s", "1x", "1.2.3s", "99999999999h"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn whole_floats_print_without_a_fraction() {
        assert_eq!(float(1.0).to_string(), "1");
        assert_eq!(float(-0.5).to_string(), "-0.5");
    }
}
