//! Every route of the gateway, as its own table has them, against every role and nobody, over
//! HTTP at the running program. The centre does the same in its own tests.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use zhiban_gateway::appliance::describe;
use zhiban_kernel::web::{Access, RouteRule};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::stage::Hall;
use zhiban_tests::harness::{Account, Ended, Running};
use zhiban_vocabulary::roles::Role;

/// A visitor: nobody, or somebody with one role.
struct Visitor {
    role: Option<Role>,
    client: Client,
}

fn client() -> Client {
    let builder = Client::builder().no_proxy().cookie_store(true);
    builder.timeout(Duration::from_secs(10)).build().unwrap()
}

async fn ask(running: &Running, client: &Client, method: &str, path: &str, body: &Value) -> u16 {
    let method: Method = method.parse().unwrap();
    let request = client
        .request(method, format!("{}{path}", running.url()))
        .json(body);
    // Streams have no end: the head is enough.
    request.send().await.unwrap().status().as_u16()
}

/// Adds a person, signs it in and changes its one-time password.
async fn person(running: &Running, manager: &Account, role: Role) -> Visitor {
    let staff = format!("2-{}", role.as_str());
    let body = json!({"staff": staff, "name": "李娜", "roles": [role.as_str()]});
    let added: Value = manager.post("/api/v1/people", &body).await.unwrap();
    let once = &added["one_time_password"];
    let client = client();
    let body = json!({"staff": staff, "password": once});
    assert_eq!(
        ask(running, &client, "POST", "/api/v1/session", &body).await,
        200
    );
    // Until it is changed, nothing else may be done.
    assert_eq!(
        ask(running, &client, "GET", "/api/v1/floor", &json!({})).await,
        403
    );
    let body = json!({"old": once, "new": "correct horse 8"});
    assert_eq!(
        ask(running, &client, "PUT", "/api/v1/session/password", &body).await,
        204
    );
    Visitor {
        role: Some(role),
        client,
    }
}

/// The table as the program has it.
async fn table(folder: &Path) -> Vec<RouteRule> {
    describe(&folder.join("described")).await.unwrap().1
}

/// What a request must be refused with; `None` when the handler decides.
fn refused(rule: &RouteRule, role: Option<Role>) -> Option<u16> {
    match (rule.access, role) {
        (Access::SignedIn | Access::Needs(_), None) => Some(401),
        (Access::Needs(needed), Some(role)) => (!role.may(needed)).then_some(403),
        // Devices sign in with their own secret, which people do not have.
        (Access::Device, _) => Some(401),
        (Access::Public | Access::SignedIn, _) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_every_role_for_its_right() {
    let folder = Folder::new("every-route");
    let hall = Hall::prepare(folder.path(), "route-hall", &[], |_| ()).await;
    let (mut gateway, manager) = hall.open().await;
    let mut rules = table(folder.path()).await;
    assert!(rules.len() >= 15, "{rules:?}");
    // Signing out comes last, or the rest of the walk is anonymous.
    rules.sort_by_key(|rule| rule.method == "DELETE");
    let mut visitors = vec![Visitor {
        role: None,
        client: client(),
    }];
    for role in Role::ALL {
        visitors.push(person(&gateway, &manager, *role).await);
    }
    let mut cells = 0;
    for Visitor { role, client } in &visitors {
        for rule in &rules {
            let path = rule
                .path
                .replace("{device}", "nobody")
                .replace("{staff}", "9")
                .replace("{id}", "9")
                .replace("{key}", "k");
            let path = path
                .replace("{day}", "2026-03-02")
                .replace("{number}", "A1")
                .replace("{change}", "9")
                .replace("{drawing}", "plan");
            assert!(
                !path.contains('{'),
                "{path}: a parameter this test does not know"
            );
            let status = ask(&gateway, client, &rule.method, &path, &json!({})).await;
            let who = role.map_or("nobody", Role::as_str);
            let what = format!("{who} {} {path}", rule.method);
            cells += 1;
            match refused(rule, *role) {
                Some(expect) => assert_eq!(status, expect, "{what}"),
                None if rule.path == "/api/v1/setup" => assert_eq!(status, 422, "{what}"),
                None if rule.path == "/api/v1/session/password" => {
                    assert_eq!(status, 422, "{what}");
                }
                None if rule.path == "/api/v1/session" && rule.method == "POST" => {
                    assert_eq!(status, 422, "{what}");
                }
                None => assert!(
                    !matches!(status, 401 | 403 | 405 | 500..),
                    "{what}: {status}"
                ),
            }
        }
    }
    println!(
        "n = {cells} cells ({} routes, {} visitors), 0 wrong",
        rules.len(),
        visitors.len()
    );
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_act_for_somebody() {
    let folder = Folder::new("other-site");
    let hall = Hall::prepare(folder.path(), "site-hall", &[], |_| ()).await;
    let (mut gateway, _) = hall.open().await;
    let rules = table(folder.path()).await;
    for rule in rules.iter().filter(|rule| rule.method != "GET") {
        let path = rule
            .path
            .replace("{device}", "nobody")
            .replace("{staff}", "9")
            .replace("{id}", "9")
            .replace("{key}", "k");
        let method: Method = rule.method.parse().unwrap();
        let request = client().request(method, format!("{}{path}", gateway.url()));
        let request = request
            .header("origin", "http://evil.example")
            .json(&json!({}));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 403, "{} {path}", rule.method);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(
            body["error"]["code"], "cross-site",
            "{} {path}",
            rule.method
        );
    }
    assert_eq!(gateway.stop().await.unwrap(), Ended::Cleanly);
}
