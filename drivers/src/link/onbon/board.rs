//! The session of a board, the same for all cards: asks how it is, hands commands over, and reports
//! what the card said to them.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::timeout;
use zhiban_vocabulary::command::Command;
use zhiban_vocabulary::device::{DeviceKind, ScreenShown};
use zhiban_vocabulary::report::Observation;

use super::{ANY_CARD, HOST, Nack, Reach};
use crate::link::ask::Asker;
use crate::link::framer::Codec;
use crate::link::{Line, LinkError};
use crate::{Commands, Driver, DriverError, NotTaken, Order, Outlet, Running, Session};

/// How often an idle card is asked how it is.
const PROBE_EVERY: Duration = Duration::from_secs(30);

/// What a card says to a command.
pub(crate) type Answer = Result<(), Nack>;

/// What cards differ in.
pub(crate) trait Card: Sized + Send + Sync + 'static {
    type Codec: Codec<Frame: Send> + Send + Sync;

    fn reach(&self) -> &Reach;

    /// Whom a frame is from, and to.
    fn parties(frame: &FrameOf<Self>) -> (u16, u16);

    /// Asks what must be known before the first command.
    fn greet(
        &mut self,
        talk: &mut Talk<Self>,
    ) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// Asks how the card is; gives what is wrong with it.
    fn probe(
        &mut self,
        talk: &mut Talk<Self>,
    ) -> impl Future<Output = Result<Option<String>, DriverError>> + Send;

    /// What is wrong, as far as is known without asking.
    fn trouble(&self) -> Option<String>;

    /// The bytes that tell a command, or why the card cannot do it.
    fn request(&mut self, command: &Command) -> Result<Vec<u8>, String>;

    /// What a frame of the card says to a command; `None` when it is no answer.
    fn answer(frame: &FrameOf<Self>) -> Option<Answer>;
}

pub(crate) type FrameOf<C> = <<C as Card>::Codec as Codec>::Frame;

/// A driver of one card.
pub(crate) struct Board<C>(pub(crate) C);

impl<C: Card> Driver for Board<C> {
    fn device(&self) -> DeviceKind {
        DeviceKind::LedBoard
    }

    fn line(&self) -> Option<String> {
        Some(self.0.reach().link.name().to_owned())
    }

    fn addresses(&self) -> Vec<String> {
        vec![self.0.reach().address.to_string()]
    }

    fn run(self: Box<Self>, session: Session) -> Running {
        Box::pin(async move {
            let Self(card) = *self;
            let mut talk = Talk::new(card.reach(), session.line, session.outlet);
            let Err(error) = serve(card, &mut talk, session.commands).await;
            error
        })
    }
}

async fn serve<C: Card>(
    mut card: C,
    talk: &mut Talk<C>,
    mut commands: Commands,
) -> Result<Infallible, DriverError> {
    card.greet(talk).await?;
    let mut is_due = true;
    loop {
        if is_due {
            let trouble = card.probe(talk).await?;
            talk.say(trouble).await?;
        }
        let order = timeout(PROBE_EVERY, commands.next()).await;
        is_due = order.is_err();
        let Ok(order) = order else { continue };
        let request = match card.request(&order.command) {
            Ok(request) => request,
            Err(reason) => {
                order.failed(reason);
                continue;
            }
        };
        match talk.tell(&request).await {
            Ok(answer) => {
                if answer.is_some() {
                    talk.say(card.trouble()).await?;
                }
                talk.report(order, answer).await?;
            }
            Err(error) => {
                commands.give_back(order);
                return Err(error.into());
            }
        }
    }
}

/// A way to ask one card.
pub(crate) struct Talk<C: Card> {
    asker: Asker<C::Codec>,
    address: u16,
    retries: u32,
}

impl<C: Card> Talk<C> {
    fn new(reach: &Reach, line: Line, outlet: Outlet) -> Self {
        let (timeout, attempts) = (reach.ack_timeout, reach.retries + 1);
        Self {
            asker: Asker::new(reach.link.clone(), line, outlet, timeout, attempts),
            address: reach.address,
            retries: reach.retries,
        }
    }

    pub(crate) fn outlet(&self) -> &Outlet {
        &self.asker.outlet
    }

    /// Gives what `answer` makes of the first frame of the card it takes.
    ///
    /// # Errors
    /// When the link breaks, and when the card says nothing.
    pub(crate) async fn ask<T>(
        &mut self,
        request: &[u8],
        answer: impl Fn(&FrameOf<C>) -> Option<T>,
    ) -> Result<T, DriverError> {
        let answered = self.attempt(request, answer).await?;
        answered.ok_or_else(|| self.silent())
    }

    /// Gives what the card says to a command, `None` when it says nothing. A card that is busy is
    /// told again, as often as one that does not answer.
    pub(crate) async fn tell(&mut self, request: &[u8]) -> Result<Option<Answer>, LinkError> {
        let mut left = self.retries;
        loop {
            match self.attempt(request, C::answer).await? {
                Some(Err(nack)) if nack.passes() && left > 0 => left -= 1,
                answer => return Ok(answer),
            }
            tokio::time::sleep(self.asker.timeout).await;
        }
    }

    async fn attempt<T>(
        &mut self,
        request: &[u8],
        answer: impl Fn(&FrameOf<C>) -> Option<T>,
    ) -> Result<Option<T>, LinkError> {
        let asked = self.address;
        let answer = |frame: &FrameOf<C>| {
            let (from, to) = C::parties(frame);
            answer(frame).filter(|_| is_answer(asked, from, to))
        };
        self.asker.ask(request, answer).await
    }

    async fn say(&self, trouble: Option<String>) -> Result<(), NotTaken> {
        match trouble {
            None => self.outlet().alive().await,
            Some(trouble) => self.outlet().degraded(trouble).await,
        }
    }

    async fn report(&self, order: Order, answer: Option<Answer>) -> Result<(), DriverError> {
        if let Command::Display(_) = &order.command {
            let confirmed = matches!(answer, Some(Ok(())));
            let shown = ScreenShown::of(&order.command, Some(confirmed));
            self.outlet()
                .deliver(Observation::ScreenShown(shown))
                .await?;
        }
        match answer {
            Some(Ok(())) => order.done(),
            Some(Err(nack)) if nack.passes() => order.put_off(format!("the card says: {nack}")),
            Some(Err(nack)) => order.failed(format!("the card refuses: {nack}")),
            None => {
                order.put_off("the card does not answer");
                return Err(self.silent());
            }
        }
        Ok(())
    }

    pub(crate) fn silent(&self) -> DriverError {
        let name = self.asker.link.name();
        DriverError::Device(format!("the board at {name} does not answer"))
    }
}

/// Our own frames, as some adapters echo them, and those of other cards are no answers.
fn is_answer(asked: u16, from: u16, to: u16) -> bool {
    to == HOST && (asked == ANY_CARD || [asked, ANY_CARD].contains(&from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_asked_card_says_to_us_is_an_answer() {
        assert!(is_answer(7, 7, HOST));
        assert!(is_answer(7, ANY_CARD, HOST));
        assert!(is_answer(ANY_CARD, 8, HOST));
        assert!(!is_answer(7, 8, HOST));
        assert!(!is_answer(7, HOST, 7));
    }
}
