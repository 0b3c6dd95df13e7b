//! Names made from `metadata.generateName`.

/// Characters of generated suffixes: no vowels and no look-alikes, so that no words come out.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
/// Longest generated name.
const NAME_LENGTH_MAX: usize = 63;

/// Returns `base` with five random characters appended, cut so that the whole has at most 63 bytes.
///
/// `random` returns uniformly distributed numbers.
pub fn generate_name(base: &str, mut random: impl FnMut() -> u32) -> String {
    let mut cut = base.len().min(NAME_LENGTH_MAX - SUFFIX_LENGTH);
    while !base.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut name = String::with_capacity(cut + SUFFIX_LENGTH);
    name.push_str(&base[..cut]);
    for _ in 0..SUFFIX_LENGTH {
        let scaled = (u64::from(random()) * ALPHABET.len() as u64) >> 32;
        name.push(char::from(ALPHABET[usize::try_from(scaled).expect("it is below 27")]));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffix_is_five_safe_characters() {
        let mut numbers = [0, u32::MAX, 1 << 31, 12345, 99].into_iter();
        let name = generate_name("web-", || numbers.next().expect("five are asked for"));
        assert_eq!(name, "web-b9rbb");
    }

    #[test]
    fn long_bases_are_cut() {
        assert_eq!(generate_name(&"a".repeat(300), || 0), format!("{}bbbbb", "a".repeat(58)));
        assert_eq!(generate_name(&"ä".repeat(40), || 0).len(), 63);
    }
}
