//! Tokens of label selectors.

/// A token with the text it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Error,
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

fn special(text: &str) -> Option<Token> {
    Some(match text {
        ")" => Token::Close,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::DoubleEquals,
        "=" => Token::Equals,
        ">" => Token::Greater,
        "<" => Token::Less,
        "!=" => Token::NotEquals,
        "(" => Token::Open,
        _ => return None,
    })
}

/// Splits a selector into tokens; the last is [`Token::End`].
pub(super) fn scan(text: &str) -> Vec<(Token, String)> {
    // A zero byte ends the input upstream.
    let text = text.split('\0').next().unwrap_or_default();
    let mut rest = text;
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = rest.bytes().next() else {
            tokens.push((Token::End, String::new()));
            return tokens;
        };
        let (token, length) = if is_special(first) {
            longest_special(rest)
        } else {
            let length = rest.bytes().position(|byte| is_special(byte) || is_space(byte)).unwrap_or(rest.len());
            let token = match &rest[..length] {
                "in" => Token::In,
                "notin" => Token::NotIn,
                _ => Token::Identifier,
            };
            (token, length)
        };
        tokens.push((token, rest[..length].to_owned()));
        rest = &rest[length..];
    }
}

/// Reads an operator: it grows while what was read so far is one.
fn longest_special(text: &str) -> (Token, usize) {
    let run = text.bytes().take_while(|byte| is_special(*byte)).count();
    let mut found = (Token::Error, 0);
    for length in 1..=run {
        match special(&text[..length]) {
            Some(token) => found = (token, length),
            None if found.0 != Token::Error => break,
            None => {}
        }
    }
    if found.0 == Token::Error { (Token::Error, run) } else { found }
}
