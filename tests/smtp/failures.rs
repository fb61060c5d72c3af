//! Servers that refuse, break off, go away; processes that end in between.

use std::sync::Arc;
use std::time::Duration;

use chatcore::clock::{Clock as _, SystemClock};
use chatcore::mail::{MailCounts, MailError, Mailer};
use chatcore::testing::ManualClock;
use chatcore_tests::smtp::{Answer, SmtpServer};

use crate::{at, mail, opened, options, spooled, until};

#[tokio::test]
async fn a_server_that_says_later_is_asked_later() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    server.answer([Answer::Recipient(450), Answer::Message(451), Answer::Cut]);
    let mailer = opened(options(&server), folder.path()).await;
    mailer.send(mail("ann@example.org", "s")).await.unwrap();
    until("it arrives", || server.arrived().len() == 1).await;
    assert_eq!(server.attempts(), 4);
    until("nothing waits", || mailer.counts().waiting == 0).await;
    assert_eq!(mailer.counts(), MailCounts { delivered: 1, ..MailCounts::default() });
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_dropped_and_holds_nobody_up() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    server.answer([Answer::Recipient(550), Answer::Message(554)]);
    let mailer = opened(options(&server), folder.path()).await;
    for to in ["first@example.org", "second@example.org", "third@example.org"] {
        mailer.send(mail(to, "s")).await.unwrap();
    }
    until("the third arrives", || server.arrived().len() == 1).await;
    until("nothing waits", || mailer.counts().waiting == 0).await;
    assert_eq!(mailer.counts(), MailCounts { delivered: 1, refused: 2, ..MailCounts::default() });
    assert_eq!((server.attempts(), spooled(folder.path())), (3, Vec::new()));
    assert_eq!(server.arrived()[0].to, ["third@example.org"]);
}

#[tokio::test]
async fn a_login_that_is_refused_is_no_mails_fault() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    server.answer([Answer::Recipient(530), Answer::Message(535)]);
    let mailer = opened(options(&server), folder.path()).await;
    mailer.send(mail("ann@example.org", "s")).await.unwrap();
    until("it arrives", || server.arrived().len() == 1).await;
    assert_eq!(mailer.counts().refused, 0);
}

#[tokio::test]
async fn a_mail_survives_its_process_and_arrives_from_the_next() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    let address = server.address();
    let slow = options(&server);
    drop(server);
    let mailer = opened(slow.clone(), folder.path()).await;
    for n in 0..3 {
        mailer.send(mail(&format!("ann{n}@example.org"), "s")).await.unwrap();
    }
    // As a crash leaves it; and with what a crash within `send` leaves.
    drop(mailer);
    std::fs::write(folder.path().join("000000000000001-x.mail.unfinished"), "half").unwrap();
    assert_eq!(spooled(folder.path()).len(), 4);
    let server = SmtpServer::at(address).await;
    let mailer = loop {
        // The task of the one before ends a moment after it.
        tokio::task::yield_now().await;
        let clock = Arc::new(SystemClock);
        let random = Arc::new(chatcore::clock::SystemRandom);
        let opened =
            chatcore::mail::SmtpMailer::open(slow.clone(), folder.path(), clock, random).await;
        if let Ok(mailer) = opened {
            break mailer;
        }
    };
    until("all arrive", || server.arrived().len() == 3).await;
    let to: Vec<String> = server.arrived().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, ["ann0@example.org", "ann1@example.org", "ann2@example.org"]);
    until("nothing waits", || mailer.counts().waiting == 0).await;
    assert_eq!(spooled(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_mail_that_went_out_twice_can_be_told_by_its_id() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    server.answer([Answer::TakenAndCut]);
    let mailer = opened(options(&server), folder.path()).await;
    mailer.send(mail("ann@example.org", "s")).await.unwrap();
    until("it arrives twice", || server.arrived().len() == 2).await;
    let [first, second] = &server.arrived()[..] else { panic!("two") };
    assert_eq!(first, second);
    assert!(first.header("Message-ID").is_some_and(|id| id.ends_with("@example.org>")));
}

#[tokio::test]
async fn mails_that_wait_are_bounded_in_number() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    server.always(Some(Answer::Busy));
    let mut few = options(&server);
    few.max_waiting = 3;
    let mailer = opened(few, folder.path()).await;
    for _ in 0..3 {
        mailer.send(mail("ann@example.org", "s")).await.unwrap();
    }
    let full = mailer.send(mail("ann@example.org", "s")).await.expect_err("it is full");
    assert!(matches!(full, MailError::Unavailable(_)), "{full:?}");
    assert_eq!(spooled(folder.path()).len(), 3);
    server.always(None);
    until("they arrive", || server.arrived().len() == 3).await;
    until("there is room", || mailer.counts().waiting == 0).await;
    mailer.send(mail("ann@example.org", "s")).await.expect("there is room again");
}

#[tokio::test]
async fn mails_are_given_up_after_their_time() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    server.always(Some(Answer::Message(451)));
    let clock = Arc::new(ManualClock::at(SystemClock.now().0));
    let mailer = at(options(&server), folder.path(), clock.clone()).await;
    mailer.send(mail("ann@example.org", "s")).await.unwrap();
    until("it is tried a few times", || server.attempts() >= 3).await;
    assert_eq!(mailer.counts().given_up, 0);
    clock.advance(Duration::from_secs(24 * 3600 + 1));
    until("it is given up", || mailer.counts().given_up == 1).await;
    assert_eq!((mailer.counts().waiting, spooled(folder.path())), (0, Vec::new()));
}

#[tokio::test]
async fn while_the_server_is_away_it_is_asked_less_and_less_often() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    server.always(Some(Answer::Busy));
    let mailer = opened(options(&server), folder.path()).await;
    for _ in 0..20 {
        mailer.send(mail("ann@example.org", "s")).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Not once for each mail: 20 ms, 40, 80, 160 and then 200 ms, each give or take a half.
    assert!((2..=16).contains(&server.attempts()), "{}", server.attempts());
    assert_eq!(mailer.counts().waiting, 20);
}

#[tokio::test]
async fn a_file_that_is_no_mail_is_laid_aside() {
    let (server, folder) = (SmtpServer::start().await, tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("000000000000001-x.mail"), b"\xff not a mail").unwrap();
    let clock = Arc::new(ManualClock::at(1000));
    let mailer = at(options(&server), folder.path(), clock).await;
    mailer.send(mail("ann@example.org", "s")).await.unwrap();
    until("the other arrives", || server.arrived().len() == 1).await;
    until("nothing waits", || mailer.counts().waiting == 0).await;
    assert_eq!(spooled(folder.path()), ["000000000000001-x.mail.unreadable"]);
}
