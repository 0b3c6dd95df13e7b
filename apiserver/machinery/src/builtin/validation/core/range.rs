//! LimitRanges.

use crate::builtin::amount::Amount;
use crate::builtin::at::At;
use crate::builtin::formats::qualified_name;
use crate::builtin::validation::resources;
use crate::field_error::FieldErrors;
use std::collections::BTreeSet;

/// A LimitRange.
pub(in super::super) fn limit_range(root: &At, errors: &mut FieldErrors) {
    let spec = root.get("spec");
    let mut types = BTreeSet::new();
    for limit in spec.get("limits").items() {
        let kind = limit.get("type");
        type_name(&kind, errors);
        if !types.insert(kind.str()) {
            kind.duplicate(errors, kind.str());
        }
        names(&limit, errors);
        if kind.str() == "PersistentVolumeClaim"
            && !limit.get("min").get("storage").has()
            && !limit.get("max").get("storage").has()
        {
            limit
                .get("limits")
                .required(errors, "either minimum or maximum storage value is required, but neither was provided");
        }
        amounts(&limit, errors);
    }
}

fn type_name(at: &At, errors: &mut FieldErrors) {
    let before = errors.len();
    at.check(errors, qualified_name);
    let known = matches!(at.str(), "Pod" | "Container" | "PersistentVolumeClaim");
    if errors.len() == before && !at.str().contains('/') && !known {
        at.invalid(errors, at.str(), "must be a standard limit type or fully qualified");
    }
}

fn names(limit: &At, errors: &mut FieldErrors) {
    let kind = limit.get("type").str();
    for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let at = limit.get(list);
        if kind == "Pod" && matches!(list, "default" | "defaultRequest") {
            if !at.is_empty() {
                at.forbidden(errors, "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, amount) in at.entries() {
            if matches!(kind, "Pod" | "Container") {
                resources::container_name(&amount, name, errors);
            } else {
                resources::any_name(&amount, name, errors);
            }
        }
    }
}

fn amounts(limit: &At, errors: &mut FieldErrors) {
    let pod = limit.get("type").str() == "Pod";
    let lists = [
        limit.get("min"),
        limit.get("max"),
        limit.get("default"),
        limit.get("defaultRequest"),
        limit.get("maxLimitRequestRatio"),
    ];
    let keys: BTreeSet<&str> = lists.iter().flat_map(|list| list.entries().map(|(key, _)| key)).collect();
    for key in keys {
        let [min, max, default, request, ratio] = [0, 1, 2, 3, 4].map(|index: usize| {
            let hidden = pod && (index == 2 || index == 3);
            lists[index].get(key).text().filter(|_| !hidden)
        });
        let more =
            |a: Option<&str>, b: Option<&str>| matches!((a, b), (Some(a), Some(b)) if Amount::of(a) > Amount::of(b));
        let text = |value: Option<&str>| value.unwrap_or("").to_owned();
        let mut complain = |list: usize, shown: Option<&str>, detail: String| {
            lists[list].key(key).invalid(errors, text(shown), detail);
        };
        let (lo, hi, def, req) = (text(min), text(max), text(default), text(request));
        if more(min, max) {
            complain(0, min, format!("min value {lo} is greater than max value {hi}"));
        }
        if more(min, request) {
            complain(3, request, format!("min value {lo} is greater than default request value {req}"));
        }
        if more(request, max) {
            complain(3, request, format!("default request value {req} is greater than max value {hi}"));
        }
        if more(request, default) {
            complain(3, request, format!("default request value {req} is greater than default limit value {def}"));
        }
        if more(min, default) {
            complain(2, min, format!("min value {lo} is greater than default value {def}"));
        }
        if more(default, max) {
            complain(2, max, format!("default value {def} is greater than max value {hi}"));
        }
        if more(Some("1"), ratio) {
            complain(4, ratio, format!("ratio {} is less than 1", text(ratio)));
        }
        if let (Some(ratio), Some(min), Some(max)) = (ratio, min, max)
            && let Some(most) = exceeded_ratio(ratio, min, max)
        {
            complain(4, Some(ratio), format!("ratio {ratio} is greater than max/min = {most:.6}"));
        }
        let differ = more(default, request) || more(request, default);
        if !resources::is_overcommit_allowed(key) && differ {
            complain(3, request, format!("default value {def} must equal to defaultRequest value {req} in {key}"));
        }
    }
}

/// The ratio of two amounts, when another ratio exceeds it.
fn exceeded_ratio(ratio: &str, min: &str, max: &str) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "upstream compares as floating point as well")]
    let number = |text: &str| Amount::of(text).0 as f64;
    let most = number(max) / number(min);
    (number(ratio) / 1e9 > most).then_some(most)
}
