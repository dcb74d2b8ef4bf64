//! The real routes in process, and who may use each.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use zhiban_kernel::Database;
use zhiban_kernel::authority::Authority;
use zhiban_kernel::people::{People, Program};
use zhiban_kernel::web::{Access, Caller, RouteRule, Transport, finish};
use zhiban_kernel::{Clock, health::Health};
use zhiban_vocabulary::roles::{Capability, Role};

use super::{Folder, Make, clock_at, members, on_both};
use crate::aggregator::routes;
use crate::centre::Centre;
use crate::intake::Intake;
use crate::trust::{Trust, TrustState};

/// A centre without sockets.
pub(crate) struct Site {
    pub(crate) intake: Intake,
    pub(crate) store: Database,
    router: axum::Router,
    rules: Vec<RouteRule>,
    paths: BTreeSet<String>,
    code: String,
    _folder: Folder,
}

impl Site {
    pub(crate) async fn open(now: &str, make: Make) -> Self {
        let (folder, clock) = (Folder::on(make), clock_at(now));
        let store = folder.store();
        let program = Program {
            id: "central".into(),
            kind: "central",
            version: "0.1.0",
            name: "示范公司".into(),
            time_zone: "Europe/Warsaw".into(),
            clock,
        };
        let people = People::open(store.clone(), program, folder.path()).await;
        let (people, code) = people.unwrap();
        let intake = Intake::new(store.clone(), clock, members());
        let centre = Centre {
            changes: intake.changes(),
            store,
            clock,
            zone: TimeZone::get("Europe/Warsaw").unwrap(),
            bell: intake.questions().bell().clone(),
            health: Health::default(),
            started: Clock::real_now(),
            listen: vec!["tcp/127.0.0.1:7447".into()],
            shutdown: CancellationToken::new(),
        };
        let authority = Authority::open(&folder.path().join("authority.pem"), "示范公司");
        let trust = Trust::open(
            centre.store.clone(),
            Arc::new(authority.unwrap()),
            Vec::new(),
            folder.path(),
        );
        let state = TrustState {
            store: centre.store.clone(),
            trust: trust.await.unwrap(),
            door: "127.0.0.1:7443".into(),
        };
        let (router, openapi, rules) = routes(people, &centre, Some(&state), intake.questions());
        Self {
            intake,
            store: centre.store.clone(),
            router: finish(router),
            rules,
            paths: openapi.paths.paths.keys().cloned().collect(),
            code: code.unwrap(),
            _folder: folder,
        }
    }

    async fn call(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// One request from `address`; the body of the answer when it is JSON.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        cookie: Option<&str>,
        address: &str,
    ) -> (u16, Value) {
        let response = self
            .call(request(method, path, cookie, address, &json!({})))
            .await;
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Value {
        let (status, body) = self.ask("GET", path, Some(cookie), "10.0.0.9").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The status alone; streams have no end to wait for.
    pub(crate) async fn status(&self, method: &str, path: &str, cookie: Option<&str>) -> u16 {
        let request = request(method, path, cookie, "10.0.0.9", &json!({}));
        self.call(request).await.status().as_u16()
    }

    async fn post(&self, method: &str, path: &str, cookie: &str, body: &Value) -> (Value, String) {
        let request = request(method, path, Some(cookie), "10.0.0.9", body);
        let response = self.call(request).await;
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        let cookie = response.headers().get(header::SET_COOKIE);
        let cookie = cookie.map(|value| value.to_str().unwrap().split(';').next().unwrap());
        let cookie = cookie.unwrap_or_default().to_owned();
        let bytes = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        (serde_json::from_slice(&bytes).unwrap_or_default(), cookie)
    }

    /// First boot; gives the cookie of a person with all rights of an operator and installer.
    pub(crate) async fn set_up(&self) -> String {
        let body = json!({"code": self.code, "staff": "1001", "name": "王芳",
            "password": "correct horse 7"});
        self.post("POST", "/api/v1/setup", "", &body).await.1
    }

    /// A person with one role, signed in, password changed.
    async fn person(&self, manager: &str, role: Role) -> String {
        let staff = format!("2-{}", role.as_str());
        let body = json!({"staff": staff, "name": "李娜", "roles": [role.as_str()]});
        let (added, _) = self.post("POST", "/api/v1/people", manager, &body).await;
        let once = &added["one_time_password"];
        let body = json!({"staff": staff, "password": once});
        let (_, cookie) = self.post("POST", "/api/v1/session", "", &body).await;
        let body = json!({"old": once, "new": "correct horse 8"});
        let path = "/api/v1/session/password";
        self.post("PUT", path, &cookie, &body).await.1
    }
}

fn request(
    method: &str,
    path: &str,
    cookie: Option<&str>,
    address: &str,
    body: &Value,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    let from = SocketAddr::new(address.parse().unwrap(), 40_000);
    let request = request.extension(ConnectInfo(Caller {
        address: from,
        transport: Transport::Plain,
    }));
    request.body(Body::from(body.to_string())).unwrap()
}

/// The table as it is meant to be; a change of rights is a change here.
const TABLE: &[(&str, &str, Access)] = &[
    (
        "DELETE",
        "/api/v1/masters/halls/{store}/drawings/{drawing}",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "DELETE",
        "/api/v1/masters/lists/{family}/{scope}/{id}",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "DELETE",
        "/api/v1/masters/units/{unit}",
        Access::Needs(Capability::MastersManage),
    ),
    ("DELETE", "/api/v1/session", Access::SignedIn),
    (
        "DELETE",
        "/api/v1/trust/{store}/code",
        Access::Needs(Capability::FleetTrust),
    ),
    ("GET", "/api/v1/audit", Access::Needs(Capability::AuditRead)),
    ("GET", "/api/v1/box", Access::Needs(Capability::BoxRead)),
    (
        "GET",
        "/api/v1/compare",
        Access::Needs(Capability::HallsRead),
    ),
    (
        "GET",
        "/api/v1/compare/series",
        Access::Needs(Capability::HallsRead),
    ),
    (
        "GET",
        "/api/v1/compare/stream",
        Access::Needs(Capability::HallsRead),
    ),
    ("GET", "/api/v1/halls", Access::Needs(Capability::HallsRead)),
    (
        "GET",
        "/api/v1/halls/{store}/day",
        Access::Needs(Capability::HallsRead),
    ),
    (
        "GET",
        "/api/v1/masters/forms",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/masters/halls/{store}",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/masters/halls/{store}/drawings/{drawing}",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/masters/halls/{store}/thresholds",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/masters/lists/{family}",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/masters/lists/{family}/{scope}/{id}/versions",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/masters/proposals",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/masters/table",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/masters/tree",
        Access::Needs(Capability::MastersRead),
    ),
    (
        "GET",
        "/api/v1/people",
        Access::Needs(Capability::PeopleManage),
    ),
    (
        "GET",
        "/api/v1/questions",
        Access::Needs(Capability::AuditRead),
    ),
    ("GET", "/api/v1/session", Access::Public),
    (
        "GET",
        "/api/v1/trust",
        Access::Needs(Capability::FleetTrust),
    ),
    ("GET", "/api/v1/trust/authority.pem", Access::Public),
    (
        "GET",
        "/api/v1/trust/{store}/certificates",
        Access::Needs(Capability::FleetTrust),
    ),
    ("GET", "/health", Access::Public),
    ("GET", "/metrics", Access::Public),
    ("GET", "/status", Access::Public),
    (
        "POST",
        "/api/v1/halls/{store}/rows",
        Access::Needs(Capability::HallsDrill),
    ),
    (
        "POST",
        "/api/v1/masters/halls/{store}/drawings",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "POST",
        "/api/v1/masters/proposals/{store}/{id}",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "POST",
        "/api/v1/masters/table",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "POST",
        "/api/v1/people",
        Access::Needs(Capability::PeopleManage),
    ),
    (
        "POST",
        "/api/v1/people/{staff}",
        Access::Needs(Capability::PeopleManage),
    ),
    ("POST", "/api/v1/session", Access::Public),
    ("POST", "/api/v1/setup", Access::Public),
    (
        "POST",
        "/api/v1/trust/{store}/code",
        Access::Needs(Capability::FleetTrust),
    ),
    (
        "POST",
        "/api/v1/trust/{store}/revoke",
        Access::Needs(Capability::FleetTrust),
    ),
    (
        "PUT",
        "/api/v1/masters/halls/{store}",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "PUT",
        "/api/v1/masters/halls/{store}/drawings/{drawing}",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "PUT",
        "/api/v1/masters/halls/{store}/place",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "PUT",
        "/api/v1/masters/lists/{family}/{scope}/{id}",
        Access::Needs(Capability::MastersManage),
    ),
    (
        "PUT",
        "/api/v1/masters/units/{unit}",
        Access::Needs(Capability::MastersManage),
    ),
    ("PUT", "/api/v1/session/password", Access::SignedIn),
];

async fn the_table_of_routes_is_the_one_written_here_and_all_are_described(make: Make) {
    let site = Site::open("2020-01-02T12:00:00Z", make).await;
    let mut served: Vec<_> = site
        .rules
        .iter()
        .map(|rule| (rule.method.as_str(), rule.path.as_str(), rule.access))
        .collect();
    served.sort_by_key(|(method, path, _)| (*method, *path));
    assert_eq!(served, TABLE);
    let ruled: BTreeSet<String> = site.rules.iter().map(|rule| rule.path.clone()).collect();
    assert_eq!(site.paths, ruled);
}

/// What a request must be answered with; `None` when the handler decides.
fn refused(rule: &RouteRule, role: Option<Role>) -> Option<u16> {
    let may = |needed| role.is_some_and(|role| role.may(needed));
    match rule.access {
        // Public in the table, because the machine itself may look without signing in.
        Access::Public if rule.path == "/metrics" => match role {
            Some(_) => (!may(Capability::BoxRead)).then_some(403),
            None => Some(401),
        },
        Access::Public | Access::Device => None,
        Access::SignedIn => role.is_none().then_some(401),
        Access::Needs(needed) => match role {
            None => Some(401),
            Some(_) => (!may(needed)).then_some(403),
        },
    }
}

async fn every_route_asks_every_role_for_its_right(make: Make) {
    let site = Site::open("2020-01-02T12:00:00Z", make).await;
    let manager = site.set_up().await;
    let mut visitors = vec![(None, None)];
    for role in Role::ALL {
        visitors.push((Some(*role), Some(site.person(&manager, *role).await)));
    }
    let mut rules = site.rules.clone();
    // Signing out comes last, or the rest of the walk is anonymous.
    rules.sort_by_key(|rule| rule.method == "DELETE" && rule.path == "/api/v1/session");
    for (role, cookie) in &visitors {
        for rule in &rules {
            let path = rule.path.replace("{store}", "wola").replace("{staff}", "9");
            let path = path.replace("{family}", "agent").replace("{scope}", "wola");
            let path = path.replace("{unit}", "city").replace("{id}", "a");
            let status = site.status(&rule.method, &path, cookie.as_deref()).await;
            let who = role.map_or("nobody", Role::as_str);
            match refused(rule, *role) {
                Some(expect) => assert_eq!(status, expect, "{who} {} {path}", rule.method),
                None => assert!(
                    !matches!(status, 401 | 403 | 405 | 500),
                    "{who} {} {path}: {status}",
                    rule.method
                ),
            }
        }
    }
}

async fn health_tells_strangers_no_details_and_pages_are_served_everywhere_else(make: Make) {
    let site = Site::open("2020-01-02T12:00:00Z", make).await;
    let (status, body) = site.ask("GET", "/health", None, "10.0.0.9").await;
    assert_eq!(
        (status, &body["status"]),
        (503, &json!("failing")),
        "nothing proved yet"
    );
    assert_eq!(site.ask("GET", "/metrics", None, "127.0.0.1").await.0, 200);
    assert_eq!(site.status("GET", "/", None).await, 200);
    assert_eq!(site.status("GET", "/halls/wola", None).await, 200);
    assert_eq!(site.status("GET", "/assets/none.js", None).await, 404);
    assert_eq!(site.status("POST", "/halls/wola", None).await, 404);
    let (status, body) = site.ask("GET", "/api/v1/none", None, "10.0.0.9").await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("not-found")));
}

on_both!(
    the_table_of_routes_is_the_one_written_here_and_all_are_described,
    every_route_asks_every_role_for_its_right,
    health_tells_strangers_no_details_and_pages_are_served_everywhere_else,
);
