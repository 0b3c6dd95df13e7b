use super::*;
use serde_json::json;

/// Checks what a text reads back as.
fn check(text: &str, canonical: &str) {
    assert_eq!(Quantity::parse(text).map(|quantity| quantity.to_string()).as_deref(), Ok(canonical), "{text}");
}

#[test]
fn canonical_forms() {
    for (text, wanted) in [
        ("0", "0"),
        ("0Ki", "0"),
        ("-0", "0"),
        ("100m", "100m"),
        ("0.1", "100m"),
        ("1.5", "1500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1024Ki", "1Mi"),
        ("1Gi", "1Gi"),
        ("8Gi", "8Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("0.5Mi", "512Ki"),
        ("1024", "1024"),
        ("1000", "1k"),
        ("2000k", "2M"),
        ("1e3", "1e3"),
        ("1e2", "100"),
        ("12e4", "120e3"),
        ("1E", "1E"),
        ("1Ei", "1Ei"),
        ("100Ei", "9223372036854775807"),
        ("0.0000000001", "1n"),
        ("1e-10", "1e-9"),
        ("5.123", "5.123"),
        ("+5", "+5"),
        ("-5", "-5"),
        ("-1.5", "-1500m"),
        ("00500m", "00500m"),
        (".5", "500m"),
        ("5.", "5."),
        ("3000m", "3"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.001Ki", "1024m"),
        ("-49.91Pi", "-56193664350515363840m"),
        ("+", "0"),
        ("0Ei", "0"),
    ] {
        check(text, wanted);
    }
}

#[test]
fn malformed_texts() {
    for (text, wanted) in [
        ("", ParseError::Format),
        ("a", ParseError::Format),
        ("1a", ParseError::Format),
        ("1 Gi", ParseError::Format),
        ("1.2.3", ParseError::Format),
        ("--1", ParseError::Suffix),
        ("Ei", ParseError::Numeric),
        ("1i", ParseError::Suffix),
        ("1e", ParseError::Suffix),
        ("1mm", ParseError::Suffix),
        ("1e99999999999999999999", ParseError::Suffix),
    ] {
        assert_eq!(Quantity::parse(text), Err(wanted), "{text}");
    }
}

#[test]
fn order_is_by_amount() {
    let sorted =
        ["-1e1000000000", "-1Ki", "-1", "0", "1n", "100m", "0.2", "1", "1000", "1Ki", "2e3", "1Gi", "1e500000000"];
    for (index, low) in sorted.iter().enumerate() {
        for high in &sorted[index + 1..] {
            let (low, high) = (Quantity::parse(low).unwrap(), Quantity::parse(high).unwrap());
            assert!(low < high, "{low} {high}");
        }
    }
    assert_eq!(Quantity::parse("1024Ki"), Quantity::parse("1Mi"));
    assert_eq!(Quantity::parse("1000m"), Quantity::parse("1"));
}

#[test]
fn sums_keep_the_format_of_the_first() {
    for (left, right, sum, difference) in [
        ("1Gi", "1Gi", "2Gi", "0"),
        ("0", "1Gi", "1Gi", "-1Gi"),
        ("1500m", "500m", "2", "1"),
        ("1", "1n", "1000000001n", "999999999n"),
        ("1Gi", "500m", "1073741824500m", "1073741823500m"),
    ] {
        let (one, other) = (Quantity::parse(left).unwrap(), Quantity::parse(right).unwrap());
        let (mut plus, mut minus) = (one.clone(), one);
        plus.add(&other);
        minus.sub(&other);
        assert_eq!((plus.to_string().as_str(), minus.to_string().as_str()), (sum, difference), "{left} {right}");
    }
}

#[test]
fn huge_scales_stay_cheap() {
    let mut huge = Quantity::parse("1e2000000000").unwrap();
    huge.add(&Quantity::parse("1").unwrap());
    assert_eq!(huge.value(), i64::MAX);
    assert_eq!(Quantity::parse("-1e2000000000").unwrap().value(), i64::MIN);
    assert_eq!(Quantity::parse("1e-2000000000").unwrap().to_string(), "1e-9");
}

#[test]
fn values_round_up() {
    assert_eq!(Quantity::parse("1500m").unwrap().value(), 2);
    assert_eq!(Quantity::parse("-1500m").unwrap().value(), -2);
    assert_eq!(Quantity::parse("1Ki").unwrap().milli_value(), 1_024_000);
    assert_eq!(Quantity::parse("1500m").unwrap().as_i64(), None);
    assert_eq!(Quantity::parse("2k").unwrap().as_i64(), Some(2000));
    assert!((Quantity::parse("1500m").unwrap().as_f64() - 1.5).abs() < 1e-12);
}

#[test]
fn json_numbers_are_quantities() {
    for (value, wanted) in [(json!(1), "1"), (json!(1.5), "1500m"), (json!("1Gi"), "1Gi"), (json!(" 1 "), "1")] {
        assert_eq!(canonical(&value).as_deref(), Ok(wanted));
    }
    assert_eq!(canonical(&json!(true)), Err(ParseError::Format));
}
