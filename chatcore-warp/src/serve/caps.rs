//! How many there are of something, over all and per address: connections, uploads.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::peer::limit_key;

/// Counts what is open against two ceilings.
#[derive(Debug)]
pub(crate) struct Caps {
    max: usize,
    max_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One that is open. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Permit {
    caps: Arc<Caps>,
    address: Option<IpAddr>,
}

impl Caps {
    pub(crate) fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_address, open: Mutex::default() })
    }

    /// Room for one more from `ip`, if there is any. Without `ip` only the total counts.
    pub(crate) fn admit(self: &Arc<Self>, ip: Option<IpAddr>) -> Option<Permit> {
        let address = ip.map(limit_key);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.max {
            return None;
        }
        if let Some(address) = address {
            let of_address = open.by_address.entry(address).or_default();
            if *of_address >= self.max_per_address {
                return None;
            }
            *of_address += 1;
        }
        open.all += 1;
        Some(Permit { caps: self.clone(), address })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.caps.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(address) = self.address
            && let Some(of_address) = open.by_address.get_mut(&address)
        {
            *of_address -= 1;
            if *of_address == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place() {
        let caps = Caps::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ([1, 1, 1, 1].into(), [2, 2, 2, 2].into());
        let first = caps.admit(Some(a)).expect("room");
        let _second = caps.admit(Some(a)).expect("room");
        assert!(caps.admit(Some(a)).is_none(), "above the cap of its address");
        let _third = caps.admit(Some(b)).expect("room for another");
        assert!(caps.admit(Some(b)).is_none(), "above the cap of all");
        drop(first);
        let _fourth = caps.admit(Some(a)).expect("room again");
    }

    #[test]
    fn nothing_is_kept_of_an_address_that_left() {
        let caps = Caps::new(9, 2);
        drop(caps.admit(Some([1, 1, 1, 1].into())).expect("room"));
        let open = caps.open.lock().expect("not poisoned");
        assert!(open.by_address.is_empty() && open.all == 0);
    }
}
