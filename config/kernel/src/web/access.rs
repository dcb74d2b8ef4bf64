//! The table of routes. A route cannot be added without saying who may use it; the guard in front
//! of every handler is built from the same line, so the table cannot drift from what is served.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use zhiban_vocabulary::roles::Capability;

use super::{Transport, WebError};
use crate::people::{People, SignedIn};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone who reaches the port.
    Public,
    /// A registered device with its own secret; the handler checks it.
    Device,
    /// Anyone signed in, also while a password change is due.
    SignedIn,
    Needs(Capability),
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct RouteRule {
    pub method: String,
    pub path: String,
    pub access: Access,
}

/// Routes in the making.
pub struct Api {
    router: OpenApiRouter,
    rules: Vec<RouteRule>,
    people: People,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Api {
    #[must_use]
    pub fn new(people: People, openapi: utoipa::openapi::OpenApi) -> Self {
        Self {
            router: OpenApiRouter::with_openapi(openapi),
            rules: Vec::new(),
            people,
        }
    }

    /// Adds the routes of one `routes!(…)` under one rule.
    #[must_use]
    pub fn route(mut self, access: Access, (schemas, paths, handlers): UtoipaMethodRouter) -> Self {
        for (path, item) in &paths.paths {
            for method in methods(item) {
                let rule = RouteRule {
                    method: method.into(),
                    path: path.clone(),
                    access,
                };
                self.rules.push(rule);
            }
        }
        let guard = Guard {
            people: self.people.clone(),
            access,
        };
        let handlers = handlers.layer(from_fn_with_state(guard, check));
        self.router = self.router.routes((schemas, paths, handlers));
        self
    }

    #[must_use]
    pub fn people(&self) -> &People {
        &self.people
    }

    /// The router, its description, and the table.
    pub fn split(self) -> (axum::Router, utoipa::openapi::OpenApi, Vec<RouteRule>) {
        let (router, openapi) = self.router.split_for_parts();
        (router, openapi, self.rules)
    }
}

fn methods(item: &utoipa::openapi::PathItem) -> Vec<&'static str> {
    let known = [
        ("GET", item.get.is_some()),
        ("POST", item.post.is_some()),
        ("PUT", item.put.is_some()),
        ("DELETE", item.delete.is_some()),
        ("PATCH", item.patch.is_some()),
    ];
    known
        .into_iter()
        .filter(|(_, present)| *present)
        .map(|(name, _)| name)
        .collect()
}

#[derive(Clone)]
struct Guard {
    people: People,
    access: Access,
}

async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    if let Err(error) = refuse_other_sites(request.method(), request.headers()) {
        return error.into_response();
    }
    let transport = match Transport::of(request.extensions()) {
        Ok(transport) => transport,
        Err(code) => return code.into_response(),
    };
    let signed_in = guard.people.signed_in(request.headers(), transport).await;
    if let Err(error) = judge(guard.access, signed_in.as_ref()) {
        return error.into_response();
    }
    if let Some(signed_in) = signed_in {
        request.extensions_mut().insert(signed_in);
    }
    next.run(request).await
}

fn judge(access: Access, signed_in: Option<&SignedIn>) -> Result<(), WebError> {
    match (access, signed_in) {
        (Access::Public | Access::Device, _) | (Access::SignedIn, Some(_)) => Ok(()),
        (Access::SignedIn | Access::Needs(_), None) => Err(WebError::NotSignedIn),
        (Access::Needs(_), Some(who)) if who.must_change_password => {
            Err(WebError::PasswordChangeDue)
        }
        (Access::Needs(capability), Some(who)) if who.may(capability) => Ok(()),
        (Access::Needs(capability), Some(_)) => Err(WebError::Forbidden(capability)),
    }
}

/// Browsers say where a request comes from; a page of another site must not act for a person who
/// is signed in here. Programs that are not browsers send neither header.
fn refuse_other_sites(method: &Method, headers: &HeaderMap) -> Result<(), WebError> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        let ours = matches!(site, "same-origin" | "none");
        return if ours {
            Ok(())
        } else {
            Err(WebError::CrossSite)
        };
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else {
        return Ok(());
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    if host.is_some() && host == text(header::HOST.as_str()) {
        return Ok(());
    }
    Err(WebError::CrossSite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writing_request_of_another_site_is_refused() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()))
                .collect()
        };
        let check = |method, pairs: &[(&'static str, &'static str)]| {
            refuse_other_sites(&method, &headers(pairs)).is_ok()
        };
        assert!(check(Method::POST, &[]));
        assert!(check(Method::POST, &[("sec-fetch-site", "same-origin")]));
        assert!(check(
            Method::POST,
            &[("origin", "http://hall:8080"), ("host", "hall:8080")]
        ));
        assert!(check(
            Method::GET,
            &[("origin", "http://evil"), ("host", "hall:8080")]
        ));
        assert!(!check(Method::POST, &[("sec-fetch-site", "cross-site")]));
        assert!(!check(Method::POST, &[("sec-fetch-site", "same-site")]));
        assert!(!check(
            Method::POST,
            &[("origin", "http://evil"), ("host", "hall:8080")]
        ));
        assert!(!check(
            Method::POST,
            &[("origin", "null"), ("host", "hall:8080")]
        ));
    }
}
