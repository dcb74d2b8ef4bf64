//! The service and queue hosts: a Python program on plain sockets, and socat.

use tokio::io::AsyncWriteExt;

use crate::supervise::DriverState;
use crate::testing::{Hall, Peer, debian, device, free_port};

const CALL: &str = "1|5771|请B008到5771窗口|00|B008,5771";

fn open(port: &str, more: &str) -> Hall {
    let settings = format!("listen = '127.0.0.1:{port}'\nwindows = {{ 5771 = '3' }}\n{more}");
    Hall::open(vec![device("host", "legacy-text", &settings)])
}

async fn connect(port: &str) -> Peer {
    Peer::python("legacy_text/peers/queue_host.py", &["127.0.0.1", port]).await
}

/// Sends a line without an end, as in the field; gives the answer.
async fn ask(host: &mut Peer, line: &str, answer: &str) {
    host.tell(&format!("send {line}")).await;
    answered(host, answer).await;
}

async fn answered(host: &mut Peer, answer: &str) {
    host.tell(&format!("read {}", answer.len())).await;
    assert_eq!(host.line().await, format!("answer {answer}"));
}

#[tokio::test]
async fn a_queue_host_calls_recalls_and_shows_as_ever() {
    let port = free_port();
    let hall = open(&port, "screens = { 128 = 'board' }");
    let mut host = connect(&port).await;
    ask(&mut host, CALL, "0").await;
    // The answer says that it is on disk.
    assert_eq!(hall.said("host"), ["called B008 3", "up"]);
    ask(&mut host, "2|1|B008|5771|顾客", "0").await;
    ask(&mut host, CALL, "0").await;
    ask(&mut host, "1|1|请A001到01窗口|00|A001,01", "0").await;
    ask(&mut host, "1|5771|暂停服务|00|", "0").await;
    ask(&mut host, "1|128|欢迎光临|00|", "0").await;
    ask(&mut host, "WATCH_MANAGE", "9999").await;
    assert_eq!(
        hall.said("host")[2..],
        [
            "speak 3: 请B008号到3号窗口",
            "recalled B008 3",
            "called A001 1",
            "text 3: 暂停服务",
            "text board: 欢迎光临",
        ]
    );
    hall.close().await;
}

#[tokio::test]
async fn a_line_ends_with_a_newline_a_silence_or_the_connection() {
    let port = free_port();
    let hall = open(&port, "");
    let mut host = connect(&port).await;
    host.tell(&format!("line {CALL}")).await;
    answered(&mut host, "0").await;
    host.tell(&format!("pieces {CALL}")).await;
    answered(&mut host, "0").await;
    // Two in one segment, the second without an end.
    host.tell("hex 327C317C41317C317C0A327C317C41327C317C").await;
    answered(&mut host, "00").await;
    host.tell(&format!("send {CALL}")).await;
    host.tell("close").await;
    answered(&mut host, "0").await;
    host.tell("read 1").await;
    assert_eq!(host.line().await, "end");
    assert_eq!(hall.said("host").iter().filter(|said| *said == "recalled B008 3").count(), 2);
    hall.close().await;
}

/// Nothing of ours on the other side: a line through a pipe, whose end closes the connection.
#[tokio::test]
async fn socat_is_a_queue_host_too() {
    let port = free_port();
    let hall = open(&port, "");
    let mut command = debian("socat");
    let address = format!("TCP:127.0.0.1:{port},retry=100,interval=0.05");
    command.args(["-t", "15", "-", &address]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut socat = command.spawn().unwrap();
    let mut input = socat.stdin.take().unwrap();
    let (line, _, _) = encoding_rs::GBK.encode(CALL);
    input.write_all(&line).await.unwrap();
    drop(input);
    let output = socat.wait_with_output().await.unwrap();
    assert_eq!(output.stdout, b"0");
    assert_eq!(hall.said("host"), ["called B008 3", "up"]);
    hall.close().await;
}

#[tokio::test]
async fn bad_lines_are_refused_and_counted_and_do_no_harm() {
    let port = free_port();
    let hall = open(&port, "");
    let mut host = connect(&port).await;
    ask(&mut host, "1|1|text|00", "-1").await;
    ask(&mut host, "3|1|text|00|", "-1").await;
    ask(&mut host, "1|1|text|00|A 1,1", "-1").await;
    ask(&mut host, "1|1|text|00|A1,a b", "-1").await;
    host.tell("hex FFFB1F").await;
    answered(&mut host, "-1").await;
    host.tell(&format!("line {}", "x".repeat(5000))).await;
    answered(&mut host, "-1").await;
    assert_eq!(hall.status("host").bad_frames, 6);
    assert!(hall.said("host").is_empty());
    ask(&mut host, CALL, "0").await;
    hall.close().await;
}

#[tokio::test]
async fn what_the_journal_refuses_is_not_called_taken() {
    let port = free_port();
    let hall = open(&port, "");
    let mut host = connect(&port).await;
    hall.refuse(1);
    ask(&mut host, CALL, "-1").await;
    host.tell("read 1").await;
    assert_eq!(host.line().await, "end");
    assert!(hall.said("host").is_empty());
    // The service is back by itself, and the host with it.
    host.tell("connect").await;
    ask(&mut host, CALL, "0").await;
    hall.says("host", 0, "called B008 3").await;
    hall.close().await;
}

#[tokio::test]
async fn a_host_that_goes_and_comes_is_served_again() {
    let port = free_port();
    let hall = open(&port, "");
    let mut host = connect(&port).await;
    ask(&mut host, CALL, "0").await;
    host.kill().await;
    let mut host = connect(&port).await;
    ask(&mut host, CALL, "0").await;
    assert_eq!(hall.said("host"), ["called B008 3", "up", "recalled B008 3"]);
    hall.close().await;
}

#[tokio::test]
async fn only_the_peers_of_the_settings_are_served() {
    let port = free_port();
    let hall = open(&port, "peers = ['127.0.0.2']");
    let mut stranger = connect(&port).await;
    stranger.tell("read 1").await;
    assert_eq!(stranger.line().await, "end");
    let script = "legacy_text/peers/queue_host.py";
    let mut host = Peer::python(script, &["127.0.0.1", &port, "127.0.0.2"]).await;
    ask(&mut host, CALL, "0").await;
    hall.close().await;
}

#[tokio::test]
async fn one_connection_too_many_and_one_too_silent_are_closed() {
    let port = free_port();
    let hall = open(&port, "connections = 1\nidle_s = 10");
    let mut host = connect(&port).await;
    ask(&mut host, CALL, "0").await;
    let mut other = connect(&port).await;
    other.tell("read 1").await;
    assert_eq!(other.line().await, "end");
    host.tell("read 1").await;
    assert_eq!(host.line().await, "end");
    let mut later = connect(&port).await;
    ask(&mut later, CALL, "0").await;
    hall.close().await;
}

#[tokio::test]
async fn lines_in_utf_8_and_hosts_that_only_speak() {
    let port = free_port();
    let hall = open(&port, "encoding = 'utf-8'\ncalls = 'voice'");
    let mut host = connect(&port).await;
    host.tell("utf8 2|1|贵宾1|5771|").await;
    answered(&mut host, "0").await;
    host.tell("utf8 1|5771|请贵宾1到3号|00|贵宾1,5771").await;
    answered(&mut host, "0").await;
    assert_eq!(
        hall.said("host"),
        ["called 贵宾1 3", "up", "text 3: 请贵宾1到3号"]
    );
    hall.close().await;
}

#[tokio::test]
async fn a_port_in_use_is_said_and_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let hall = open(&port, "");
    let restarting = |hall: &Hall| hall.status("host").state == DriverState::Restarting;
    hall.until("a failure", restarting).await;
    let detail = hall.status("host").detail.unwrap();
    assert!(detail.contains("cannot listen"), "{detail}");
    drop(listener);
    let mut host = connect(&port).await;
    ask(&mut host, CALL, "0").await;
    hall.says("host", 0, "called B008 3").await;
    hall.close().await;
}
