//! Who is at the other end, also behind proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

/// The other end of a request, found in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address that the socket shows: a proxy's, if there is one.
    pub socket: SocketAddr,
    /// The client, as far as trusted proxies tell. What a limit per address should count.
    pub ip: IpAddr,
    /// Whether the client's side of the way is encrypted.
    pub secure: bool,
    /// Whether a trusted proxy stands in between, whose headers are believed.
    pub proxied: bool,
}

/// The networks whose word about a client's address is believed.
///
/// Parsed from addresses and CIDR blocks: `"127.0.0.1"`, `"10.0.0.0/8"`, `"fd00::/8"`.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Block>);

#[derive(Clone, Copy, Debug)]
struct Block {
    network: u128,
    prefix: u32,
}

/// Not an address or a CIDR block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an IP address or a CIDR block such as 10.0.0.0/8")]
pub struct InvalidBlock(String);

impl TrustedProxies {
    /// Parses the networks.
    ///
    /// # Errors
    /// The first that is not an address or a CIDR block.
    pub fn parse<S: AsRef<str>>(blocks: impl IntoIterator<Item = S>) -> Result<Self, InvalidBlock> {
        let parse = |s: S| {
            let s = s.as_ref();
            Block::parse(s).ok_or_else(|| InvalidBlock(s.into()))
        };
        blocks.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `ip` belongs to a proxy.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let bits = as_v6(ip).to_bits();
        self.0.iter().any(|block| block.network == bits & mask(block.prefix))
    }

    /// Whom a request comes from: the right-most hop that is not a trusted proxy.
    ///
    /// `tls` says whether the socket itself is encrypted. Headers count only if the socket's own
    /// address is trusted; an entry that cannot be read ends the search at the hop that wrote it.
    pub fn peer(&self, socket: SocketAddr, headers: &HeaderMap, tls: bool) -> Peer {
        let mut ip = socket.ip().to_canonical();
        let mut secure = tls;
        let proxied = self.contains(ip);
        if proxied {
            let hops: Vec<&str> = headers
                .get_all("x-forwarded-for")
                .iter()
                .flat_map(|value| value.to_str().unwrap_or("?").split(','))
                .collect();
            for hop in hops.into_iter().rev().map_while(parse_hop) {
                ip = hop;
                if !self.contains(hop) {
                    break;
                }
            }
            let proto = headers.get_all("x-forwarded-proto").iter().next_back();
            let last = |v: &http::HeaderValue| {
                Some(v.to_str().ok()?.rsplit(',').next()?.trim() == "https")
            };
            secure = proto.and_then(last).unwrap_or(tls);
        }
        Peer { socket, ip, secure, proxied }
    }
}

impl Block {
    fn parse(s: &str) -> Option<Self> {
        let (address, prefix) = match s.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (s, None),
        };
        let ip: IpAddr = address.trim().parse().ok()?;
        let (width, shift) = if ip.is_ipv4() { (32, 96) } else { (128, 0) };
        let prefix = prefix.unwrap_or(width);
        if prefix > width {
            return None;
        }
        let prefix = prefix + shift;
        Some(Self { network: as_v6(ip).to_bits() & mask(prefix), prefix })
    }
}

/// What a limit per address counts by: the address, or the /64 that one IPv6 customer gets.
pub(super) fn limit_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & mask(64)).into(),
    }
}

fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn mask(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
}

/// One entry of `X-Forwarded-For`: proxies write `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` or `[::1]:5`.
fn parse_hop(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = || entry.parse::<IpAddr>().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|a| a.ip());
    let in_brackets = || entry.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    Some(bare().or_else(with_port).or_else(in_brackets)?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(trusted: &[&str], socket: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", http::HeaderValue::from_static(value));
        }
        let socket = format!("{socket}:9").parse().expect("an address");
        let trusted = TrustedProxies::parse(trusted).expect("blocks");
        trusted.peer(socket, &headers, false).ip.to_string()
    }

    #[test]
    fn forged_forwarded_for_is_ignored_without_a_trusted_proxy() {
        assert_eq!(seen(&[], "9.9.9.9", &["1.2.3.4"]), "9.9.9.9");
        assert_eq!(seen(&["10.0.0.0/8"], "9.9.9.9", &["1.2.3.4"]), "9.9.9.9");
    }

    #[test]
    fn what_a_client_prepends_does_not_hide_it() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(seen(&trusted, "10.0.0.1", &["1.2.3.4, 7.7.7.7"]), "7.7.7.7");
        assert_eq!(seen(&trusted, "10.0.0.1", &["1.2.3.4", "7.7.7.7, 10.0.0.2"]), "7.7.7.7");
        assert_eq!(seen(&trusted, "10.0.0.1", &["7.7.7.7, rubbish, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen(&trusted, "10.0.0.1", &["7.7.7.7:81"]), "7.7.7.7");
        assert_eq!(seen(&["::1"], "[::1]", &["[2001:db8::1]:81"]), "2001:db8::1");
        assert_eq!(seen(&trusted, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn forwarded_proto_counts_only_from_a_trusted_proxy() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-proto", http::HeaderValue::from_static("https"));
        let trusted = TrustedProxies::parse(["127.0.0.1"]).expect("a block");
        let near: SocketAddr = "127.0.0.1:1".parse().expect("an address");
        let far: SocketAddr = "9.9.9.9:1".parse().expect("an address");
        assert!(trusted.peer(near, &headers, false).secure);
        assert!(!trusted.peer(far, &headers, false).secure);
    }

    #[test]
    fn blocks_that_make_no_sense_are_refused() {
        for block in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "localhost", "10.0.0.0/-1"] {
            assert!(TrustedProxies::parse([block]).is_err(), "{block}");
        }
        assert!(
            TrustedProxies::parse(["0.0.0.0/0"])
                .expect("all of IPv4")
                .contains([1, 2, 3, 4].into())
        );
    }

    #[test]
    fn one_ipv6_customer_is_one_address() {
        let key = |s: &str| limit_key(s.parse().expect("an address"));
        assert_eq!(key("2001:db8:1:2:3::4"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::"), key("2001:db8:1:3::"));
        assert_eq!(key("::ffff:1.2.3.4"), key("1.2.3.4"));
    }
}
