//! Requests as they are and answers as they come: status, headers, bytes.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use std::sync::Once;
use std::time::Duration;

/// How long a watch may be silent while something is expected of it.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Raw access to one control plane as one user.
#[derive(Clone)]
pub struct Wire {
    client: kube::Client,
    headers: HeaderMap,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A watch that is open.
pub struct Watch {
    body: Body,
    rest: Vec<u8>,
}

/// Chooses the process' crypto library, once.
pub fn install_crypto() {
    static INSTALLED: Once = Once::new();
    // Another test of this process may have done it by other means; then all is well.
    INSTALLED.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
}

impl Wire {
    /// Wraps a client.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client, headers: HeaderMap::new() }
    }

    /// Returns access to a URL for somebody who has no credentials and believes every certificate.
    ///
    /// # Panics
    /// When it is no URL.
    #[must_use]
    pub fn stranger(url: &str) -> Self {
        install_crypto();
        let mut config = kube::Config::new(url.parse().expect("a URL"));
        config.accept_invalid_certs = true;
        config.default_retry = false;
        Self::new(kube::Client::try_from(config).expect("make a client"))
    }

    /// Sends a header with every request.
    ///
    /// # Panics
    /// When it is not a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// Sends a bearer token with every request.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<http::Response<Body>, kube::Error> {
        let mut request = Request::builder().method(method).uri(path);
        let headers = request.headers_mut().expect("the path makes a URL");
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).expect("a header value"));
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        let request = request.body(Body::from(body)).expect("the path makes a URL");
        self.client.send(request).await
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// When the connection breaks.
    pub async fn send(&self, method: Method, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        let answer = self.try_send(method.clone(), path, content_type, body).await;
        answer.unwrap_or_else(|| panic!("{method} {path}: the connection broke"))
    }

    /// Sends a request and reads the whole answer; `None` when the connection breaks before its end.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Option<Answer> {
        let (parts, body) = self.open(method, path, content_type, body.into()).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer { code: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// Sends a POST with a JSON document; `None` when the connection breaks before the answer's end.
    pub async fn try_post(&self, path: &str, document: &Value) -> Option<Answer> {
        self.try_send(Method::POST, path, "application/json", document.to_string()).await
    }

    /// Sends a GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "", Vec::new()).await
    }

    /// Sends a GET; `None` when the connection breaks before the answer's end.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        self.try_send(Method::GET, path, "", Vec::new()).await
    }

    /// Sends a DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "", Vec::new()).await
    }

    /// Sends a POST with a JSON document.
    pub async fn post(&self, path: &str, document: &Value) -> Answer {
        self.send(Method::POST, path, "application/json", document.to_string()).await
    }

    /// Sends a PUT with a JSON document.
    pub async fn put(&self, path: &str, document: &Value) -> Answer {
        self.send(Method::PUT, path, "application/json", document.to_string()).await
    }

    /// Sends a merge patch.
    pub async fn merge(&self, path: &str, patch: &Value) -> Answer {
        self.send(Method::PATCH, path, "application/merge-patch+json", patch.to_string()).await
    }

    /// Creates an object and returns it as stored.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn create(&self, path: &str, document: &Value) -> Value {
        let answer = self.post(path, document).await;
        assert_eq!(answer.code, 201, "POST {path}: {}", answer.text());
        answer.json()
    }

    /// Opens a watch.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn watch(&self, path: &str) -> Watch {
        let response = self.open(Method::GET, path, "", Vec::new()).await.expect("open a watch");
        assert_eq!(response.status(), 200, "GET {path}");
        Watch { body: response.into_body(), rest: Vec::new() }
    }
}

impl Answer {
    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as a document.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{} {:?}: {error}", self.code, self.text()))
    }

    /// Returns `reason` of a Status.
    #[must_use]
    pub fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or("").to_owned()
    }

    /// Returns `message` of a Status.
    #[must_use]
    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or("").to_owned()
    }

    /// Returns the texts of `Warning` headers.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let values = self.headers.get_all("warning").iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }
}

impl Watch {
    /// Returns the next event, or `None` when the watch has ended cleanly.
    ///
    /// # Panics
    /// When the connection breaks, or nothing comes for half a minute.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("an event is a line of JSON"));
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await.expect("the watch is silent");
            match frame {
                None => {
                    assert!(self.rest.is_empty(), "the watch ended in the middle of an event");
                    return None;
                }
                Some(frame) => {
                    let frame = frame.expect("the watch broke");
                    self.rest.extend_from_slice(frame.data_ref().map_or(&[], |bytes| bytes));
                }
            }
        }
    }

    /// Returns the next event as type, name of the object and object.
    ///
    /// # Panics
    /// When the watch ends.
    pub async fn event(&mut self) -> (String, String, Value) {
        let mut event = self.next().await.expect("the watch goes on");
        let object = event["object"].take();
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        (text(&event["type"]), text(&object["metadata"]["name"]), object)
    }
}
