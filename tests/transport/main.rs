//! One list of scenarios over every wire, and the same conversation over all of them.
//!
//! A peer says and hears frames; what carries them is in [`wire`]. A scenario says nothing of it, so
//! that what holds for one transport is known to hold for all.

mod delivery;
mod ending;
mod native;
mod parity;
mod refusals;
mod stage;
mod talk;
mod wire;

/// Runs each scenario, an `async fn(Stage)`, over every wire.
macro_rules! over_every_wire {
    ($($module:ident :: $scenario:ident),+ $(,)?) => {
        over_every_wire!(@ memory, Memory, $($module::$scenario),+);
        over_every_wire!(@ websocket_json, WebSocketJson, $($module::$scenario),+);
        over_every_wire!(@ websocket_msgpack, WebSocketMsgpack, $($module::$scenario),+);
        over_every_wire!(@ quic, Quic, $($module::$scenario),+);
    };
    (@ $name:ident, $wire:ident, $($module:ident :: $scenario:ident),+) => {
        mod $name {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let stage = crate::stage::Stage::open(crate::wire::Wire::$wire).await;
                crate::$module::$scenario(stage).await;
            })+
        }
    };
}

over_every_wire!(
    talk::a_room_is_made_entered_and_listed,
    talk::what_is_said_reaches_all_its_sender_too,
    talk::a_send_takes_effect_once_and_another_under_its_name_is_a_conflict,
    talk::messages_are_changed_reacted_to_pinned_and_deleted,
    talk::history_is_read_in_pages_from_both_ends,
    talk::marks_move_forward_and_are_told,
    talk::who_has_read_a_message_is_listed,
    talk::a_link_is_made_looked_at_used_and_revoked,
    talk::one_who_is_blocked_is_told_nothing_and_says_nothing,
    talk::what_one_wants_to_be_told_of_is_known_on_all_devices,
    talk::signals_reach_the_others_and_are_not_kept,
    delivery::a_cursor_brings_what_was_and_then_what_comes,
    delivery::a_cursor_of_elsewhere_is_told_so,
    delivery::a_hello_takes_up_rooms_where_they_were_left,
    delivery::nothing_comes_after_unsubscribing,
    delivery::one_who_does_not_ack_gets_a_window_then_a_gap_and_catches_up,
    delivery::one_room_that_is_full_holds_up_no_other,
    ending::one_who_is_kicked_hears_nothing_later,
    ending::a_revoked_session_is_closed_at_once,
    ending::a_server_that_stops_says_so_and_answers_first,
    ending::one_who_hangs_up_is_gone_for_the_others,
    refusals::without_a_good_token_nobody_is_let_in,
    refusals::a_second_hello_or_none_closes_the_connection,
    refusals::requests_that_are_wrong_are_answered_and_the_connection_lives,
    refusals::bytes_that_are_no_frame_close_the_connection,
    refusals::a_room_that_one_may_not_know_of_is_not_there,
    refusals::what_only_others_may_do_is_forbidden,
);
