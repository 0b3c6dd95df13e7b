//! Times as people read them: how long ago, in at most two units.

use super::fields::at;
use jiff::Timestamp;
use serde_json::Value;

/// What is shown for a time that is not set.
const UNKNOWN: &str = "<unknown>";

/// Returns the age of an object.
pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    Value::from(since(at(object, "metadata.creationTimestamp"), now))
}

/// Returns how long ago a time was.
pub(super) fn since(time: &Value, now: Timestamp) -> String {
    match timestamp(time) {
        Some(then) => duration_between(then, now),
        None => UNKNOWN.to_owned(),
    }
}

/// Returns the time from one moment to another.
pub(super) fn duration_between(from: Timestamp, to: Timestamp) -> String {
    human(to.as_nanosecond() - from.as_nanosecond())
}

/// Returns a time; `None` when it is not set or malformed.
pub(super) fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Shows a duration in nanoseconds. The further away, the coarser; a little into the future is now.
pub(super) fn human(nanos: i128) -> String {
    const SECOND: i128 = 1_000_000_000;
    let seconds = nanos / SECOND;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    if seconds < -1 {
        "<invalid>".to_owned()
    } else if seconds < 0 {
        "0s".to_owned()
    } else if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if days < 8 {
        two(days, "d", hours % 24, "h")
    } else if days < 365 * 2 {
        format!("{days}d")
    } else if days < 365 * 8 {
        two(days / 365, "y", days % 365, "d")
    } else {
        format!("{}y", days / 365)
    }
}

fn two(large: i128, large_unit: &str, small: i128, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_get_coarser_with_distance() {
        let day = 86_400;
        let cases = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (8 * 3600 + 60, "8h"),
            (2 * day, "2d"),
            (2 * day + 3600, "2d1h"),
            (8 * day + 3600, "8d"),
            (2 * 365 * day, "2y"),
            (3 * 365 * day + day, "3y1d"),
            (9 * 365 * day + day, "9y"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human(seconds * 1_000_000_000), text, "{seconds}");
        }
        assert_eq!(human(-1_500_000_000), "0s");
        assert_eq!(since(&Value::Null, Timestamp::UNIX_EPOCH), "<unknown>");
    }
}
