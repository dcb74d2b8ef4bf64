//! The line to the centre, put together: membership, pipe, transports, courier.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zhiban_kernel::runtime::Tasks;

use super::carrier::Carrier;
use super::courier::{Courier, UplinkState};
use super::downlink::{Downlink, DownlinkState};
use super::member::{Keeper, Standing};
use super::pipe::Pipe;
use super::zenoh::ZenohUplink;

/// What pages see of it.
#[derive(Debug, Clone)]
pub struct Line {
    pub state: watch::Receiver<UplinkState>,
    pub down: watch::Receiver<DownlinkState>,
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
        let hall = courier.hall.clone();
        let zenoh = ZenohUplink::new(hall.clone(), pipe.local_addr()?, pipe.problem());
        let carrier = Arc::new(Carrier::new(member.clone(), doors.clone(), zenoh));
        let downlink = Downlink {
            carrier: Arc::clone(&carrier),
            store: courier.store.clone(),
            clock: courier.clock,
            hall,
            zone: courier.zone.clone(),
            state: watch::channel(DownlinkState::default()).0,
        };
        let (state, down) = (courier.state.subscribe(), downlink.state.subscribe());
        let stop = || tasks.shutdown.clone();
        tasks.spawn("membership", keeper.run(doors, stop()));
        tasks.spawn("pipe", pipe.run(stop()));
        let (courier, end) = (courier.over(carrier), stop());
        let is_enrolled = courier.state.clone();
        let carrying = async move {
            is_enrolled.send_modify(|state| state.enrolled = true);
            courier.run(end).await;
        };
        tasks.spawn("courier", once_enrolled(carrying, member.clone(), stop()));
        let polling = downlink.run(stop());
        tasks.spawn("downlink", once_enrolled(polling, member.clone(), stop()));
        Ok(Self {
            state,
            down,
            member,
        })
    }
}

/// Does `work`, which ends with the stop, once the hall is enrolled.
async fn once_enrolled(
    work: impl Future<Output = ()>,
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
    work.await;
}
