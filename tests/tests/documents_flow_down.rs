//! Somebody at the centre edits: the hall shows it within seconds, works on it while the centre is
//! away, refuses to change it itself (P-01), and proposes instead.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zhiban_tests::harness::configs::Folder;
use zhiban_tests::harness::database::Copied;
use zhiban_tests::harness::stage::{Centre, Hall};
use zhiban_tests::harness::wait::{seen, until};
use zhiban_tests::harness::{Account, Ended, HttpError};

const STORE: &str = "flow-hall";
const PATIENCE: Duration = Duration::from_secs(30);

async fn put(who: &Account, path: &str, body: &Value) {
    let done = who.put::<Value>(path, body).await;
    done.unwrap_or_else(|error| panic!("{error}"));
}

/// Waits until the hall's page of master data is as wanted.
async fn shows(hall: &Account, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(what, PATIENCE, async || {
        let page: Value = hall
            .get("/api/v1/masters")
            .await
            .map_err(|error| error.to_string())?;
        seen(wanted(&page), page.to_string())?;
        Ok::<_, String>(page)
    })
    .await
}

/// The organization with the hall in it, a threshold above it and an announcement.
async fn publish(operator: &Account) {
    let unit = |name: &str, level: &str, parent: Option<&str>| json!({"name": name, "level": level, "parent": parent});
    let masters = "/api/v1/masters";
    put(
        operator,
        &format!("{masters}/units/group"),
        &unit("集团", "group", None),
    )
    .await;
    let city = unit("市公司", "city", Some("group"));
    put(operator, &format!("{masters}/units/city"), &city).await;
    let place = format!("{masters}/halls/{STORE}/place");
    put(operator, &place, &json!({"unit": "city"})).await;
    let long = json!({"name": "wait-long-s", "value": 420, "from": "2020-01-01"});
    let path = format!("{masters}/lists/threshold/city/wait-long-s@2020-01-01");
    put(operator, &path, &long).await;
    let news = json!({"title": "通知", "text": "周五演练", "from": "2020-01-01T00:00:00Z",
        "until": "2100-01-01T00:00:00Z"});
    put(
        operator,
        &format!("{masters}/lists/announcement/group/n1"),
        &news,
    )
    .await;
    let master = json!({"name": "新名营业厅", "area_m2": 620});
    put(operator, &format!("{masters}/halls/{STORE}"), &master).await;
}

async fn rename(hall: &Account) -> Result<(), HttpError> {
    let body = json!({"name": "自己改名", "opens": "09:00:00", "closes": "17:00:00"});
    let done = hall.put::<Value>("/api/v1/first-steps/hall", &body).await;
    done.map(drop)
}

fn reason(refused: Result<(), HttpError>) -> (StatusCode, Value) {
    match refused {
        Err(HttpError::Refused { status, body, .. }) => {
            let body: Value = serde_json::from_str(&body).unwrap();
            (status, body["error"]["reason"].clone())
        }
        other => panic!("not refused: {other:?}"),
    }
}

async fn propose(hall: &Account, changes: Value) {
    let body = json!({"changes": changes, "note": "量过了"});
    let done = hall.post::<Value>("/api/v1/masters/proposals", &body).await;
    done.unwrap_or_else(|error| panic!("{error}"));
}

/// The open proposal of the hall at the centre.
async fn proposed(operator: &Account, field: &str) -> String {
    until("the proposal is at the centre", PATIENCE, async || {
        let page: Value = operator
            .get("/api/v1/masters/proposals")
            .await
            .map_err(|error| error.to_string())?;
        let all = page["proposals"].as_array().cloned().unwrap_or_default();
        let is_it = |one: &&Value| {
            let changes = one["changes"].as_array();
            let names = changes.is_some_and(|all| all.iter().any(|one| one["field"] == field));
            one["state"] == "open" && names
        };
        let found = all.iter().find(is_it);
        let id = found.and_then(|one| one["id"].as_str()).map(str::to_owned);
        id.ok_or_else(|| page.to_string())
    })
    .await
}

async fn draft_goes_up(operator: &Account, manager: &Account) {
    // First installation: nothing of the centre is there, the draft counts and goes up.
    rename(manager).await.unwrap();
    let draft = proposed(operator, "closes").await;
    let decide = format!("/api/v1/masters/proposals/{STORE}/{draft}");
    let declined = json!({"accept": false, "reason": "名称由市公司定"});
    operator.post::<Value>(&decide, &declined).await.unwrap();
}

async fn proposal_is_accepted(operator: &Account, manager: &Account) {
    propose(manager, json!({"area_m2": 700})).await;
    let id = proposed(operator, "area_m2").await;
    let decide = format!("/api/v1/masters/proposals/{STORE}/{id}");
    let accepted = json!({"accept": true});
    operator.post::<Value>(&decide, &accepted).await.unwrap();
    shows(manager, "the accepted proposal", |page| {
        page["content"]["area_m2"] == 700 && page["proposals"][0]["state"] == "accepted"
    })
    .await;
}

/// A picture of about a megabyte that cannot be packed.
fn picture() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend((0..125_000).flat_map(|_| rand::random::<[u8; 8]>()));
    bytes
}

async fn bytes_of(who: &Account, path: &str) -> Vec<u8> {
    let answer = who.request(Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let policy = answer.headers()["content-security-policy"].to_str();
    assert!(policy.unwrap().contains("sandbox"), "{path}");
    answer.bytes().await.unwrap().to_vec()
}

/// A drawing is brought at the centre and looked at in the hall; a page in the clothes of one is not.
async fn drawing_goes_down(operator: &Account, manager: &Account) -> (String, Vec<u8>) {
    let drawings = format!("/api/v1/masters/halls/{STORE}/drawings");
    let add = async |bytes: Vec<u8>| {
        let path = format!("{drawings}?kind=floor-plan&title=%E4%B8%80%E5%B1%82");
        let request = operator.request(Method::POST, &path).body(bytes);
        request.send().await.unwrap()
    };
    let page = add(b"<html><script>alert(1)</script>".to_vec()).await;
    assert_eq!(page.status(), StatusCode::CONFLICT);
    let large = add([picture(), picture(), picture()].concat()).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let (bytes, began) = (picture(), Instant::now());
    let added = add(bytes.clone()).await;
    assert_eq!(added.status(), StatusCode::OK);
    let added: Value = serde_json::from_slice(&added.bytes().await.unwrap()).unwrap();
    let id = added["id"].as_str().unwrap().to_owned();
    shows(manager, "the drawing", |page| {
        page["drawings"][0]["whole"] == true
    })
    .await;
    println!("{} bytes to the hall: {:?}", bytes.len(), began.elapsed());
    let at_hall = bytes_of(manager, &format!("/api/v1/masters/drawings/{id}")).await;
    assert!(at_hall == bytes, "other bytes at the hall");
    let at_centre = bytes_of(operator, &format!("{drawings}/{id}")).await;
    assert!(at_centre == bytes, "other bytes at the centre");
    (id, bytes)
}

/// The centre is away and the box starts anew: it works on what it has, and says how old it is.
async fn alone(hall: &Hall, manager: &Account, (id, drawing): (String, Vec<u8>)) {
    let mut running = hall.start().await;
    let manager = Account::sign_in(&running, &manager.staff, &manager.password);
    let manager = manager.await.unwrap();
    let page: Value = manager.get("/api/v1/masters").await.unwrap();
    assert_eq!(page["content"]["area_m2"], 700, "{page}");
    assert!(
        page["age"]["reached"].is_string() && page["taken"].is_string(),
        "{page}"
    );
    let kept = bytes_of(&manager, &format!("/api/v1/masters/drawings/{id}")).await;
    assert!(kept == drawing, "other bytes after the start");
    let news: Value = manager.get("/api/v1/announcements").await.unwrap();
    assert_eq!(news["announcements"][0]["seen"], true, "{news}");
    let floor: Value = manager.get("/api/v1/floor").await.unwrap();
    assert_eq!(floor["limits"]["wait_long_s"], 420, "{floor}");
    assert_eq!(floor["hall"]["name"], "新名营业厅", "{floor}");
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_centre_edits_holds_at_the_hall_and_what_the_hall_proposes_becomes_it() {
    let folder = Folder::new("flow");
    let mut centre = Centre::start(folder.path(), None).await;
    let hall = Hall::prepare(folder.path(), STORE, &[], |_| {}).await;
    centre.enrol(&hall).await;
    let (mut running, manager) = hall.open().await;
    draft_goes_up(&centre.operator, &manager).await;
    publish(&centre.operator).await;
    let page = shows(&manager, "master data", |page| {
        page["content"]["area_m2"] == 620
    })
    .await;
    assert_eq!(page["above"][1]["name"], "集团", "{page}");
    assert_eq!(page["proposals"][0]["state"], "declined", "{page}");
    assert_eq!(page["thresholds"][1]["value"], 420, "{page}");
    assert_eq!(page["thresholds"][1]["scope"], "city", "{page}");
    // Measured where both know each other: one edit, until the hall shows it.
    let began = Instant::now();
    let master = json!({"name": "新名营业厅", "area_m2": 621});
    put(
        &centre.operator,
        &format!("/api/v1/masters/halls/{STORE}"),
        &master,
    )
    .await;
    shows(&manager, "an edit", |page| {
        page["content"]["area_m2"] == 621
    })
    .await;
    let took = began.elapsed();
    println!("from the edit to the hall's page: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");

    let refused = reason(rename(&manager).await);
    assert_eq!(
        refused,
        (StatusCode::CONFLICT, json!("masters-are-the-centres"))
    );
    let news: Value = manager.get("/api/v1/announcements").await.unwrap();
    let change = news["announcements"][0]["change"].as_u64().unwrap();
    let path = format!("/api/v1/announcements/{change}/seen");
    manager.post::<Value>(&path, &json!({})).await.unwrap();

    proposal_is_accepted(&centre.operator, &manager).await;
    let drawing = drawing_goes_down(&centre.operator, &manager).await;
    centre.running.kill().await.unwrap();
    assert_eq!(running.stop().await.unwrap(), Ended::Cleanly);
    let kept = Copied::of(&hall.program.data, "hall.db");
    let audited = "select count(*) from people_audit where action = 'box.hall-refused'";
    assert_eq!(kept.one::<i64>(audited), 1);
    alone(&hall, &manager, drawing).await;
}
