//! What every [`RoomStore`](crate::store::RoomStore) must show of what the
//! [`LogStore`](crate::store::LogStore) beside it has written, and the rules that the latter runs.
//! Each case takes a fresh, empty store.

mod blocking;
mod invite_links;
mod listing;
mod membership;
mod moderation;
mod succession;

pub use blocking::*;
pub use invite_links::*;
pub use listing::*;
pub use membership::*;
pub use moderation::*;
pub use succession::*;

/// Tests a [`RoomStore`](crate::store::RoomStore): writes each case of this suite as a test of its own.
///
/// `$open` is an async closure that opens an empty store, and gives beside it whatever must outlive
/// it:
///
/// ```ignore
/// room_store_suite!(async || (MyStore::open().await, ()));
/// ```
#[macro_export]
macro_rules! room_store_suite {
    (in one, $open:expr) => {
        $crate::room_store_suite!(@ store_cases_in_one, $open);
    };
    (@ $cases:ident, $open:expr) => {
        $crate::$cases!(
            room_suite,
            $open,
            [
                // membership
                a_new_room_is_as_it_was_asked_for,
                making_a_room_that_is_there_enters_it,
                entering_twice_is_entering_once,
                leaving_needs_that_one_is_in,
                an_invitation_is_turned_down_without_a_word,
                a_direct_room_is_one_for_each_pair,
                a_direct_room_is_reopened_for_both,
                a_private_room_is_as_if_it_were_not_there,
                an_invitation_opens_a_private_room,
                members_of_a_room_are_bounded,
                rooms_of_one_user_are_bounded,
                who_was_sent_out_may_enter_as_many_rooms_again,
                the_host_is_no_member_but_every_room_is_open_to_it,
                // succession
                the_last_to_leave_ends_the_room,
                a_kept_room_outlives_its_last_member,
                leaving_and_entering_in_one_batch_go_in_order,
                the_last_leaver_and_a_newcomer_in_one_batch,
                the_highest_role_inherits_then_the_longest_in,
                two_owners_leave_in_one_batch,
                an_heir_who_leaves_in_the_same_batch_is_none,
                who_was_demoted_in_the_same_batch_inherits_last,
                coming_back_is_to_come_last,
                a_room_whose_owner_the_host_sends_out_finds_another,
                // moderation
                roles_are_given_by_owners_alone,
                the_last_owner_stays_one,
                nobody_acts_on_their_equals_or_betters,
                nobody_acts_on_themselves,
                who_is_kicked_is_out_and_may_come_back,
                a_role_does_not_outlive_a_kick,
                who_is_banned_stays_out_until_the_ban_ends,
                a_ban_is_lifted,
                a_stranger_can_be_banned_beforehand,
                who_is_muted_reads_and_does_not_write,
                a_mute_outlives_leaving,
                a_direct_room_has_no_moderation,
                strangers_and_guests_moderate_nothing,
                a_room_is_described_by_its_owners,
                a_description_that_changes_nothing_makes_no_entry,
                slow_mode_spaces_out_messages_of_members,
                slow_mode_holds_within_a_batch,
                // invite links
                a_link_lets_strangers_into_a_private_room,
                a_link_lets_in_as_many_as_it_says,
                a_race_for_a_link_has_as_many_winners_as_it_has_uses,
                a_link_that_is_over_lets_nobody_in,
                links_of_a_room_are_bounded,
                links_are_made_by_moderators,
                a_link_lifts_no_ban,
                a_link_ends_with_its_room,
                a_link_brings_in_no_more_than_the_room_holds,
                // blocking
                who_is_blocked_opens_no_direct_room,
                who_is_blocked_writes_nothing_in_a_direct_room,
                who_is_blocked_invites_nobody_who_blocks_them,
                blocked_people_are_bounded,
                blocking_and_opening_at_once_leave_nobody_unblocked,
                // listing
                what_a_member_wants_to_be_told_of_is_kept,
                rooms_are_listed_in_pages_by_id,
                visible_rooms_are_public_ones_and_ones_own,
                deleted_rooms_are_listed_nowhere,
                heads_are_told_of_rooms_that_are_there_or_were,
                members_are_listed_in_pages_by_id,
                only_who_is_in_is_listed,
                a_room_is_shown_with_how_one_stands_to_it,
            ]
        );
    };
    ($open:expr) => {
        $crate::room_store_suite!(@ store_cases, $open);
    };
}
