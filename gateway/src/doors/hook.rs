//! The door for programs that call by themselves: webhooks of queue systems, pads that speak HTTP.
//! Such a program cannot sign in, so its address carries a key, `hook_key` of the device's
//! settings. The driver reads the request and answers after the commit.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use tokio::sync::oneshot;
use utoipa_axum::routes;
use zhiban_drivers::supervise::Supervisor;
use zhiban_drivers::{HOOK_TIME_MAX, Hook, HookAnswer};
use zhiban_kernel::web::{Access, Api, Result, WebError};
use zhiban_vocabulary::DeviceId;

use crate::devices::Devices;
use crate::routes::with_state;

/// Largest body taken, in bytes.
const BODY_MAX: usize = 64 << 10;

#[derive(Debug, Clone)]
struct HookDoor {
    devices: Devices,
    drivers: Arc<Supervisor>,
}

/// Adds the routes of this door.
pub fn add_routes(api: Api, devices: &Devices, drivers: &Arc<Supervisor>) -> Api {
    let door = &HookDoor {
        devices: devices.clone(),
        drivers: Arc::clone(drivers),
    };
    api.route(Access::Device, with_state(routes!(post_hook), door))
        .route(Access::Device, with_state(routes!(get_hook), door))
}

/// Hands a request of a program of the hall to its driver. Answers after what it says is on disk.
#[utoipa::path(post, path = "/hooks/{device}/{key}", tag = "doors", request_body = Vec<u8>,
    params(("device" = String, Path), ("key" = String, Path)),
    responses((status = 204), (status = 400), (status = 503)))]
async fn post_hook(
    State(door): State<HookDoor>,
    Path((device, key)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode> {
    call(&door, &device, &key, request).await
}

/// As the other, for programs that can only fetch an address.
#[utoipa::path(get, path = "/hooks/{device}/{key}", tag = "doors",
    params(("device" = String, Path), ("key" = String, Path)),
    responses((status = 204), (status = 400), (status = 503)))]
async fn get_hook(
    State(door): State<HookDoor>,
    Path((device, key)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode> {
    call(&door, &device, &key, request).await
}

async fn call(door: &HookDoor, device: &str, key: &str, request: Request) -> Result<StatusCode> {
    let device: DeviceId = device.parse().map_err(|_| WebError::WrongCredentials)?;
    if !door.devices.knows_hook(&device, key) {
        return Err(WebError::WrongCredentials);
    }
    let (hook, answered) = read(request).await?;
    let unavailable = |problem: String| WebError::Unavailable(problem);
    let handed = door.drivers.hook(&device, hook);
    handed.map_err(|error| unavailable(error.to_string()))?;
    match tokio::time::timeout(HOOK_TIME_MAX, answered).await {
        Ok(Ok(HookAnswer::Taken)) => Ok(StatusCode::NO_CONTENT),
        Ok(Ok(HookAnswer::Refused(problem))) => Err(WebError::invalid("body", problem)),
        Ok(Ok(HookAnswer::Unavailable(problem))) => Err(unavailable(problem)),
        Ok(Err(_)) | Err(_) => Err(unavailable(format!("{device} does not answer"))),
    }
}

/// Only of those who know the key: a body costs memory, and time where it comes slowly.
async fn read(request: Request) -> Result<(Hook, oneshot::Receiver<HookAnswer>)> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_MAX).await.map_err(|error| {
        let problem = format!("expected at most {BODY_MAX} bytes: {error}");
        WebError::invalid("body", problem)
    })?;
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    Ok(Hook::new(
        pairs(head.uri.query().unwrap_or_default()),
        content_type.unwrap_or_default().to_owned(),
        body.to_vec(),
    ))
}

/// Names and values of a query; what is not UTF-8 becomes a replacement character.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
