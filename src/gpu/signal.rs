//! A value that a callback hands to a future: browsers answer later, on the thread that asks.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What both ends share.
struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
    /// No value will come any more.
    closed: bool,
}

/// Goes into the callback.
pub struct Sender<T>(Arc<Mutex<Slot<T>>>);

/// The value; `None` where the callback was dropped without being called.
pub struct Receiver<T>(Arc<Mutex<Slot<T>>>);

pub fn pair<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Arc::new(Mutex::new(Slot { value: None, waker: None, closed: false }));
    (Sender(slot.clone()), Receiver(slot))
}

fn lock<T>(slot: &Mutex<Slot<T>>) -> MutexGuard<'_, Slot<T>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Sender<T> {
    /// The future is woken when this drops.
    pub fn send(self, value: T) {
        lock(&self.0).value = Some(value);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut slot = lock(&self.0);
            slot.closed = true;
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = lock(&self.0);
        if slot.closed {
            return Poll::Ready(slot.value.take());
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::pair;

    #[test]
    fn a_value_comes_before_and_after_the_future_is_polled() {
        let (sender, receiver) = pair();
        sender.send(7);
        assert_eq!(pollster::block_on(receiver), Some(7));
        let (sender, receiver) = pair();
        let thread = std::thread::spawn(move || pollster::block_on(receiver));
        std::thread::sleep(std::time::Duration::from_millis(20));
        sender.send(8);
        assert_eq!(thread.join().unwrap(), Some(8));
    }

    #[test]
    fn a_callback_that_is_never_called_ends_the_wait() {
        let (sender, receiver) = pair::<u32>();
        drop(sender);
        assert_eq!(pollster::block_on(receiver), None);
    }
}
