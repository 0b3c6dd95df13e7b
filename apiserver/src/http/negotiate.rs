//! Content negotiation: which encoding a client sends and which it wants back.
//!
//! Follows k8s.io/apiserver/pkg/endpoints/handlers/negotiation: the first acceptable clause of `Accept` wins, `as=`
//! parameters ask for a Table or for metadata only.

use crate::limits;
use axum::extract::Request;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
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

/// All encodings, in upstream's order.
const MEDIA: [Media; 3] = [Media::Json, Media::Yaml, Media::Protobuf];
const ALL: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

impl Media {
    /// Returns the media type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ALL[self as usize]
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

    fn subtype(self) -> &'static str {
        &self.as_str()["application/".len()..]
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
    /// `as=PartialObjectMetadata`: for one object.
    Metadata,
    /// `as=PartialObjectMetadataList`: for a collection.
    MetadataList,
}

/// The outcome of negotiation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Encoding of the answer.
    pub media: Media,
    /// Form of the answer.
    pub form: Form,
    /// Tables and metadata are of `meta.k8s.io/v1beta1`.
    pub beta: bool,
    /// JSON is indented (`pretty=1`, or a browser, curl or Wget by user agent, as upstream does).
    pub pretty: bool,
}

impl Accepted {
    /// Returns the `apiVersion` of tables and metadata.
    #[must_use]
    pub fn meta_version(self) -> &'static str {
        if self.beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" }
    }
}

/// Forms that an endpoint has besides the object itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transforms {
    /// None: discovery and errors.
    None,
    /// Metadata: everything that has some.
    Metadata,
    /// Metadata, and tables in JSON and YAML: stored objects, their status, scales.
    Table,
    /// Aggregated discovery, and nothing else.
    Discovery,
}

/// What an endpoint can offer.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// The object itself has a protobuf form (not for custom resources).
    pub protobuf: bool,
    /// Other forms than the object itself.
    pub transforms: Transforms,
}

impl Offer {
    /// What errors and discovery documents offer: all encodings of the document itself.
    pub const PLAIN: Self = Self { protobuf: true, transforms: Transforms::None };

    /// Returns the media types, for messages.
    #[must_use]
    pub fn media_types(self) -> &'static [&'static str] {
        // Custom resources have no protobuf form, but their errors, tables and metadata do, so upstream names it.
        &ALL
    }

    /// Returns the form that a clause gets, if it is offered.
    fn form(self, media: Media, target: &Target<'_>) -> Option<Form> {
        const DISCOVERY: Target<'_> =
            Target { kind: "APIGroupDiscoveryList", group: "apidiscovery.k8s.io", version: "v2" };
        if self.transforms == Transforms::Discovery {
            return (*target == DISCOVERY).then_some(Form::Object);
        }
        if *target == Target::default() {
            return (self.protobuf || media != Media::Protobuf).then_some(Form::Object);
        }
        let meta = target.group == "meta.k8s.io" && matches!(target.version, "v1" | "v1beta1");
        match (target.kind, self.transforms) {
            _ if !meta => None,
            ("Table", Transforms::Table) if media != Media::Protobuf => Some(Form::Table),
            ("PartialObjectMetadata", Transforms::Table | Transforms::Metadata) => Some(Form::Metadata),
            ("PartialObjectMetadataList", Transforms::Table | Transforms::Metadata) => Some(Form::MetadataList),
            _ => None,
        }
    }
}

/// `as`, `g` and `v` of a clause.
#[derive(Default, PartialEq, Eq)]
struct Target<'t> {
    kind: &'t str,
    group: &'t str,
    version: &'t str,
}

/// How a client wants its answer, whatever it will be: little enough to be kept where the request itself has gone on.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    accept: Option<HeaderValue>,
    pretty: bool,
}

impl Wish {
    /// Reads it from a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self::new(request.headers(), request.uri().query().unwrap_or(""))
    }

    /// Reads it from the parts of a request that tell it. Only the first `Accept` counts, as upstream.
    #[must_use]
    pub fn new(headers: &HeaderMap, query: &str) -> Self {
        Self { accept: headers.get(ACCEPT).cloned(), pretty: is_for_people(headers, query) }
    }

    /// Returns `Accept`; empty when there is none.
    #[must_use]
    pub fn accept(&self) -> &str {
        self.accept.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Whether JSON is to be indented.
    #[must_use]
    pub fn is_pretty(&self) -> bool {
        self.pretty
    }
}

/// `pretty` says it; without it, known tools of people get indented JSON.
fn is_for_people(headers: &HeaderMap, query: &str) -> bool {
    if query.contains("pretty")
        && let Some((_, value)) = super::query::pairs(query).find(|(key, _)| key == "pretty")
        && !value.is_empty()
    {
        return matches!(&*value, "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent = headers.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    [&b"curl"[..], b"Wget", b"Mozilla/5.0"].iter().any(|known| agent.starts_with(known))
}

/// Chooses the answer's encoding and form.
///
/// # Errors
/// 406 when no clause of `Accept` can be served.
pub fn accept(wish: &Wish, offer: Offer) -> Result<Accepted, Status> {
    let text = wish.accept();
    if text.is_empty() && offer.transforms != Transforms::Discovery {
        return Ok(Accepted { pretty: wish.pretty, ..Accepted::default() });
    }
    let accepted = clauses(text).iter().find_map(|clause| clause.accepts(offer));
    let accepted = accepted.ok_or_else(|| Status::not_acceptable(offer.media_types()))?;
    Ok(Accepted { pretty: accepted.pretty || wish.pretty, ..accepted })
}

/// Chooses the encoding of an error. An error is told to everybody: where nothing can be agreed on, in indented JSON.
#[must_use]
pub fn accept_error(wish: &Wish) -> Accepted {
    accept(wish, Offer::PLAIN).unwrap_or(Accepted { pretty: true, ..Accepted::default() })
}

/// Checks `Accept` as upstream's routes do, before any parameter of a clause counts.
///
/// # Errors
/// 406 when no clause names one of the media types of the route.
pub fn check_route(wish: &Wish, produces: &[&str]) -> Result<(), Status> {
    let text = wish.accept();
    let served = |clause: &str| {
        let media = clause.split(';').next().unwrap_or("").trim_matches(' ');
        media == "*/*" || produces.contains(&media)
    };
    if text.is_empty() || text.split(',').any(served) { Ok(()) } else { Err(Status::no_representation(produces)) }
}

/// Chooses one of several media types, as documents do that have no form but these; none of them is a 406.
#[must_use]
pub fn accept_type(wish: &Wish, offered: &[&'static str]) -> Option<&'static str> {
    let text = if wish.accept().is_empty() { "*/*" } else { wish.accept() };
    let fits = |clause: &Clause<'_>, offer: &str| match offer.split_once('/') {
        Some((main, sub)) => {
            (clause.main, clause.sub) == ("*", "*") || clause.main == main && (clause.sub == "*" || clause.sub == sub)
        }
        None => false,
    };
    clauses(text).iter().find_map(|clause| offered.iter().find(|offer| fits(clause, offer)).copied())
}

/// What routes of documents and objects produce.
pub const ROUTE: &[&str] = &ALL;
/// What routes of collections produce.
pub const STREAMING_ROUTE: &[&str] =
    &[ALL[0], ALL[1], ALL[2], "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];

/// A clause of `Accept`.
struct Clause<'a> {
    main: &'a str,
    sub: &'a str,
    parameters: &'a str,
    quality: f32,
}

/// Parses and sorts the clauses as github.com/munnerz/goautoneg does: by quality, but specific ones before wildcards. Its
/// order is not a total one, so the way of sorting counts.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut found: Vec<Clause<'_>> =
        header.split(',').take(limits::ACCEPT_CLAUSES_MAX).filter_map(Clause::parse).collect();
    for end in 1..found.len() {
        let mut at = end;
        while at > 0 && found[at].goes_before(&found[at - 1]) {
            found.swap(at, at - 1);
            at -= 1;
        }
    }
    found
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (media, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (main, sub) = match media.split_once('/') {
            None | Some((_, "")) if media.trim_matches([' ', '/']) == "*" => ("*", "*"),
            Some((main, sub)) if !sub.is_empty() && !sub.contains('/') => {
                (main.trim_matches(' '), sub.trim_matches(' '))
            }
            Some(_) | None => return None,
        };
        let mut clause = Self { main, sub, parameters, quality: 1.0 };
        for (name, value) in clause.parameters() {
            if name == "q" {
                clause.quality = value.parse().unwrap_or(0.0);
            }
        }
        Some(clause)
    }

    /// `name=value` pairs; what is none is passed over.
    fn parameters(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.parameters.split(';').filter_map(|part| {
            let (name, value) = part.split_once('=').filter(|(_, value)| !value.is_empty() && !value.contains('='))?;
            Some((name.trim_matches(' '), if name.trim() == "q" { value } else { value.trim_matches(' ') }))
        })
    }

    fn goes_before(&self, other: &Self) -> bool {
        self.quality > other.quality || (self.main != "*" && other.main == "*") || (self.sub != "*" && other.sub == "*")
    }

    fn accepts(&self, offer: Offer) -> Option<Accepted> {
        let fits = |media: &Media| match (self.main, self.sub) {
            ("*", "*") | ("application", "*") => true,
            (main, sub) => main == "application" && sub == media.subtype(),
        };
        MEDIA.into_iter().filter(fits).find_map(|media| self.accepts_in(media, offer))
    }

    fn accepts_in(&self, media: Media, offer: Offer) -> Option<Accepted> {
        let mut target = Target::default();
        let mut pretty = false;
        for (name, value) in self.parameters() {
            match name {
                "as" => target.kind = value,
                "g" => target.group = value,
                "v" => target.version = value,
                "pretty" => pretty = value == "1",
                "stream" if value != "watch" || media == Media::Yaml => return None,
                // Only objects have versions of their metadata.
                "sv" if value != "v1" || matches!(offer.transforms, Transforms::None | Transforms::Discovery) => {
                    return None;
                }
                _ => {}
            }
        }
        let form = offer.form(media, &target)?;
        Some(Accepted { media, form, beta: target.version == "v1beta1", pretty })
    }
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

    fn wish(accept: &'static str, agent: &'static str, query: &str) -> Wish {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        Wish::new(&headers, query)
    }

    fn check(accept_header: &'static str, transforms: Transforms, expected: Option<(Media, Form)>) {
        let offer = Offer { protobuf: true, transforms };
        let got = accept(&wish(accept_header, "", ""), offer).ok().map(|accepted| (accepted.media, accepted.form));
        assert_eq!(got, expected, "{accept_header}");
    }

    #[test]
    fn the_first_clause_that_can_be_served_wins() {
        let cases = [
            ("application/json", Some((Media::Json, Form::Object))),
            ("*/*", Some((Media::Json, Form::Object))),
            ("*", Some((Media::Json, Form::Object))),
            ("application/*", Some((Media::Json, Form::Object))),
            ("*/yaml", None),
            ("text/html", None),
            ("application/vnd.kubernetes.protobuf,application/json", Some((Media::Protobuf, Form::Object))),
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                Some((Media::Json, Form::Table)),
            ),
            ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", None),
            (
                "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
                Some((Media::Json, Form::MetadataList)),
            ),
            ("application/json;as=Nope;v=v1;g=meta.k8s.io", None),
            ("application/json;v=v1", None),
            ("application/json;q=0.5,application/yaml", Some((Media::Yaml, Form::Object))),
            ("*/*;q=0.9,application/yaml;q=0.1", Some((Media::Yaml, Form::Object))),
            ("application/yaml;stream=watch,application/json;stream=watch", Some((Media::Json, Form::Object))),
            ("application/json;stream=odd", None),
            ("application/json;sv=v1", Some((Media::Json, Form::Object))),
            ("application/json;sv=v2", None),
            ("application/json; charset=utf-8; odd", Some((Media::Json, Form::Object))),
        ];
        for (header, expected) in cases {
            check(header, Transforms::Table, expected);
        }
    }

    #[test]
    fn endpoints_offer_their_own_forms() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        check(table, Transforms::Metadata, None);
        let metadata = "application/yaml;as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io";
        check(metadata, Transforms::Metadata, Some((Media::Yaml, Form::Metadata)));
        check(metadata, Transforms::None, None);
        let aggregated =
            "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;odd=1";
        check(aggregated, Transforms::Discovery, Some((Media::Protobuf, Form::Object)));
        check(aggregated, Transforms::None, None);
        check("application/json", Transforms::Discovery, None);
        check("", Transforms::Discovery, None);
    }

    #[test]
    fn people_get_indented_json() {
        let cases = [
            ("curl/8.0", "", true),
            ("Wget", "", true),
            ("Mozilla/5.0 (X11)", "", true),
            ("kubectl/v1.35", "", false),
            ("kubectl/v1.35", "pretty=1", true),
            ("kubectl/v1.35", "a=b&pretty=true", true),
            ("curl/8.0", "pretty=false", false),
            ("curl/8.0", "pretty=x", false),
            ("curl/8.0", "pretty=", true),
            ("curl/8.0", "xpretty=false", true),
        ];
        for (agent, query, expected) in cases {
            assert_eq!(wish("*/*", agent, query).is_pretty(), expected, "{agent} {query}");
        }
        let accepted = accept(&wish("application/json;pretty=1", "", ""), Offer::PLAIN).unwrap();
        assert!(accepted.pretty);
        assert!(accept_error(&wish("text/html", "", "")).pretty, "nothing was agreed on");
    }

    #[test]
    fn routes_look_at_media_types_only() {
        for (header, good) in [
            ("application/json;as=Odd", true),
            ("text/html,*/*;q=0.1", true),
            ("application/*", false),
            ("text/html", false),
        ] {
            assert_eq!(check_route(&wish(header, "", ""), ROUTE).is_ok(), good, "{header}");
        }
        assert!(check_route(&Wish::default(), ROUTE).is_ok());
    }
}
