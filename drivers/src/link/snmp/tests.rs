//! The client against agents that answer late, twice, wrong or not at all.

use super::*;

const COLUMN: &[u32] = &[1, 3, 6, 1, 9];

fn access(peer: String, version: Version) -> Access {
    Access {
        peer,
        version,
        community: Community("public".into()),
        timeout: Duration::from_millis(100),
        retries: 2,
    }
}

/// Starts an agent that gives these datagrams for each request, each after so many milliseconds.
async fn agent<F>(answer: F) -> String
where
    F: Fn(Message) -> Vec<(u64, Vec<u8>)> + Send + 'static,
{
    let socket = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let peer = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut bytes = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
            let (message, _) = Message::read(&bytes[..length]).unwrap();
            for (ms, datagram) in answer(message) {
                let socket = std::sync::Arc::clone(&socket);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    socket.send_to(&datagram, from).await.unwrap();
                });
            }
        }
    });
    peer
}

fn answer(request: &Message, values: Vec<(Oid, Value)>) -> Message {
    let kind = Kind::Answer;
    Message {
        kind,
        values,
        ..request.clone()
    }
}

/// What a table of the rows 1 to `rows` has behind each name: its own number.
fn table(request: &Message, rows: u32) -> Vec<(Oid, Value)> {
    let behind = |name: &Oid| {
        let row = name.below(COLUMN).and_then(|index| index.first());
        let next = row.copied().unwrap_or(0) + 1;
        match next <= rows {
            true => (Oid([COLUMN, &[next]].concat()), Value::Integer(next.into())),
            false => (name.clone(), Value::End),
        }
    };
    request
        .values
        .iter()
        .map(|(name, _)| behind(name))
        .collect()
}

async fn walked(peer: String, version: Version) -> Result<Vec<i64>, SnmpError> {
    let mut agent = Agent::open(access(peer, version), Tap::default()).await?;
    let walk = agent.walk(&[COLUMN]).await?;
    Ok(walk.integers(COLUMN).map(|(_, number)| number).collect())
}

#[tokio::test]
async fn a_table_is_read_to_its_end() {
    let honest = |request: Message| {
        let answer = answer(&request, table(&request, 5));
        vec![(0, answer.write(b"public"))]
    };
    let peer = agent(honest).await;
    assert_eq!(walked(peer, Version::V2c).await.unwrap(), [1, 2, 3, 4, 5]);
    let endless = |request: Message| {
        let answer = answer(&request, table(&request, u32::MAX));
        vec![(0, answer.write(b"public"))]
    };
    let peer = agent(endless).await;
    let rows = walked(peer, Version::V2c).await.unwrap().len();
    assert_eq!(rows, ROWS_MAX);
}

#[tokio::test]
async fn version_1_ends_a_table_by_an_error() {
    let honest = |request: Message| {
        let values = table(&request, 2);
        let mut reply = answer(&request, values);
        if reply.values[0].1 == Value::End {
            reply = answer(&request, request.values.clone());
            (reply.status, reply.index) = (NO_SUCH_NAME, 1);
        }
        vec![(0, reply.write(b"public"))]
    };
    let peer = agent(honest).await;
    assert_eq!(walked(peer, Version::V1).await.unwrap(), [1, 2]);
}

/// What is not the answer says 666, and comes before the answer does.
#[tokio::test]
async fn only_the_answer_of_the_right_number_agent_and_community_is_taken() {
    let lying = |request: Message| {
        let lie: Vec<(Oid, Value)> = table(&request, 1)
            .into_iter()
            .map(|(name, _)| (name, Value::Integer(666)))
            .collect();
        let mut other_id = answer(&request, lie.clone());
        other_id.id -= 1;
        let mut other_version = answer(&request, lie.clone());
        other_version.version = Version::V1;
        let mut echo = answer(&request, lie.clone());
        echo.kind = Kind::Next;
        let truth = answer(&request, table(&request, 1));
        vec![
            (0, other_id.write(b"public")),
            (0, other_version.write(b"public")),
            (0, echo.write(b"public")),
            (0, answer(&request, lie).write(b"private")),
            (0, b"\x30\x82noise".to_vec()),
            (40, truth.write(b"public")),
        ]
    };
    let peer = agent(lying).await;
    let mut agent = Agent::open(access(peer, Version::V2c), Tap::default())
        .await
        .unwrap();
    let walk = agent.walk(&[COLUMN]).await.unwrap();
    assert_eq!(walk.integer(COLUMN), Some(1));
    assert!(agent.take_strays() >= 5);
}

/// Every answer comes after its time, while a later attempt waits: each is passed over.
#[tokio::test]
async fn a_late_answer_is_not_taken_for_the_next_question() {
    let late = |request: Message| {
        let answer = answer(&request, table(&request, 3));
        vec![(150, answer.write(b"public"))]
    };
    let peer = agent(late).await;
    let error = walked(peer, Version::V2c).await.unwrap_err();
    assert!(
        matches!(error, SnmpError::Silent { attempts: 3, .. }),
        "{error}"
    );
    // One attempt is late, the others are not.
    let count = std::sync::atomic::AtomicU64::new(0);
    let first_late = move |request: Message| {
        let at = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let answer = answer(&request, table(&request, 3));
        let ms = if at == 1 { 120 } else { 0 };
        vec![(ms, answer.write(b"public"))]
    };
    let peer = agent(first_late).await;
    assert_eq!(walked(peer, Version::V2c).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_an_error_that_says_why() {
    let stands_still = |request: Message| {
        let values = request.values.iter();
        let values = values.map(|(name, _)| (name.clone(), Value::Integer(1)));
        vec![(0, answer(&request, values.collect()).write(b"public"))]
    };
    let peer = agent(stands_still).await;
    let error = walked(peer, Version::V2c).await.unwrap_err().to_string();
    assert!(
        error.contains("1.3.6.1.9 does not come after 1.3.6.1.9"),
        "{error}"
    );
    let says_nothing = |request: Message| vec![(0, answer(&request, vec![]).write(b"public"))];
    let peer = agent(says_nothing).await;
    let error = walked(peer, Version::V2c).await.unwrap_err().to_string();
    assert!(error.contains("0 values, not 1"), "{error}");
    let refuses = |request: Message| {
        let mut answer = answer(&request, request.values.clone());
        (answer.status, answer.index) = (16, 1);
        vec![(0, answer.write(b"public"))]
    };
    let peer = agent(refuses).await;
    let error = walked(peer, Version::V2c).await.unwrap_err().to_string();
    assert!(error.contains("error 16 at 1.3.6.1.9"), "{error}");
}

#[tokio::test]
async fn the_tap_has_what_passed_without_the_community() {
    let honest = |request: Message| {
        let answer = answer(&request, table(&request, 1));
        vec![(0, answer.write(b"public"))]
    };
    let peer = agent(honest).await;
    let tap = Tap::default();
    let mut agent = Agent::open(access(peer, Version::V2c), tap.clone())
        .await
        .unwrap();
    agent.walk(&[COLUMN]).await.unwrap();
    let passed: Vec<u8> = tap
        .pieces()
        .into_iter()
        .flat_map(|piece| piece.bytes)
        .collect();
    assert!(explain(&passed).iter().all(|piece| piece.good));
    assert!(!passed.windows(6).any(|bytes| bytes == b"public"));
}
