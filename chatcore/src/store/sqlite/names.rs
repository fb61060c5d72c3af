//! What took effect once, a moment ago.
//!
//! The table `sends` is a tree in the order of hashes, so that each new name falls on a page of its
//! own: a commit that put its names there at once would write a whole page for each, many times the
//! message itself. So a commit lays them down as one row of `sends_recent`, in the order in which they
//! came, and they are kept in memory too. When there are many they are filed: put into `sends` in the
//! tree's order, a slice with each later commit, where neighbours share their page.
//!
//! At any moment a name is in `sends`, or in `sends_recent` and here, or (while it is being filed) in
//! all three.

use std::collections::HashMap;

use super::error::corrupt;
use crate::clock::Timestamp;
use crate::id::{MessageId, Seq};
use crate::room::PriorSend;
use crate::store::StoreError;

/// Names are filed in slices of at least this many, or as many as may gather.
const SLICE: usize = 256;

/// Names of one statement.
pub(super) const STEP: usize = 64;

/// The most names that one commit files.
const MOST_FILED: usize = 1024;

/// Bytes of a name in a row of `sends_recent`.
const PACKED: usize = 64;

/// The bytes of a message's id, or of what an edit or a deletion derives in the same way.
pub(super) type Key = [u8; 16];

/// What was done under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The room's number.
    pub(super) room: i64,
    pub(super) send: PriorSend,
}

/// The names of `sends_recent`.
#[derive(Debug)]
pub(super) struct Names {
    /// A key is made from the room's id among other things, so that it stands for one room.
    recent: HashMap<Key, Name>,
    /// Those that are being filed, in the order of `sends`; how many of them are; and the last row of
    /// `sends_recent` that holds one.
    filing: Vec<(i64, Key)>,
    filed: usize,
    last_row: i64,
    /// The next row of `sends_recent`.
    pub(super) next_row: i64,
    /// New names since the last slice.
    since: usize,
    /// How many may gather before they are filed.
    most: usize,
}

/// A slice to be filed.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) names: Vec<(Key, Name)>,
    /// Up to this row, all will be filed then.
    pub(super) done: Option<i64>,
}

impl Names {
    /// The names of the rows of `sends_recent`, in order. Some may be filed already: to file them
    /// again changes nothing.
    pub(super) fn read<'a>(
        rows: impl IntoIterator<Item = (i64, &'a [u8])>,
        most: usize,
    ) -> Result<Self, StoreError> {
        let (recent, filing) = (HashMap::new(), Vec::new());
        let mut names = Self { recent, filing, filed: 0, last_row: 0, next_row: 1, since: 0, most };
        for (row, packed) in rows {
            names.recent.extend(unpack(packed)?);
            names.next_row = row + 1;
        }
        Ok(names)
    }

    pub(super) fn get(&self, id: &MessageId) -> Option<&Name> {
        self.recent.get(&id.to_bytes())
    }

    /// Where the message stands, if it is one of these. Whoever reads there has to compare its id: the
    /// commit may be under way, or have failed.
    pub(super) fn place(&self, id: &MessageId) -> Option<Seq> {
        self.get(id).filter(|name| name.send.n > 0).map(|name| name.send.seq)
    }

    /// Takes in what is about to be committed, so that whoever sees it can find it by its name; says
    /// what is to be filed with it.
    pub(super) fn add(&mut self, new: &[(Key, Name)]) -> Option<Slice> {
        if self.filing.is_empty() && self.recent.len() >= self.most {
            self.filing = self.recent.iter().map(|(key, name)| (name.room, *key)).collect();
            self.filing.sort_unstable();
            self.filed = 0;
            self.last_row = self.next_row - 1;
        }
        self.recent.extend(new.iter().cloned());
        self.since += new.len();
        // Twice as fast as new ones come, so that the last are done before there are as many again.
        let due = (self.since * 2).min(MOST_FILED);
        let rest = self.filing.get(self.filed..)?;
        if rest.is_empty() || due < SLICE.min(self.most) {
            return None;
        }
        let rest = &rest[..rest.len().min(due)];
        let of = |(_, key): &(i64, Key)| self.recent.get(key).map(|name| (*key, name.clone()));
        let done = (self.filed + rest.len() == self.filing.len()).then_some(self.last_row);
        Some(Slice { names: rest.iter().filter_map(of).collect(), done })
    }

    /// Takes back what [`add`](Self::add) took in: it was not committed.
    pub(super) fn remove(&mut self, new: &[(Key, Name)]) {
        for (key, _) in new {
            self.recent.remove(key);
        }
    }

    /// What [`add`](Self::add) took in and handed out is on the disk.
    pub(super) fn committed(&mut self, new: &[(Key, Name)], slice: Option<&Slice>) {
        self.next_row += i64::from(!new.is_empty());
        let Some(slice) = slice else { return };
        self.since = 0;
        self.filed += slice.names.len();
        if slice.done.is_some() {
            for (_, key) in std::mem::take(&mut self.filing) {
                self.recent.remove(&key);
            }
            self.filed = 0;
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.recent.len()
    }
}

/// A row of `sends_recent`.
pub(super) fn pack(names: &[(Key, Name)]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(names.len() * PACKED);
    for (key, Name { room, send }) in names {
        packed.extend_from_slice(key);
        packed.extend_from_slice(&room.to_le_bytes());
        packed.extend_from_slice(&send.seq.0.to_le_bytes());
        packed.extend_from_slice(&send.n.to_le_bytes());
        packed.extend_from_slice(&send.ts.0.to_le_bytes());
        packed.extend_from_slice(&send.fingerprint);
    }
    packed
}

fn unpack(packed: &[u8]) -> Result<Vec<(Key, Name)>, StoreError> {
    let (names, []) = packed.as_chunks::<PACKED>() else {
        return Err(corrupt("a row of names is cut short"));
    };
    names.iter().map(|name| one(name).ok_or_else(|| corrupt("a name is cut short"))).collect()
}

fn one(packed: &[u8; PACKED]) -> Option<(Key, Name)> {
    let (key, rest) = packed.split_first_chunk()?;
    let (room, rest) = rest.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let (n, rest) = rest.split_first_chunk()?;
    let (ts, rest) = rest.split_first_chunk()?;
    let send = PriorSend {
        seq: Seq(u64::from_le_bytes(*seq)),
        n: u64::from_le_bytes(*n),
        ts: Timestamp(i64::from_le_bytes(*ts)),
        fingerprint: *rest.first_chunk()?,
    };
    Some((*key, Name { room: i64::from_le_bytes(*room), send }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(index: u64) -> (Key, Name) {
        // Spread, as hashes are.
        let key = u128::from(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(index);
        let (seq, ts) = (Seq(index), Timestamp(-7));
        let send = PriorSend { seq, n: index, ts, fingerprint: [9; 16] };
        (key.to_be_bytes(), Name { room: 1 + (index % 3) as i64, send })
    }

    #[test]
    fn packed_names_are_read_back() {
        let some: Vec<_> = (0..5).map(name).collect();
        assert_eq!(unpack(&pack(&some)).expect("whole"), some);
        assert!(unpack(&pack(&some)[1..]).is_err());
    }

    /// Whatever the size of commits, each name is filed once, its row goes after it, and memory holds
    /// no more than some multiple of the bound.
    #[test]
    fn names_are_filed_in_order_and_memory_stays_bounded() {
        for size in [1, 7, 64, 512] {
            let most = 2_000;
            let mut names = Names::read([], most).expect("none");
            let mut filed = std::collections::BTreeSet::new();
            let mut rows = Vec::new();
            for batch in 0..(30_000 / size) {
                let new: Vec<_> = (batch * size..(batch + 1) * size).map(name).collect();
                let slice = names.add(&new);
                rows.push((names.next_row, new.clone()));
                if let Some(slice) = &slice {
                    assert!(slice.names.len() <= MOST_FILED);
                    assert!(slice.names.is_sorted_by_key(|(key, name)| (name.room, *key)));
                    filed.extend(slice.names.iter().map(|(key, _)| *key));
                    rows.retain(|(row, new)| {
                        let gone = slice.done.is_some_and(|done| *row <= done);
                        assert!(!gone || new.iter().all(|(key, _)| filed.contains(key)));
                        !gone
                    });
                }
                names.committed(&new, slice.as_ref());
                assert!(names.len() <= 2 * most + 2 * MOST_FILED, "{}", names.len());
                let kept: usize = rows.iter().map(|(_, new)| new.len()).sum();
                assert_eq!(kept, names.len(), "what is in rows is in memory");
            }
            assert!(filed.len() > 20_000, "{} of them filed", filed.len());
        }
    }
}
