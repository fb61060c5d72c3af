//! Writes to rooms in transactions of the host's own, on SQLite and on PostgreSQL.
#![cfg(all(feature = "postgres", feature = "sqlite"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod host;
mod load;

/// Each of these on both databases.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::cases::$case(crate::host::sqlite().await).await;
            }
        )*}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                // Where PostgreSQL is missing, that has been said.
                let Some(host) = crate::host::postgres().await else { return };
                crate::cases::$case(host).await;
            }
        )*}
    };
}

on_both!(
    what_is_rolled_back_leaves_no_trace,
    what_is_committed_is_told_live_within_100_ms,
    calls_of_one_transaction_keep_their_order,
    what_is_handed_in_twice_takes_effect_once,
    a_later_ordinary_send_of_the_same_is_the_same_message,
    a_room_made_in_a_transaction_is_used_in_it,
    what_cannot_be_is_refused_at_once_and_the_transaction_goes_on,
    who_was_sent_out_meanwhile_is_refused_and_the_host_can_read_why,
    what_a_slower_node_has_read_before_has_no_second_effect,
    what_waits_when_the_process_ends_is_taken_in_by_the_next,
    edits_deletions_and_marks_are_handed_in_too,
    an_open_transaction_holds_up_nobody,
    what_another_version_has_written_does_not_hold_up_the_rest,
);
