//! A mail server within the test's own process, which takes what it is sent, or does as it is told.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A mail as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The address of the envelope that it comes from.
    pub from: String,
    /// The addresses of the envelope that it goes to.
    pub to: Vec<String>,
    /// The message, its dots unstuffed; lines end with CR LF.
    pub message: String,
}

impl Arrived {
    /// A header's value, its folded lines joined.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.message.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }
}

/// What the server does with a mail instead of taking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Answers the recipient with this code.
    Recipient(u16),
    /// Answers the message with this code.
    Message(u16),
    /// Closes the connection in the middle of the message.
    Cut,
    /// Takes the message, and closes the connection instead of saying so.
    TakenAndCut,
    /// Greets with 421 and closes.
    Busy,
}

#[derive(Default)]
struct State {
    arrived: Vec<Arrived>,
    /// What is done with the next mails.
    answers: VecDeque<Answer>,
    /// And with all after them.
    always: Option<Answer>,
    attempts: usize,
}

/// A mail server on a port of this machine, until it is dropped.
pub struct SmtpServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl SmtpServer {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Starts one at this address.
    pub async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                // A client that hangs up is part of what is tested.
                let state = Arc::clone(&shared);
                connections.spawn(async move { drop(talk(socket, &state).await) });
            }
        });
        Self { address, state, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL by which mail is sent here.
    pub fn url(&self) -> String {
        format!("smtp://{}?from=Chat%20%3Cchat@example.org%3E", self.address)
    }

    /// What is done with the next mails, in turn; those after them are taken.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        locked(&self.state).answers = answers.into_iter().collect();
    }

    /// What is done with every mail that nothing else was said of.
    pub fn always(&self, answer: Option<Answer>) {
        locked(&self.state).always = answer;
    }

    /// What arrived so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        locked(&self.state).arrived.clone()
    }

    /// How many mails it was offered.
    pub fn attempts(&self) -> usize {
        locked(&self.state).attempts
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection, from the greeting to the end.
async fn talk(socket: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    if locked(state).always == Some(Answer::Busy) {
        locked(state).attempts += 1;
        return write.write_all(b"421 later\r\n").await;
    }
    write.write_all(b"220 harness\r\n").await?;
    let (mut from, mut to, mut answer) = (String::new(), Vec::new(), None);
    while let Some(line) = lines.next_line().await? {
        let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match &*verb {
            "EHLO" => "250-harness\r\n250-8BITMIME\r\n250 SMTPUTF8".to_owned(),
            "MAIL" => {
                let mut state = locked(state);
                state.attempts += 1;
                answer = state.answers.pop_front().or(state.always);
                (from, to) = (address(), Vec::new());
                "250 ok".to_owned()
            }
            "RCPT" => match answer {
                Some(Answer::Recipient(code)) => format!("{code} <{}> no", address()),
                _ => {
                    to.push(address());
                    "250 ok".to_owned()
                }
            },
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut message = String::new();
                while let Some(line) = lines.next_line().await? {
                    match line.strip_prefix('.') {
                        Some("") => break,
                        unstuffed => message.push_str(unstuffed.unwrap_or(&line)),
                    }
                    message.push_str("\r\n");
                    if answer == Some(Answer::Cut) {
                        return Ok(());
                    }
                }
                match answer {
                    Some(Answer::Message(code)) => format!("{code} no"),
                    _ => {
                        let arrived = Arrived { from: from.clone(), to: to.clone(), message };
                        locked(state).arrived.push(arrived);
                        if answer == Some(Answer::TakenAndCut) {
                            return Ok(());
                        }
                        "250 taken".to_owned()
                    }
                }
            }
            "RSET" | "NOOP" => "250 ok".to_owned(),
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => "502 what?".to_owned(),
        };
        write.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}
