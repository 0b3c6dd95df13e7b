//! What a request shows, and what follows when several credentials say different things.

use super::user::User;

/// Error text of a bearer token that nobody recognises.
pub const INVALID_TOKEN: &str = "invalid bearer token";

/// Returns the bearer token of an `Authorization` header; `None` when it shows none.
#[must_use]
pub fn bearer_token(header: &str) -> Option<&str> {
    let mut parts = header.trim().splitn(3, ' ');
    let scheme = parts.next()?;
    let token = parts.next()?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// What one way of authentication says about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// It is this user.
    User(Box<User>),
    /// Nothing was shown that this way understands.
    None,
    /// Something was shown and it is wrong; the text is for logs and TokenReviews, not for the client.
    Wrong(String),
}

/// Returns the identity of a request: the first opinion with a user counts; with none but wrong ones it is nobody's
/// (`Err`, a 401); with nothing shown it is anonymous.
///
/// # Errors
/// The texts of what was wrong.
pub fn decide(opinions: impl IntoIterator<Item = Opinion>) -> Result<User, Vec<String>> {
    let mut wrong = Vec::new();
    for opinion in opinions {
        match opinion {
            Opinion::User(user) => return Ok(user.authenticated()),
            Opinion::None => {}
            Opinion::Wrong(text) => wrong.push(text),
        }
    }
    if wrong.is_empty() { Ok(User::anonymous()) } else { Err(wrong) }
}

/// Returns the error text of a token that some authenticator refused, or none knew, as a TokenReview shows it.
#[must_use]
pub fn review_error(wrong: &str) -> String {
    if wrong == INVALID_TOKEN { wrong.to_owned() } else { format!("[{INVALID_TOKEN}, {wrong}]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens_are_found() {
        for (header, token) in [
            ("Bearer abc", Some("abc")),
            ("  bearer abc  ", Some("abc")),
            ("BEARER abc def", Some("abc")),
            ("Bearer  abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
            ("", None),
        ] {
            assert_eq!(bearer_token(header), token, "{header:?}");
        }
    }

    #[test]
    fn a_good_credential_beats_a_bad_one_and_a_bad_one_beats_none() {
        let jo = || Opinion::User(Box::new(User::named("jo")));
        let wrong = || Opinion::Wrong("x".to_owned());
        let name = |opinions: Vec<Opinion>| decide(opinions).map(|user| user.name.to_string());
        assert_eq!(name(vec![wrong(), jo()]), Ok("jo".to_owned()));
        assert_eq!(name(vec![jo(), wrong()]), Ok("jo".to_owned()));
        assert_eq!(name(vec![Opinion::None, wrong()]), Err(vec!["x".to_owned()]));
        assert_eq!(name(vec![Opinion::None]), Ok("system:anonymous".to_owned()));
    }
}
