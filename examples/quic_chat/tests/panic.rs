//! What becomes of the terminal when the program has a fault: tried in a terminal of its own.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::screen::Screen;

const FAULT: &str = "a fault on purpose";

/// As in the program: one of its tasks panics while the terminal is taken.
#[test]
#[ignore = "takes the terminal, and ends the process: the test below starts it in one of its own"]
fn takes_the_terminal_and_panics() {
    let _screen = Screen::take().unwrap();
    let raw = LocalFlags::ICANON | LocalFlags::ECHO;
    assert!(!tcgetattr(std::io::stdin()).unwrap().local_flags.intersects(raw), "it is taken");
    let fault = std::thread::spawn(|| panic!("{FAULT}")).join();
    unreachable!("the program has ended with it: {fault:?}");
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_told_there() {
    let pty = openpty(None, None).unwrap();
    let before = tcgetattr(&pty.slave).unwrap();
    assert!(before.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO));
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    let path = format!("{}::takes_the_terminal_and_panics", module_path!());
    // Tests are named without the crate.
    let name = path.split_once("::").unwrap().1;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .unwrap();
    let mut master = File::from(pty.master.try_clone().unwrap());
    let reading = std::thread::spawn(move || {
        let (mut said, mut part) = (Vec::new(), [0; 4096]);
        // It fails once nobody has the other end.
        while let Ok(count @ 1..) = master.read(&mut part) {
            said.extend_from_slice(&part[..count]);
        }
        said
    });
    let ended = child.wait().unwrap();
    let after = tcgetattr(&pty.slave).unwrap();
    drop(pty.slave);
    let said = reading.join().unwrap();
    let said = String::from_utf8_lossy(&said);

    assert_eq!(ended.code(), Some(101), "{said}");
    assert_eq!(after, before, "what is typed shows again");
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("no {text:?} in {said:?}"));
    let (taken, given_back) = (at("\u{1b}[?1049h"), at("\u{1b}[?1049l"));
    assert!(
        taken < given_back && given_back < at(FAULT),
        "it is told where it can be read: {said:?}"
    );
    assert!(given_back < at("\u{1b}[?25h"), "with its cursor");
    assert!(!said.contains("unreachable"), "nothing went on: {said:?}");
}
