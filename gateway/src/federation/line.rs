//! The line to the centre, put together: membership, pipe, transports, courier.

use std::io;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::runtime::Tasks;
use zhiban_vocabulary::topics;

use super::carrier::Carrier;
use super::courier::{Courier, UplinkState};
use super::member::{Keeper, Standing};
use super::pipe::Pipe;
use super::uplink::Uplink;
use super::zenoh::ZenohUplink;

/// What pages see of it.
#[derive(Debug, Clone)]
pub struct Line {
    pub state: watch::Receiver<UplinkState>,
    pub member: Standing,
}

impl Line {
    /// Starts it. Nothing goes up before the hall is enrolled; the moment it is, all that waited
    /// does.
    ///
    /// # Errors
    /// When no port on loopback is free.
    pub async fn start(
        tasks: &Tasks,
        courier: Courier<()>,
        doors: Vec<String>,
    ) -> io::Result<Self> {
        let keeper = Keeper::open(&courier.data, &courier.hall);
        let member = keeper.standing();
        let pipe = Pipe::open(member.clone(), doors.clone()).await?;
        let key = topics::up(&courier.hall);
        let zenoh = ZenohUplink::new(key, pipe.local_addr()?, pipe.problem());
        let carrier = Carrier::new(member.clone(), doors.clone(), zenoh);
        let state = courier.state.subscribe();
        let stop = || tasks.shutdown.clone();
        tasks.spawn("membership", keeper.run(doors, stop()));
        tasks.spawn("pipe", pipe.run(stop()));
        let courier = courier.over(carrier);
        tasks.spawn("courier", once_enrolled(courier, member.clone(), stop()));
        Ok(Self { state, member })
    }
}

async fn once_enrolled<U: Uplink>(
    courier: Courier<U>,
    mut member: Standing,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => return,
        enrolled = member.wait_for(Option::is_some) => {
            // The keeper runs until the stop.
            if enrolled.is_err() {
                return;
            }
        }
    }
    courier.state.send_modify(|state| state.enrolled = true);
    courier.run(stop).await;
}
