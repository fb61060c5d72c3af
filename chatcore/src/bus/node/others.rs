//! Which other nodes there are, for as long as they are heard of: what they said of who is there goes
//! with them.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Node, lock};
use crate::bus::Topic;
use crate::bus::hint::Hint;

/// How often a node says that it is there.
const ALIVE: Duration = Duration::from_secs(5);

/// A node that is not heard of for so long is gone.
const SILENT: Duration = Duration::from_secs(20);

/// Nodes that are kept in mind.
const NODES: usize = 1024;

/// Other nodes, and this one's own signs of life.
#[derive(Debug, Default)]
pub(super) struct Others {
    heard: HashMap<String, Instant>,
    said: Option<Instant>,
    was_up: bool,
}

impl Node {
    /// A node is there; one that was not is told who is connected here.
    pub(super) fn heard_of(&self, node: &str) {
        let mut others = lock(&self.others);
        let now = Instant::now();
        if let Some(heard) = others.heard.get_mut(node) {
            *heard = now;
            return;
        }
        if others.heard.len() >= NODES {
            return;
        }
        others.heard.insert(node.to_owned(), now);
        drop(others);
        self.tell_all_presence();
    }

    /// Says that this node is there, now and then, and forgets those that do not.
    pub(super) fn mind_others(&self) {
        let (now, up) = (Instant::now(), self.parts.bus.is_up());
        let mut others = lock(&self.others);
        let back = up && !std::mem::replace(&mut others.was_up, up);
        let due = others.said.is_none_or(|said| now - said >= ALIVE);
        if due {
            others.said = Some(now);
        }
        let silent = others.heard.extract_if(|_, heard| now - *heard >= SILENT);
        let silent: Vec<_> = silent.map(|(node, _)| node).collect();
        drop(others);
        if due {
            self.say(Topic::Sessions, Hint::Alive);
        }
        if back {
            // What was said meanwhile reached nobody.
            self.tell_all_presence();
        }
        for node in silent {
            self.parts.hub.forget_node(&node);
        }
    }

    fn tell_all_presence(&self) {
        for (room, _) in self.parts.hub.known() {
            self.parts.calls.presence_changed(&room);
        }
    }
}
