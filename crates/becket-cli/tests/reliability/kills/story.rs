//! The story: processes that live and are killed, clients that post and post again, and what was seen of it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::moment::Moment;
use crate::operator::{Delivery, Operator, Task};
use crate::receiver::{Receiver, Run};
use crate::sender::{Outgoing, Sender, samples};
use crate::server::{PATIENCE, Place, route};

const CLIENTS: usize = 6;
/// How many tasks one process runs at once.
pub(super) const CONCURRENCY: usize = 8;
/// A delivery is sent again after it was acknowledged, as senders do now and then: one in so many.
const SENT_AGAIN: u8 = 8;

/// All that was seen, from each side.
pub(super) struct Story {
    pub(super) acknowledged: Vec<Acknowledged>,
    pub(super) lives: Vec<Life>,
    /// What the receiver saw.
    pub(super) runs: Vec<Run>,
    /// What the API says at the end.
    pub(super) deliveries: Vec<Delivery>,
    /// What the API says at the end.
    pub(super) tasks: Vec<Task>,
}

/// A delivery whose sender got a 2xx.
pub(super) struct Acknowledged {
    pub(super) id: String,
    pub(super) tasks: Vec<String>,
}

/// One process that was killed.
pub(super) struct Life {
    pub(super) killed: Instant,
    /// The longest that a client waited for an answer of this process, to its death if none came; of any process, if
    /// none posted to this one: it runs what others left behind before it is known to listen.
    pub(super) longest_wait: Duration,
}

/// Tells a story of so many kills, and waits until every task has ended.
pub(super) async fn tell(kills: usize, seed: u64) -> Story {
    let mut random = fastrand::Rng::with_seed(seed);
    let receiver = Receiver::start(answer).await;
    let place = Place::new("");
    let clients = Arc::new(Clients::default());
    let posting: Vec<_> = (0..CLIENTS)
        .map(|name| tokio::spawn(Arc::clone(&clients).post_always(name, fastrand::Rng::with_seed(random.u64(..)))))
        .collect();

    let mut killed = Vec::new();
    for life in 0..kills {
        let moment = Moment::choose(&mut random);
        place.configure(&toml(&receiver, life));
        let mut server = place.launch();
        let opens = |server: &_| clients.open(life, server);
        moment.come(life, &mut server, &receiver, &clients.posts, opens).await;
        killed.push(server.kill().await);
        clients.door.send_replace(None);
    }

    place.configure(&toml(&receiver, kills));
    let server = place.start().await;
    clients.is_enough.store(true, Ordering::Relaxed);
    clients.open(kills, &server);
    let mut acknowledged = Vec::new();
    for client in posting {
        acknowledged.extend(client.await.unwrap());
    }
    let operator = Operator::of(&server.url);
    operator.until_all_ended().await;
    let (deliveries, tasks) = (operator.deliveries().await, operator.tasks().await);

    let waits = clients.waits.lock().unwrap();
    let of_all = waits.iter().map(|(_, wait)| *wait).max().unwrap_or_default();
    let longest = |life| waits.iter().filter(|(of, _)| *of == life).map(|(_, wait)| *wait).max().unwrap_or(of_all);
    let lives = killed.into_iter().enumerate().map(|(life, killed)| Life { killed, longest_wait: longest(life) });
    Story { acknowledged, lives: lives.collect(), runs: receiver.runs(), deliveries, tasks }
}

fn toml(receiver: &Receiver, life: usize) -> String {
    let route = route("hook", "*", &receiver.url(life));
    // A task is cut off by few kills, but by how many is chance, and each uses up an attempt.
    format!("worker.concurrency = {CONCURRENCY}\n{route}retries = 100\nbackoff = 'fixed'\nretry_delay = '10ms'\n")
}

/// How often the receiver refuses a delivery before it takes it.
pub(super) fn refusals(delivery: &str) -> usize {
    usize::from(draw(delivery).is_multiple_of(7))
}

/// Some runs take their time, and some deliveries are refused at first.
async fn answer(run: Run) -> u16 {
    if draw(&run.delivery).is_multiple_of(3) {
        sleep(Duration::from_millis(20)).await;
    }
    if run.nth <= refusals(&run.delivery) { 500 } else { 200 }
}

fn draw(delivery: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    delivery.hash(&mut hasher);
    hasher.finish()
}

/// Where the present process can be reached.
#[derive(Clone)]
struct Door {
    life: usize,
    url: String,
}

/// What the clients share.
#[derive(Default)]
struct Clients {
    door: watch::Sender<Option<Door>>,
    is_enough: AtomicBool,
    /// Begun since the present process listens.
    posts: watch::Sender<usize>,
    /// How long each post waited, and on which process.
    waits: Mutex<Vec<(usize, Duration)>>,
}

impl Clients {
    fn open(&self, life: usize, server: &crate::server::Server) {
        self.door.send_replace(Some(Door { life, url: server.url.clone() }));
    }

    /// One client: posts one new delivery after the other, each until it is acknowledged.
    async fn post_always(self: Arc<Self>, name: usize, mut random: fastrand::Rng) -> Vec<Acknowledged> {
        let (sender, samples) = (Sender::new(), samples());
        let mut acknowledged = Vec::new();
        while !self.is_enough.load(Ordering::Relaxed) {
            let (event, body): &(String, Bytes) = random.choice(&samples).unwrap();
            let outgoing = Outgoing::new(event, format!("{name}-{}", acknowledged.len()), body.clone());
            let tasks = self.post(&sender, &outgoing).await;
            if random.u8(0..SENT_AGAIN) == 0 {
                assert_eq!(self.post(&sender, &outgoing).await, tasks, "{} was acknowledged before", outgoing.id);
            }
            acknowledged.push(Acknowledged { id: outgoing.id, tasks });
        }
        acknowledged
    }

    /// Posts a delivery until it is acknowledged, by whichever process; answers the ids of its tasks.
    async fn post(&self, sender: &Sender, outgoing: &Outgoing) -> Vec<String> {
        let mut door = self.door.subscribe();
        loop {
            let Door { life, url } = door.wait_for(Option::is_some).await.unwrap().clone().unwrap();
            let began = Instant::now();
            self.posts.send_modify(|posts| *posts += 1);
            let answered = sender.post(&url, outgoing).await;
            self.waits.lock().unwrap().push((life, began.elapsed()));
            match answered {
                Ok(answer) => {
                    assert_eq!(answer.status, 202, "{answer:?}");
                    return answer.said.task_ids;
                }
                // Nobody knows whether it was accepted, so it is sent again, once there is somebody to send it to.
                Err(error) => {
                    let is_other = |door: &Option<Door>| door.as_ref().is_none_or(|door| door.life != life);
                    let died = timeout(PATIENCE, door.wait_for(is_other)).await.is_ok();
                    assert!(died, "a process that was not killed did not answer: {error}");
                }
            }
        }
    }
}
