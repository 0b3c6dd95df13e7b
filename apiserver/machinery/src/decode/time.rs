//! RFC 3339 times as Go reads and writes them.

/// Layout of `metav1.Time`.
const SECONDS: &str = "2006-01-02T15:04:05Z07:00";
/// Layout of `metav1.MicroTime`.
const MICROS: &str = "2006-01-02T15:04:05.000000Z07:00";

/// Whether a time has exactly six digits of a second's fraction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// `metav1.Time`: any fraction is accepted and dropped.
    Seconds,
    /// `metav1.MicroTime`.
    Micros,
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant {
    pub(super) seconds: i64,
    pub(super) micros: u32,
}

/// Quotes as Go's time package does: byte by byte, with everything that is not ASCII escaped.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            0x20..0x80 => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    layout: &'static str,
}

impl Reader<'_> {
    fn cannot(&self, wanted: &str) -> String {
        let (text, rest) = (quote(self.text), quote(self.rest));
        format!("parsing time {text} as {}: cannot parse {rest} as {}", quote(self.layout), quote(wanted))
    }

    fn out_of_range(&self, what: &str) -> String {
        format!("parsing time {}: {what} out of range", quote(self.text))
    }

    fn skip(&mut self, literal: char) -> Result<(), String> {
        match self.rest.strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.cannot(literal.encode_utf8(&mut [0; 4]))),
        }
    }

    fn take(&mut self, count: usize) -> Option<u32> {
        let digits = self.rest.get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        self.rest = &self.rest[count..];
        digits.parse().ok()
    }

    fn digits(&mut self, count: usize, wanted: &str) -> Result<u32, String> {
        self.take(count).ok_or_else(|| self.cannot(wanted))
    }

    /// Reads the fraction of a second and returns microseconds.
    fn fraction(&mut self) -> u32 {
        let tail = &self.rest[1..];
        let count = tail.bytes().take_while(u8::is_ascii_digit).count();
        let mut padded: String = tail[..count].chars().take(6).collect();
        while padded.len() < 6 {
            padded.push('0');
        }
        self.rest = &tail[count..];
        padded.parse().expect("six digits")
    }

    /// Does a fraction of a second come next?
    fn at_fraction(&self) -> bool {
        let bytes = self.rest.as_bytes();
        matches!(bytes.first(), Some(b'.' | b',')) && bytes.get(1).is_some_and(u8::is_ascii_digit)
    }

    /// Reads the zone and returns its offset in seconds.
    fn zone(&mut self) -> Result<i64, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let wanted = "Z07:00";
        let bytes = self.rest.as_bytes();
        let shaped = bytes.len() >= 6
            && matches!(bytes[0], b'+' | b'-')
            && bytes[3] == b':'
            && [1, 2, 4, 5].iter().all(|index| bytes[*index].is_ascii_digit());
        if !shaped {
            return Err(self.cannot(wanted));
        }
        let number = |at: usize| i64::from(bytes[at] - b'0') * 10 + i64::from(bytes[at + 1] - b'0');
        let (hours, minutes) = (number(1), number(4));
        if hours > 24 {
            return Err(self.out_of_range("time zone offset hour"));
        }
        if minutes > 60 {
            return Err(self.out_of_range("time zone offset minute"));
        }
        let offset = hours * 3600 + minutes * 60;
        let sign = if bytes[0] == b'-' { -1 } else { 1 };
        self.rest = &self.rest[6..];
        Ok(sign * offset)
    }
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

pub(super) fn parse(text: &str, precision: Precision) -> Result<Instant, String> {
    let layout = if precision == Precision::Seconds { SECONDS } else { MICROS };
    let mut reader = Reader { text, rest: text, layout };
    let year = reader.digits(4, "2006")?;
    reader.skip('-')?;
    let month = reader.digits(2, "01")?;
    if !(1..=12).contains(&month) {
        return Err(reader.out_of_range("month"));
    }
    reader.skip('-')?;
    let day = reader.digits(2, "02")?;
    reader.skip('T')?;
    let hour = match reader.take(2) {
        Some(hour) => hour,
        None => reader.digits(1, "15")?,
    };
    if hour > 23 {
        return Err(reader.out_of_range("hour"));
    }
    reader.skip(':')?;
    let minute = reader.digits(2, "04")?;
    if minute > 59 {
        return Err(reader.out_of_range("minute"));
    }
    reader.skip(':')?;
    let second = reader.digits(2, "05")?;
    if second > 59 {
        return Err(reader.out_of_range("second"));
    }
    let mut micros = 0;
    if precision == Precision::Micros {
        let six = reader.rest.get(1..7).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        if !(six && reader.at_fraction()) {
            return Err(reader.cannot(".000000"));
        }
        let end = &reader.rest[7..];
        micros = reader.rest[1..7].parse().expect("six digits");
        reader.rest = end;
    } else if reader.at_fraction() {
        reader.fraction();
    }
    let offset = reader.zone()?;
    if !reader.rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quote(text), quote(reader.rest)));
    }
    if day < 1 || day > days_in_month(year, month) {
        return Err(reader.out_of_range("day"));
    }
    let days = days_from_civil(i64::from(year), i64::from(month), i64::from(day));
    let clock = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Ok(Instant { seconds: days * 86_400 + clock - offset, micros })
}

/// Reads an RFC 3339 time and returns seconds since 1970; fractions are dropped.
///
/// # Errors
/// Returns Go's message.
pub fn parse_time(text: &str) -> Result<i64, String> {
    parse(text, Precision::Seconds).map(|instant| instant.seconds)
}

/// Writes seconds since 1970 as `metav1.Time` does: `2006-01-02T15:04:05Z`.
#[must_use]
pub fn format_time(seconds: i64) -> String {
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let clock = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Writes seconds since 1970 and microseconds as `metav1.MicroTime` does: `2006-01-02T15:04:05.000000Z`.
#[must_use]
pub fn format_micro_time(seconds: i64, micros: u32) -> String {
    let mut text = format_time(seconds);
    text.pop();
    format!("{text}.{micros:06}Z")
}
