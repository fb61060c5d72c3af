//! Where a server is, and which of several places answers first.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::link::LinkError;

/// Addresses of a name that are tried, and how long after one another (RFC 8305).
const ADDRESSES: usize = 8;
const STAGGER: Duration = Duration::from_millis(250);

/// A server, as the application calls it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    host: Arc<str>,
    port: u16,
}

/// Where a server may be found, and the name that it has to prove.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) name: Arc<str>,
}

impl Server {
    /// `host:port`, with an IPv6 address in brackets.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        Self::new(host, port.parse().ok()?)
    }

    /// None without a name.
    pub(super) fn new(host: &str, port: u16) -> Option<Self> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then(|| Self { host: host.into(), port })
    }

    pub(super) async fn places(&self) -> Result<impl Iterator<Item = Place>, LinkError> {
        let found = tokio::net::lookup_host((&*self.host, self.port)).await;
        let found = found.map_err(LinkError::new)?;
        Ok(found.take(ADDRESSES).map(|address| Place { address, name: Arc::clone(&self.host) }))
    }
}

/// Opens something at one of these, and tells at which. One that does not answer must not keep the
/// others from being tried: it is silent for longer than anybody waits.
pub(super) async fn open_any<T, F: Future<Output = Result<T, LinkError>>>(
    places: Vec<Place>,
    open: impl Fn(Place) -> F,
) -> Result<(SocketAddr, T), LinkError> {
    let tries = places.into_iter().zip(0_u32..).map(|(place, number)| {
        let address = place.address;
        let opening = open(place);
        async move {
            tokio::time::sleep(STAGGER.saturating_mul(number)).await;
            Ok::<_, LinkError>((address, opening.await?))
        }
    });
    let mut tries: FuturesUnordered<_> = tries.collect();
    let mut problem = LinkError::new("its name leads to no address");
    while let Some(tried) = tries.next().await {
        match tried {
            Ok(opened) => return Ok(opened),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}
