//! Calls that a hook has a say in.

use std::sync::{Arc, PoisonError};

use super::{Chat, Inner, Pending};
use crate::error::Error;
use crate::hook::Judge;
use crate::room::{Action, Command};

impl Inner {
    /// Hands a command in to be committed.
    pub(super) fn submit(&self, command: Command) -> Result<Pending, Error> {
        let committer = self.committer.read().unwrap_or_else(PoisonError::into_inner);
        committer.as_ref().ok_or(Error::Unavailable)?.submit(command)
    }
}

impl Chat {
    /// The same, after the hooks have had their say; behind what the same person handed in before.
    pub(super) fn submit_judged(
        &self,
        judge: &Arc<Judge>,
        command: Command,
    ) -> Result<Pending, Error> {
        let mut place = judge.place(command.actor.id())?;
        let (reply, pending) = Pending::new();
        let (chat, judge) = (self.clone(), Arc::clone(judge));
        tokio::spawn(async move {
            let inner = &chat.inner;
            let Command { room, actor, at, action, inbox } = command;
            let judged = async {
                let mut action = judge.judge(&actor, &room, action, at, &inner.limits).await?;
                if matches!(&action, Action::Send(send) if send.original.is_some()) {
                    inner.mention_named(&mut action).await?;
                }
                Ok(action)
            };
            let judged = judged.await;
            place.reached().await;
            let submitted =
                judged.and_then(|action| inner.submit(Command { room, actor, at, action, inbox }));
            drop(place);
            let outcome = match submitted {
                Ok(pending) => pending.outcome().await,
                Err(error) => Err(error),
            };
            // Who asked may have gone.
            let _ = reply.send(outcome);
        });
        Ok(pending)
    }
}
