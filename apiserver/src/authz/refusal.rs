//! The words of a refusal.

use super::attributes::{Attributes, Target};
use kplex_machinery::field_error::go_quote;
use kplex_machinery::status::{GroupResource, Status};

/// Returns the 403 for a request that was not allowed; `reason` is the decision's.
#[must_use]
pub fn forbidden(attributes: &Attributes<'_>, reason: &str) -> Status {
    let message = escape(&describe(attributes));
    let why = if reason.is_empty() { message } else { format!("{message}: {reason}") };
    match attributes.target {
        Target::Resource(target) => {
            let resource = GroupResource { group: target.group.to_owned(), resource: target.resource.to_owned() };
            Status::forbidden(&resource, target.name, &why)
        }
        Target::Path(_) => Status::forbidden(&GroupResource::default(), "", &why),
    }
}

fn describe(attributes: &Attributes<'_>) -> String {
    let (user, verb) = (go_quote(&attributes.user.name), attributes.verb);
    match attributes.target {
        Target::Path(path) => format!("User {user} cannot {verb} path {}", go_quote(path)),
        Target::Resource(target) => {
            let resource = if target.subresource.is_empty() {
                go_quote(target.resource)
            } else {
                go_quote(&format!("{}/{}", target.resource, target.subresource))
            };
            let place = if target.namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {}", go_quote(target.namespace))
            };
            format!("User {user} cannot {verb} resource {resource} in API group {} {place}", go_quote(target.group))
        }
    }
}

/// Keeps browsers from taking the message for HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::user::User;
    use crate::authz::attributes::ResourceTarget;

    fn check(target: Target<'_>, verb: &str, reason: &str, expected: &str) {
        let user = User::named("x");
        assert_eq!(forbidden(&Attributes { user: &user, verb, target }, reason).message, expected);
    }

    #[test]
    fn forbidden_says_what_upstream_says() {
        let pods = ResourceTarget { resource: "pods", ..ResourceTarget::default() };
        check(
            Target::Resource(ResourceTarget { namespace: "default", ..pods }),
            "list",
            "",
            r#"pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default""#,
        );
        check(
            Target::Resource(ResourceTarget { name: "a", subresource: "log", ..pods }),
            "get",
            "RBAC: y",
            r#"pods "a" is forbidden: User "x" cannot get resource "pods/log" in API group "" at the cluster scope: RBAC: y"#,
        );
        check(Target::Path("/<a>&"), "get", "", r#"forbidden: User "x" cannot get path "/&lt;a&gt;&amp;""#);
    }
}
