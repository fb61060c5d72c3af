//! Who ends a server when the process that wanted it is gone.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Starts the server when told to, and ends it and removes its folder once nobody holds the other end of
/// its standard input: at the drop of the owner, and as well when the owner's process is killed. That is the
/// kernel's doing, so that no signal, no thread and no `unsafe` is needed for it.
const SCRIPT: &str = r#"
folder=$1
shift
server=
while read -r command; do
    [ -z "$server" ] || wait "$server"
    "$@" </dev/null >>"$folder/log" 2>&1 &
    server=$!
    echo "$server"
done
if [ -n "$server" ]; then
    kill -s QUIT "$server"
    kill -s CONT "$server"
    wait "$server"
fi
rm -rf "$folder"
"#;

/// Guards one server. Dropped, it waits until the server has ended.
#[derive(Debug)]
pub(crate) struct Guardian {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guardian {
    /// Guards what `server` starts, which keeps everything in `folder`; under another user if one is
    /// given.
    pub(crate) fn of(server: &[&str], folder: &Path, user: Option<(u32, u32)>) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(SCRIPT).arg("guardian").arg(folder).args(server);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // What ends a group of processes at once, such as the keyboard or a test runner, must not end this
        // one before its work is done.
        command.process_group(0).current_dir("/");
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        let mut process = command.spawn().expect("a shell starts");
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { process, orders, answers }
    }

    /// Starts the server, once the one before has ended; its process's id.
    pub(crate) fn launch(&mut self) -> u32 {
        let orders = self.orders.as_mut().expect("open until dropped");
        orders.write_all(b"start\n").expect("the guardian listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the guardian answers");
        answer.trim().parse().expect("a process's id")
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Err(error) = self.process.wait() {
            eprintln!("a server may be left behind: {error}");
        }
    }
}
