//! Content negotiation: which encoding a client sends and which it wants back.
//!
//! Follows k8s.io/apiserver/pkg/endpoints/handlers/negotiation: the first acceptable clause of `Accept` wins, `as=`
//! parameters ask for a Table or for metadata only.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use kplex_machinery::status::Status;

/// An encoding of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Media {
    /// `application/json`.
    #[default]
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

impl Media {
    /// Returns the media type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// Returns the media type of a watch stream.
    #[must_use]
    pub fn stream_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }
}

/// What form of the object is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// The object itself.
    #[default]
    Object,
    /// `as=Table`.
    Table,
    /// `as=PartialObjectMetadata` or `as=PartialObjectMetadataList`.
    Metadata,
}

/// The outcome of negotiation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Encoding of the answer.
    pub media: Media,
    /// Form of the answer.
    pub form: Form,
    /// JSON is indented (`pretty=1`, or a browser or curl by user agent, as upstream does).
    pub pretty: bool,
}

/// What an endpoint can offer.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Protobuf is possible (not for custom resources).
    pub protobuf: bool,
    /// Tables and metadata are possible (not for virtual resources).
    pub transforms: bool,
}

const ALL: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

impl Offer {
    /// Returns the media types, for messages.
    #[must_use]
    pub fn media_types(self) -> &'static [&'static str] {
        // Custom resources have no protobuf form, but their errors, tables and metadata do, so upstream names it.
        &ALL
    }
}

/// Chooses the answer's encoding and form.
///
/// # Errors
/// 406 when no clause of `Accept` can be served.
pub fn accept(headers: &HeaderMap, offer: Offer) -> Result<Accepted, Status> {
    let mut clauses: Vec<(u16, &str)> = Vec::new();
    for header in headers.get_all(ACCEPT) {
        let Ok(text) = header.to_str() else { continue };
        clauses.extend(text.split(',').map(str::trim).filter(|clause| !clause.is_empty()).map(|c| (quality(c), c)));
    }
    if clauses.is_empty() {
        return Ok(Accepted::default());
    }
    clauses.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    clauses
        .into_iter()
        .find_map(|(_, clause)| clause_accepts(clause, offer))
        .ok_or_else(|| Status::not_acceptable(offer.media_types()))
}

/// Checks `Accept` as upstream's routes do, before any parameter of a clause counts.
///
/// # Errors
/// 406 when no clause names a media type that a route of built-in resources has.
pub fn check_routes(headers: &HeaderMap, streams: bool) -> Result<(), Status> {
    const STREAMS: [&str; 5] =
        [ALL[0], ALL[1], ALL[2], "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
    let mut clauses = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|t| t.split(','));
    let served = |clause: &str| {
        let media = clause.split(';').next().unwrap_or("").trim();
        matches!(media, "" | "*/*" | "application/*") || ALL.contains(&media)
    };
    if !headers.contains_key(ACCEPT) || clauses.any(served) {
        return Ok(());
    }
    Err(Status::no_representation(if streams { &STREAMS } else { &ALL }))
}

/// `q=0.9` as thousandths; 1000 when absent.
fn quality(clause: &str) -> u16 {
    clause
        .split(';')
        .filter_map(|part| part.trim().strip_prefix("q="))
        .find_map(|q| q.parse::<f32>().ok())
        .map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
}

fn clause_accepts(clause: &str, offer: Offer) -> Option<Accepted> {
    let mut parts = clause.split(';').map(str::trim);
    let media = match parts.next()? {
        "application/json" | "*/*" | "application/*" => Media::Json,
        "application/yaml" => Media::Yaml,
        "application/vnd.kubernetes.protobuf" => Media::Protobuf,
        _ => return None,
    };
    let (mut form, mut group, mut version) = ("", "", "");
    for part in parts {
        match part.split_once('=') {
            Some(("as", value)) => form = value,
            Some(("g", value)) => group = value,
            Some(("v", value)) => version = value,
            Some(_) | None => {}
        }
    }
    let form = match form {
        "" => Form::Object,
        _ if !offer.transforms || group != "meta.k8s.io" || !matches!(version, "v1" | "v1beta1") => return None,
        "Table" => Form::Table,
        "PartialObjectMetadata" | "PartialObjectMetadataList" => Form::Metadata,
        _ => return None,
    };
    if media == Media::Protobuf && form == Form::Object && !offer.protobuf {
        return None;
    }
    Some(Accepted { media, form, pretty: false })
}

/// Returns the encoding of a request body.
///
/// # Errors
/// 415 for a content type that is not offered.
pub fn content(headers: &HeaderMap, offer: Offer) -> Result<Media, Status> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(Media::Json) };
    let text = value.to_str().unwrap_or("");
    let media_type = text.split(';').next().unwrap_or("").trim();
    match media_type {
        "" | "application/json" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        "application/vnd.kubernetes.protobuf" if offer.protobuf => Ok(Media::Protobuf),
        _ => Err(Status::unsupported_media_type(offer.media_types())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(accept_header: &str, expected: Option<(Media, Form)>) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept_header).unwrap());
        let offer = Offer { protobuf: true, transforms: true };
        let got = accept(&headers, offer).ok().map(|accepted| (accepted.media, accepted.form));
        assert_eq!(got, expected, "{accept_header}");
    }

    #[test]
    fn the_first_clause_that_can_be_served_wins() {
        check("application/json", Some((Media::Json, Form::Object)));
        check("*/*", Some((Media::Json, Form::Object)));
        check("text/html", None);
        check("application/vnd.kubernetes.protobuf,application/json", Some((Media::Protobuf, Form::Object)));
        check(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Some((Media::Json, Form::Table)),
        );
        check("application/json;as=Nope;v=v1;g=meta.k8s.io", None);
        check("application/json;q=0.5,application/yaml", Some((Media::Yaml, Form::Object)));
    }
}
