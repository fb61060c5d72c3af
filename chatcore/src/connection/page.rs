//! Pages of messages that fit into a frame.

use crate::log::{Anchor, HistoryPage, Message};
use crate::protocol::frame::PinList;

/// About how many bytes of messages one answer holds. Clients of WebSocket libraries that take
/// 1 MiB by default can read it whatever the messages are.
const PAGE_BYTES: usize = 512 * 1024;

/// Leaves out messages far from `anchor` where all would be too long for a frame. At least one
/// stays, and the page says on which side there is more.
pub(super) fn fitted(page: HistoryPage, anchor: Anchor) -> HistoryPage {
    fitted_to(page, anchor, PAGE_BYTES)
}

/// Leaves out the last of pinned messages where all would be too long for a frame. At least one stays,
/// and the page says that there are more.
pub(super) fn fitted_pins(mut page: PinList) -> PinList {
    let mut left = PAGE_BYTES;
    let fit = page.pinned.iter().take_while(|message| {
        let weight = weight(message);
        let fits = weight <= left;
        left = left.saturating_sub(weight);
        fits
    });
    let fit = fit.count().max(1);
    if fit < page.pinned.len() {
        page.pinned.truncate(fit);
        page.next = page.pinned.last().map(|message| message.seq);
    }
    page
}

fn fitted_to(mut page: HistoryPage, anchor: Anchor, most: usize) -> HistoryPage {
    let count = page.messages.len();
    if count == 0 || page.messages.iter().map(weight).sum::<usize>() <= most {
        return page;
    }
    let nearest = match anchor {
        Anchor::Newest | Anchor::Before(_) => count - 1,
        Anchor::After(_) => 0,
        Anchor::Around(seq) => page.messages.partition_point(|m| m.seq < seq).min(count - 1),
    };
    let (mut from, mut to) = (nearest, nearest + 1);
    let mut left = most.saturating_sub(weight(&page.messages[nearest]));
    loop {
        let older = from.checked_sub(1).map(|at| weight(&page.messages[at]));
        let newer = page.messages.get(to).map(weight);
        // The side that is shorter so far goes first, so that both grow alike around an anchor.
        let older_first = nearest - from < to - nearest;
        match (older.filter(|w| *w <= left), newer.filter(|w| *w <= left)) {
            (Some(weight), newer) if older_first || newer.is_none() => {
                from -= 1;
                left -= weight;
            }
            (_, Some(weight)) => {
                to += 1;
                left -= weight;
            }
            (..) => break,
        }
    }
    page.found_newest &= to == count;
    page.found_oldest &= from == 0;
    page.messages.truncate(to);
    page.messages.drain(..from);
    page
}

/// About how long a message is in a frame.
fn weight(message: &Message) -> usize {
    let meta = message.meta.as_ref().map_or(0, |meta| meta.to_string().len());
    let names: usize = message.attachments.iter().map(|file| 200 + file.name.len()).sum();
    let called: usize = message.mentions.iter().map(|user| 3 + user.as_str().len()).sum();
    400 + message.text.len() + meta + names + called + 100 * message.reactions.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::{MessageId, Seq, UserId};

    /// Messages 1 to 9, of 1,000 bytes each.
    fn page() -> HistoryPage {
        let message = |n: u64| Message {
            seq: Seq(n),
            n,
            message_id: MessageId::from_bytes([0; 16]),
            user: UserId::parse("alice").expect("valid"),
            ts: Timestamp(0),
            text: "x".repeat(600),
            reply_to: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            meta: None,
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
            pinned: false,
        };
        HistoryPage {
            messages: (1..=9).map(message).collect(),
            found_oldest: true,
            found_newest: true,
        }
    }

    fn fit(anchor: Anchor, most: usize) -> (Vec<u64>, bool, bool) {
        let page = fitted_to(page(), anchor, most);
        let seqs = page.messages.iter().map(|message| message.seq.0).collect();
        (seqs, page.found_oldest, page.found_newest)
    }

    #[test]
    fn a_page_that_fits_stays_whole() {
        assert_eq!(fit(Anchor::Newest, 9_000), ((1..=9).collect(), true, true));
    }

    #[test]
    fn what_is_far_from_the_anchor_is_left_out_and_said_to_be_there() {
        assert_eq!(fit(Anchor::Newest, 3_500), (vec![7, 8, 9], false, true));
        assert_eq!(fit(Anchor::Before(Seq(10)), 2_000), (vec![8, 9], false, true));
        assert_eq!(fit(Anchor::After(Seq(0)), 3_000), (vec![1, 2, 3], true, false));
        assert_eq!(fit(Anchor::Around(Seq(5)), 3_000), (vec![4, 5, 6], false, false));
        assert_eq!(fit(Anchor::Around(Seq(2)), 5_000), (vec![1, 2, 3, 4, 5], true, false));
    }

    #[test]
    fn pins_that_do_not_fit_are_on_the_next_page() {
        let long = |seq| Message {
            seq: Seq(seq),
            text: "x".repeat(PAGE_BYTES / 3),
            ..page().messages.remove(0)
        };
        let fitted = fitted_pins(PinList::page((1..=4).map(long).collect(), 50));
        assert_eq!((fitted.pinned.len(), fitted.next), (2, Some(Seq(2))));
        let one = Message { text: "x".repeat(2 * PAGE_BYTES), ..long(9) };
        let fitted = fitted_pins(PinList::page(vec![one], 50));
        assert_eq!((fitted.pinned.len(), fitted.next), (1, None));
    }

    #[test]
    fn one_message_stays_however_long() {
        assert_eq!(fit(Anchor::Newest, 10), (vec![9], false, true));
        assert_eq!(fit(Anchor::Around(Seq(99)), 10), (vec![9], false, true));
    }
}
