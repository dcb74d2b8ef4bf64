//! The promises of the store.

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};

fn open() -> (Store, PathBuf) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "zhiban-store-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let store = Store::open(&folder.join("test.db"), |connection| {
        Ok(connection.execute_batch("create table t (n integer not null) strict")?)
    });
    (store.unwrap(), folder)
}

async fn count(store: &Store) -> i64 {
    let sum = |c: &Connection| Ok(c.query_row("select count(*) from t", [], |r| r.get(0))?);
    store.read(sum).await.unwrap()
}

fn insert(n: i64) -> impl FnOnce(&Connection) -> Result<usize, StoreError> + Send {
    move |connection| Ok(connection.execute("insert into t values (?1)", [n])?)
}

#[tokio::test]
async fn a_failed_job_takes_back_only_itself() {
    let (store, folder) = open();
    let refuse = store.write(|connection| {
        connection.execute("insert into t values (1)", [])?;
        Err::<(), _>(StoreError::Refused("no".into()))
    });
    let panics = store.write(|connection| -> Result<(), StoreError> {
        connection.execute("insert into t values (2)", [])?;
        panic!("a job that panics")
    });
    let (kept, refused, panicked) = tokio::join!(store.write(insert(3)), refuse, panics);
    assert!(kept.is_ok() && panicked.is_err());
    assert_eq!(refused.unwrap_err().to_string(), "no");
    assert_eq!(count(&store).await, 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn many_writers_at_once_are_all_kept() {
    let (store, folder) = open();
    let writes: Vec<_> = (0..10_000)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.write(insert(n)).await })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(count(&store).await, 10_000);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_full_database_refuses_and_recovers() {
    let (store, folder) = open();
    let limit = |pages: u32| {
        store.write(move |connection| {
            connection.pragma_update(None, "max_page_count", pages)?;
            Ok(())
        })
    };
    limit(2).await.unwrap();
    let fill = |connection: &Connection| {
        for n in 0..5_000 {
            connection.execute("insert into t values (?1)", [n])?;
        }
        Ok(())
    };
    assert!(matches!(store.write(fill).await, Err(StoreError::Full)));
    assert!(store.state().borrow().failing.is_some());
    assert_eq!(count(&store).await, 0);
    limit(10_000).await.unwrap();
    store.write(fill).await.unwrap();
    assert_eq!(*store.state().borrow(), WriterState::default());
    std::fs::remove_dir_all(folder).unwrap();
}
