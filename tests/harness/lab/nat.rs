//! Another address on a packet, and what goes with it.

use std::net::Ipv4Addr;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Which address of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    From,
    To,
}

impl Side {
    /// Where it stands in the header.
    fn at(self) -> usize {
        match self {
            Self::From => 12,
            Self::To => 16,
        }
    }
}

/// Whether these bytes are a packet of IP version 4, which alone is carried here.
pub(super) fn is_v4(packet: &[u8]) -> bool {
    packet.len() >= 20 && packet[0] >> 4 == 4
}

/// One of a packet's addresses.
pub(super) fn address(packet: &[u8], side: Side) -> Ipv4Addr {
    let at = side.at();
    let octets: [u8; 4] = packet[at..at + 4].try_into().expect("four bytes of a whole header");
    octets.into()
}

/// Puts another address in its place, and mends the sums that cover it: that of the header, and that
/// of TCP or UDP, which covers the addresses too.
pub(super) fn rewrite(packet: &mut [u8], side: Side, to: Ipv4Addr) {
    let old = address(packet, side).octets();
    let new = to.octets();
    let at = side.at();
    packet[at..at + 4].copy_from_slice(&new);
    mend(packet, 10, old, new);
    let header = usize::from(packet[0] & 15) * 4;
    let first = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff == 0;
    let sum = match packet[9] {
        TCP if first => header + 16,
        UDP if first => header + 6,
        _ => return,
    };
    // A datagram may go without one.
    if packet.len() >= sum + 2 && (packet[9] == TCP || packet[sum..sum + 2] != [0, 0]) {
        mend(packet, sum, old, new);
    }
}

/// Mends the sum at `at` for four bytes that have changed, as RFC 1624 has it.
fn mend(packet: &mut [u8], at: usize, old: [u8; 4], new: [u8; 4]) {
    let word = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
    let mut sum = 0xffff - word(packet[at], packet[at + 1]);
    for n in [0, 2] {
        sum += 0xffff - word(old[n], old[n + 1]) + word(new[n], new[n + 1]);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u16::try_from(0xffff - sum).expect("it was folded");
    packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum over `bytes`, which is 0 where a header's own sum is right.
    fn sum_of(bytes: impl IntoIterator<Item = u8>) -> u16 {
        let bytes = Vec::from_iter(bytes);
        let words = bytes.chunks(2).map(|pair| {
            u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
        });
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).expect("it was folded")
    }

    /// What TCP and UDP sum up: the addresses, the protocol, the length, and what they carry.
    fn covered(packet: &[u8]) -> Vec<u8> {
        let length = u16::try_from(packet.len() - 20).expect("short").to_be_bytes();
        [&packet[12..20], &[0, packet[9]], &length, &packet[20..]].concat()
    }

    fn packet(protocol: u8, payload: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 48, 1, 2, 0x40, 0, 64, protocol, 0, 0];
        packet.extend([10, 77, 0, 2, 10, 77, 0, 1]);
        packet.extend([payload; 28]);
        let sum = if protocol == TCP { 36 } else { 26 };
        for (at, covers) in [(10, false), (sum, true)] {
            packet[at..at + 2].fill(0);
            let sum = if covers { sum_of(covered(&packet)) } else { sum_of(packet[..20].to_vec()) };
            packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        packet
    }

    #[test]
    fn a_packet_with_another_address_is_as_sound_as_before() {
        for protocol in [TCP, UDP] {
            for payload in 0..=255 {
                let mut packet = packet(protocol, payload);
                assert!(is_v4(&packet));
                for (side, last) in [(Side::From, 255), (Side::To, 0), (Side::From, 7)] {
                    let to = Ipv4Addr::new(10, 77, payload, last);
                    rewrite(&mut packet, side, to);
                    assert_eq!(address(&packet, side), to);
                    assert_eq!(sum_of(packet[..20].to_vec()), 0, "of the header");
                    assert_eq!(sum_of(covered(&packet)), 0, "of what it carries");
                }
            }
        }
    }

    #[test]
    fn a_datagram_without_a_sum_stays_without_and_foreign_bytes_are_told_apart() {
        let mut packet = packet(UDP, 9);
        packet[26..28].fill(0);
        rewrite(&mut packet, Side::From, Ipv4Addr::new(10, 77, 0, 9));
        assert_eq!(packet[26..28], [0, 0]);
        assert!(!is_v4(&packet[..19]) && !is_v4(&[0x60; 40]));
    }
}
