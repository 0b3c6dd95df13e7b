//! Reviews of authentication.k8s.io: whose token is this, and who am I.

use super::bearer::review_error;
use super::user::User;
use jiff::Timestamp;
use kplex_machinery::status::Status;
use serde_json::{Value, json};

/// Returns the token of a TokenReview.
///
/// # Errors
/// 400 without one.
pub fn token_of(review: &Value) -> Result<&str, Status> {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    Ok(token)
}

/// Returns the audiences that a TokenReview asks about, by default those of the API server.
#[must_use]
pub fn audiences_of(review: &Value, default: &[String]) -> Vec<String> {
    let asked = review["spec"]["audiences"].as_array().into_iter().flatten();
    let asked: Vec<String> = asked.filter_map(Value::as_str).map(str::to_owned).collect();
    if asked.is_empty() { default.to_vec() } else { asked }
}

/// Answers a TokenReview with what authentication said: the user and the audiences, or why not.
#[must_use]
pub fn token_review(mut review: Value, outcome: Result<(User, Vec<String>), String>) -> Value {
    review["status"] = match outcome {
        Ok((user, audiences)) => {
            json!({"authenticated": true, "user": user.authenticated().to_value(), "audiences": audiences})
        }
        Err(wrong) => json!({"user": {}, "error": review_error(&wrong)}),
    };
    review
}

/// Answers a SelfSubjectReview.
#[must_use]
pub fn self_subject_review(user: &User, now: Timestamp) -> Value {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview",
        "metadata": {"creationTimestamp": now.to_string()},
        "status": {"userInfo": user.to_value()},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reviews_answer_as_upstream() {
        let review = || json!({"spec": {"token": "t"}});
        let done = token_review(review(), Ok((User::named("jo"), vec!["a".to_owned()])));
        let user = json!({"username": "jo", "groups": ["system:authenticated"]});
        assert_eq!(done["status"], json!({"authenticated": true, "user": user, "audiences": ["a"]}));
        let wrong = |text: &str| token_review(review(), Err(text.to_owned()))["status"].clone();
        assert_eq!(wrong("invalid bearer token"), json!({"user": {}, "error": "invalid bearer token"}));
        assert_eq!(wrong("x"), json!({"user": {}, "error": "[invalid bearer token, x]"}));
        assert_eq!(token_of(&json!({"spec": {}})).expect_err("no token").code, 400);
        assert_eq!(audiences_of(&review(), &["d".to_owned()]), ["d"]);
        assert_eq!(audiences_of(&json!({"spec": {"audiences": ["x"]}}), &[]), ["x"]);
        let now = "2026-11-23T12:00:00.5Z".parse().expect("time");
        assert_eq!(
            self_subject_review(&User::named("jo"), now)["metadata"]["creationTimestamp"],
            "2026-11-23T12:00:00Z"
        );
    }
}
