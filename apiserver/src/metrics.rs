//! Counters of the process in Prometheus' text format. No series is per tenant.

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    code: u16,
}

/// All metrics of the API server.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    inflight: Gauge,
    seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("kplex");
        let requests = Family::<RequestLabels, Counter>::default();
        let inflight = Gauge::default();
        let seconds = Histogram::new(exponential_buckets(0.0001, 4.0, 9));
        registry.register("requests", "Requests answered, by HTTP method and status code", requests.clone());
        registry.register("requests_inflight", "Requests being answered, open watches not included", inflight.clone());
        registry.register_with_unit("request", "Time until the answer begins", Unit::Seconds, seconds.clone());
        Self { registry, requests, inflight, seconds }
    }
}

impl Metrics {
    /// A request begins.
    pub fn started(&self) {
        self.inflight.inc();
    }

    /// A request is answered.
    pub fn finished(&self, method: &Method, status: StatusCode, elapsed: Duration) {
        self.inflight.dec();
        self.seconds.observe(elapsed.as_secs_f64());
        let verb = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::HEAD => "HEAD",
            _ => "other",
        };
        self.requests.get_or_create(&RequestLabels { verb, code: status.as_u16() }).inc();
    }

    /// Returns the text that Prometheus scrapes.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.registry).expect("writing to memory does not fail");
        out
    }
}
