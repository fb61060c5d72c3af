//! Why a connection ends.

use std::fmt;

/// Why the server closes a connection, the same over every transport.
///
/// Over WebSocket the code is 4000 plus the [number](Self::number), over QUIC the number itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// The peer does not speak the protocol: bytes that are no frame, or a frame out of place.
    ProtocolError,
    /// No credential that is good, or the one that was has expired.
    Unauthenticated,
    /// The session was logged out or revoked.
    Revoked,
    /// Nothing was read, or nothing acked, for too long.
    SlowConsumer,
    /// Nothing was heard for two heartbeats.
    HeartbeatTimeout,
    /// Too fast.
    RateLimited,
    /// No version of the protocol is common to both.
    UnsupportedVersion,
    /// The server is stopping, or cannot serve now.
    GoingAway,
}

impl CloseCode {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::ProtocolError,
        Self::Unauthenticated,
        Self::Revoked,
        Self::SlowConsumer,
        Self::HeartbeatTimeout,
        Self::RateLimited,
        Self::UnsupportedVersion,
        Self::GoingAway,
    ];

    /// The number, which is QUIC's application error code.
    pub const fn number(self) -> u16 {
        match self {
            Self::ProtocolError => 1,
            Self::Unauthenticated => 2,
            Self::Revoked => 3,
            Self::SlowConsumer => 4,
            Self::HeartbeatTimeout => 5,
            Self::RateLimited => 6,
            Self::UnsupportedVersion => 7,
            Self::GoingAway => 8,
        }
    }

    /// The WebSocket close code, of the range for private use (RFC 6455, section 7.4.2).
    pub const fn websocket(self) -> u16 {
        4000 + self.number()
    }

    /// The code that a peer closed with, if it is one of these.
    pub fn from_websocket(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.websocket() == code)
    }

    /// The name in documents and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProtocolError => "protocol_error",
            Self::Unauthenticated => "unauthenticated",
            Self::Revoked => "revoked",
            Self::SlowConsumer => "slow_consumer",
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::RateLimited => "rate_limited",
            Self::UnsupportedVersion => "unsupported_version",
            Self::GoingAway => "going_away",
        }
    }

    /// Whether a client may connect again just as before.
    ///
    /// It then waits with full jitter, from half a second to half a minute, and at least as long as
    /// a `goaway` asked. Where this is false, the same attempt would end in the same way.
    pub const fn reconnect_unchanged(self) -> bool {
        match self {
            Self::SlowConsumer | Self::HeartbeatTimeout | Self::RateLimited | Self::GoingAway => {
                true
            }
            Self::ProtocolError
            | Self::Unauthenticated
            | Self::Revoked
            | Self::UnsupportedVersion => false,
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_protocol() {
        let numbers: Vec<_> = CloseCode::ALL.iter().map(|c| c.number()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(CloseCode::ProtocolError.websocket(), 4001);
        assert_eq!(CloseCode::from_websocket(4008), Some(CloseCode::GoingAway));
        assert_eq!(CloseCode::from_websocket(1000), None);
    }

    #[test]
    fn only_faults_of_the_moment_invite_a_reconnect() {
        let stay_away = CloseCode::ALL.into_iter().filter(|c| !c.reconnect_unchanged());
        assert_eq!(stay_away.map(CloseCode::number).collect::<Vec<_>>(), [1, 2, 3, 7]);
    }
}
