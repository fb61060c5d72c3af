//! What every [`LogStore`](crate::store::LogStore) must do, together with the
//! [`RoomStore`](crate::store::RoomStore) beside it. Each case takes a fresh, empty store.

mod changing;
mod expiring;
mod mentioning;
mod reacting;
mod reading;
mod sending;

pub use changing::*;
pub use expiring::*;
pub use mentioning::*;
pub use reacting::*;
pub use reading::*;
pub use sending::*;

/// Tests a [`LogStore`](crate::store::LogStore): writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// log_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! log_store_suite {
    (in one, $open:expr) => {
        $crate::log_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            log_suite,
            $open,
            [
                // sending
                entries_are_dense_and_messages_are_counted,
                commits_side_by_side_leave_no_hole,
                the_same_send_takes_effect_once,
                the_same_send_twice_in_a_batch_takes_effect_once,
                the_same_name_for_another_body_is_refused,
                a_name_outlives_its_message,
                a_name_outlives_its_room,
                names_are_each_senders_own_and_each_rooms,
                a_rejected_command_leaves_the_rest_of_its_batch_intact,
                an_empty_batch_is_nothing,
                what_was_sent_comes_back_unchanged,
                a_reply_needs_a_message_of_the_room,
                a_large_batch_is_one_commit,
                // changing
                an_edit_changes_the_message_where_it_stands,
                an_edit_takes_effect_once,
                only_its_author_edits_a_message,
                an_edit_must_leave_something,
                a_deletion_empties_the_message_and_keeps_its_place,
                a_deletion_takes_effect_once,
                who_may_delete_a_message,
                what_is_deleted_cannot_be_changed,
                a_deletion_takes_the_text_of_earlier_edits,
                a_message_is_changed_in_the_batch_that_sends_it,
                of_an_edit_and_a_deletion_in_a_batch_the_first_goes_first,
                a_message_of_another_room_is_none,
                // reacting
                a_reaction_counts_once_for_each_who_gives_it,
                a_reaction_taken_back_is_gone,
                reactions_stand_in_the_order_of_their_first_use,
                different_reactions_are_bounded,
                reactions_of_a_batch_see_each_other,
                pins_are_bounded_and_for_moderators,
                a_deleted_message_is_unpinned,
                // mentioning
                a_mention_counts_until_it_is_read,
                only_members_are_mentioned_and_each_once,
                who_comes_back_has_no_mentions,
                mentions_that_are_counted_are_bounded,
                mentions_agree_with_a_recount_from_the_log,
                // expiring
                what_is_too_old_is_read_no_more,
                only_the_host_lets_go_of_what_is_old,
                a_floor_only_rises,
                what_edits_of_old_messages_said_goes_with_them,
                counts_stay_right_when_old_messages_go,
                how_long_messages_are_kept_is_the_owners_to_say,
                rooms_that_keep_messages_for_a_time_are_listed,
                // reading
                entries_are_read_from_any_cursor,
                pages_of_messages_pass_over_other_entries,
                pages_of_messages_meet_without_overlap,
                an_unknown_room_reads_as_empty,
                the_log_of_a_deleted_room_is_unreadable,
                a_room_made_anew_knows_nothing_of_the_old_one,
                runs_tell_the_order_of_commits,
                marks_move_forward_only,
                unread_is_what_others_said_since,
                a_mark_counts_what_its_own_batch_sent,
                a_mark_beyond_the_head_is_refused,
                a_mark_below_what_was_swept_counts_right,
                a_sweep_is_bounded_and_takes_only_what_is_dead,
                what_is_swept_is_not_missed,
                everything_ever_made_is_counted,
            ]
        );
    };
    ($open:expr) => {
        $crate::log_store_suite!(@ store_cases, $open);
    };
}
