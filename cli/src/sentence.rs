//! An error as one sentence for the person at the terminal, each cause told once.
//!
//! Its own file because libraries disagree about who tells the cause: some errors print their source, ours never do.

/// Returns what happened and why, from the outside in.
#[must_use]
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        match cause.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) => {
                parts.push(status.message.clone());
                break;
            }
            Some(kube::Error::Service(source)) => {
                let source: &(dyn std::error::Error + 'static) = source.as_ref();
                parts.push("the server can't be reached".to_owned());
                parts.push(root(source).to_string());
                break;
            }
            Some(_) | None => {}
        }
        let text = cause.to_string();
        if parts.last().is_none_or(|outer| !outer.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use kube::core::Status;

    fn check(error: anyhow::Error, want: &str) {
        assert_eq!(sentence(&error), want);
    }

    #[test]
    fn every_cause_is_told_once() {
        let refused = || std::io::Error::other("refused");
        check(anyhow::Error::new(refused()).context("list control planes"), "list control planes: refused");
        check(anyhow::Error::new(refused()).context("read x: refused").context("start"), "start: read x: refused");
        let answer = Status { message: "red is there already".to_owned(), ..Status::failure("", "AlreadyExists") };
        let answer = Err::<(), _>(kube::Error::Api(Box::new(answer))).context("create control plane red");
        check(answer.unwrap_err(), "create control plane red: red is there already");
        let gone = Err::<(), _>(kube::Error::Service(Box::new(refused()))).context("list control planes");
        check(gone.unwrap_err(), "list control planes: the server can't be reached: refused");
    }
}
