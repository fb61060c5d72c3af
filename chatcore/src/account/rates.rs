//! How often people may register, log in and have mail sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::throttle::{Rate, Throttle, TooFast};

/// The rates of the account module; `None` lifts a limit.
///
/// An address is a whole IPv4 address or an IPv6 network of 64 bits, which is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Logins under one name, by whoever.
    pub login_per_name: Option<Rate>,
    /// Logins from one address.
    pub login_per_addr: Option<Rate>,
    /// Registrations from one address.
    pub register_per_addr: Option<Rate>,
    /// Mails to one e-mail address.
    pub mail_per_email: Option<Rate>,
    /// Requests from one address that have a mail sent.
    pub mail_per_addr: Option<Rate>,
    /// Codes tried for one e-mail address.
    pub code_per_email: Option<Rate>,
    /// Codes and links tried from one address.
    pub code_per_addr: Option<Rate>,
}

impl RateLimits {
    /// No limits: for load tests, and behind something that limits already.
    pub const fn off() -> Self {
        Self {
            login_per_name: None,
            login_per_addr: None,
            register_per_addr: None,
            mail_per_email: None,
            mail_per_addr: None,
            code_per_email: None,
            code_per_addr: None,
        }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        let rate = |burst, secs| Some(Rate::new(burst, Duration::from_secs(secs)));
        Self {
            login_per_name: rate(10, 10),
            login_per_addr: rate(50, 2),
            register_per_addr: rate(30, 10),
            mail_per_email: rate(5, 120),
            mail_per_addr: rate(20, 30),
            code_per_email: rate(15, 60),
            code_per_addr: rate(50, 10),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Throttles {
    login_name: Throttle,
    login_addr: Throttle,
    register_addr: Throttle,
    mail_email: Throttle,
    mail_addr: Throttle,
    code_email: Throttle,
    code_addr: Throttle,
}

impl Throttles {
    pub(crate) fn new(limits: &RateLimits, clock: &Arc<dyn Clock>) -> Self {
        let throttle = |rate| Throttle::new(rate, clock);
        Self {
            login_name: throttle(limits.login_per_name),
            login_addr: throttle(limits.login_per_addr),
            register_addr: throttle(limits.register_per_addr),
            mail_email: throttle(limits.mail_per_email),
            mail_addr: throttle(limits.mail_per_addr),
            code_email: throttle(limits.code_per_email),
            code_addr: throttle(limits.code_per_addr),
        }
    }

    pub(crate) fn login(&self, name: &str, addr: Option<IpAddr>) -> Result<(), TooFast> {
        check_addr(&self.login_addr, addr)?;
        self.login_name.check(&name)
    }

    pub(crate) fn register(&self, addr: Option<IpAddr>) -> Result<(), TooFast> {
        check_addr(&self.register_addr, addr)
    }

    pub(crate) fn mail(&self, email: &str, addr: Option<IpAddr>) -> Result<(), TooFast> {
        check_addr(&self.mail_addr, addr)?;
        self.mail_email.check(&email)
    }

    pub(crate) fn code(&self, email: &str, addr: Option<IpAddr>) -> Result<(), TooFast> {
        check_addr(&self.code_addr, addr)?;
        self.code_email.check(&email)
    }

    pub(crate) fn link(&self, addr: Option<IpAddr>) -> Result<(), TooFast> {
        check_addr(&self.code_addr, addr)
    }
}

/// Takes one turn of an address; nothing, if it is not known.
pub(crate) fn check_addr(throttle: &Throttle, addr: Option<IpAddr>) -> Result<(), TooFast> {
    match addr.map(|addr| addr.to_canonical()) {
        None => Ok(()),
        Some(IpAddr::V4(v4)) => throttle.check(&v4),
        Some(IpAddr::V6(v6)) => throttle.check(&(v6.to_bits() >> 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ManualClock;

    #[test]
    fn one_network_of_ipv6_is_one_address_and_a_mapped_one_is_ipv4() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        let once = Some(Rate::new(1, Duration::from_secs(60)));
        let limits = RateLimits { register_per_addr: once, ..RateLimits::off() };
        let throttles = Throttles::new(&limits, &clock);
        let register = |addr: &str| throttles.register(Some(addr.parse().unwrap()));
        register("2001:db8:0:1::1").unwrap();
        register("2001:db8:0:1:ffff::2").unwrap_err();
        register("2001:db8:0:2::1").unwrap();
        register("192.0.2.1").unwrap();
        register("::ffff:192.0.2.1").unwrap_err();
        throttles.register(None).unwrap();
        throttles.register(None).unwrap();
    }
}
