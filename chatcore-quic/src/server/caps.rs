//! How many connections there are, over all and per address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what is open against two ceilings.
#[derive(Debug)]
pub(super) struct Caps {
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
pub(super) struct Permit {
    caps: Arc<Caps>,
    address: IpAddr,
}

impl Caps {
    pub(super) fn new(max: usize, max_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_address, open: Mutex::default() })
    }

    /// Room for one more from `ip`, if there is any.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Permit> {
        let address = block_of(ip);
        let mut open = self.lock();
        let of_address = open.by_address.get(&address).copied().unwrap_or(0);
        if open.all >= self.max || of_address >= self.max_per_address {
            return None;
        }
        open.all += 1;
        open.by_address.insert(address, of_address + 1);
        Some(Permit { caps: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.caps.lock();
        open.all -= 1;
        if let Some(of_address) = open.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: whoever has an IPv6 address has the whole /64 of it.
fn block_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place() {
        let caps = Caps::new(3, 2);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let first = caps.admit(ip("2001:db8::1")).expect("room");
        let _second = caps.admit(ip("2001:db8::2")).expect("room");
        assert!(caps.admit(ip("2001:db8::3")).is_none(), "above the cap of its block");
        let _third = caps.admit(ip("192.0.2.1")).expect("room for another");
        assert!(caps.admit(ip("192.0.2.2")).is_none(), "above the cap of all");
        drop(first);
        let _fourth = caps.admit(ip("2001:db8::3")).expect("room again");
    }

    #[test]
    fn nothing_is_kept_of_an_address_that_left() {
        let caps = Caps::new(9, 2);
        drop(caps.admit([192, 0, 2, 1].into()).expect("room"));
        assert!(caps.lock().by_address.is_empty() && caps.lock().all == 0);
    }
}
